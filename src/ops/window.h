#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ops/op.h"

namespace ppq::ops {

/// The sliding-window attributes of a convolution or pooling node, as the node gives them.
struct WindowAttributes {
  enum class AutoPad { NotSet, SameUpper, SameLower, Valid };

  std::string type;                                       ///< operator, for messages
  std::vector<int64_t> kernel, strides, dilations, pads;  ///< empty: the operator's default
  AutoPad auto_pad = AutoPad::NotSet;
  bool ceil_mode = false;

  /// Throws Model on an unknown auto_pad, a stride or dilation below 1, or lists of different lengths.
  explicit WindowAttributes(const Node& node);
};

/// A window resolved for one input size: every list has one entry for each spatial dimension.
struct Window {
  std::vector<int64_t> kernel, strides, dilations;
  std::vector<int64_t> begin, end;  ///< padding, negative crops
  std::vector<int64_t> output;      ///< output sizes

  size_t rank() const { return kernel.size(); }
  /// Input elements that one window spans along dimension i.
  int64_t extent(size_t i) const { return (kernel[i] - 1) * dilations[i] + 1; }
  /// begin equals end everywhere and nothing is cropped.
  bool symmetric() const;
  bool dilated() const;
  /// `begin, end` pairs, last dimension first, for constant_pad_nd.
  std::vector<int64_t> torch_pads() const;
  /// As torch_pads, with `end` extended (or cut) so that every window lies inside: what ceil_mode adds.
  std::vector<int64_t> covering_pads(at::IntArrayRef input) const;
};

/// Resolves defaults, auto_pad and ceil_mode for spatial sizes `input`; `kernel` overrides the attribute (convolutions know
/// it from the weight). Throws Model where ranks disagree or a window is larger than its padded input.
Window resolve_window(const WindowAttributes& attributes, at::IntArrayRef input, at::IntArrayRef kernel = {});

/// Every window of padded `x` [N, C, spatial…] as a view [N, C, output…, kernel…]; `x` must cover all windows.
at::Tensor window_view(const at::Tensor& x, const Window& window);

/// `[type] problem`, thrown as Model from inside a kernel (the executor adds the node).
[[noreturn]] void reject(const std::string& type, const std::string& problem, const std::string& hint = "");
[[noreturn]] void reject_unsupported(const std::string& type, const std::string& problem, const std::string& hint = "");

/// Input i, or an undefined tensor where the node does not have it.
inline at::Tensor input_or_none(Inputs in, size_t i) { return i < in.size() ? in[i] : at::Tensor(); }
/// Sets output i where the node has it.
inline void set_output(Outputs out, size_t i, const at::Tensor& value) {
  if (i < out.size()) out[i] = value;
}

}  // namespace ppq::ops
