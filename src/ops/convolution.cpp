#include "ops/convolution.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "ops/families.h"

namespace ppq::ops {
namespace {

void check_channels(const std::string& type, int64_t channels, int64_t expected) {
  if (channels != expected)
    reject(type, "channels of the input: got " + std::to_string(channels) + ", expected " + std::to_string(expected) +
                     " (from the weight and group)");
}

void check_rank(const std::string& type, const at::Tensor& x, const at::Tensor& weight) {
  if (x.dim() < 3 || x.dim() != weight.dim())
    reject(type,
           "rank: got input " + to_string(x.sizes()) + " and weight " + to_string(weight.sizes()) + ", expected equal ranks of at least 3");
  for (int64_t i = 2; i < weight.dim(); ++i)
    if (weight.size(i) == 0) reject(type, "weight: got " + to_string(weight.sizes()) + ", expected a kernel of at least 1");
  if (x.dim() > 5) reject_unsupported(type, "spatial dimensions: got " + std::to_string(x.dim() - 2) + ", expected 1 to 3");
}

Kernel make_conv(const OpSpec& spec) {
  return [attributes = WindowAttributes(spec.node), group = spec.node.attributes.get_int("group", 1)](Inputs in, Outputs out) {
    out[0] = convolve(in[0], in[1], input_or_none(in, 2), attributes, group);
  };
}

struct TransposeAttributes {
  WindowAttributes window;
  int64_t group;
  std::vector<int64_t> output_padding, output_shape;
};

/// Where the output lies in the full (unpadded) result of a transposed convolution, for each spatial dimension.
struct TransposePlan {
  std::vector<int64_t> strides, dilations, begin, extra;  ///< extra: output beyond the full result minus `begin`
};

TransposePlan plan_transpose(const TransposeAttributes& a, at::IntArrayRef input, at::IntArrayRef kernel) {
  using AutoPad = WindowAttributes::AutoPad;
  constexpr int64_t kMost = int64_t{1} << 40;  ///< of an axis
  const size_t rank = input.size();
  if (!a.window.pads.empty() && a.window.pads.size() != 2 * rank)
    reject(a.window.type, "pads: got " + std::to_string(a.window.pads.size()) + " entries, expected " + std::to_string(2 * rank));
  auto pick = [&](const std::vector<int64_t>& list, size_t i, int64_t fallback) { return i < list.size() ? list[i] : fallback; };
  TransposePlan plan;
  const size_t skip = a.output_shape.size() == rank + 2 ? 2 : 0;  // some exporters write N and C too
  if (!a.output_shape.empty() && a.output_shape.size() != rank + skip)
    reject(a.window.type, "output_shape: got " + std::to_string(a.output_shape.size()) + " entries, expected " + std::to_string(rank));
  for (size_t i = 0; i < rank; ++i) {
    const int64_t stride = pick(a.window.strides, i, 1), dilation = pick(a.window.dilations, i, 1);
    const int64_t padding = pick(a.output_padding, i, 0);
    if (padding < 0 || padding > kMost) reject(a.window.type, "output_padding: got " + std::to_string(padding) + ", expected 0 or more");
    if (!a.output_shape.empty() && (a.output_shape[i + skip] < 0 || a.output_shape[i + skip] > kMost))
      reject(a.window.type, "output_shape: got " + std::to_string(a.output_shape[i + skip]) + ", expected 0 or more");
    const int64_t full = stride * (input[i] - 1) + (kernel[i] - 1) * dilation + 1;
    int64_t begin = 0, end = 0;
    const bool same = a.window.auto_pad == AutoPad::SameUpper || a.window.auto_pad == AutoPad::SameLower;
    if (!a.output_shape.empty() || same) {
      const int64_t output = a.output_shape.empty() ? input[i] * stride : a.output_shape[i + skip];
      const int64_t total = full + padding - output;
      // Output larger than the full result is filled at its end only.
      const int64_t cut = std::max<int64_t>(total, 0);
      begin = a.window.auto_pad == AutoPad::SameUpper ? cut / 2 : cut - cut / 2;
      end = total - begin;
    } else if (a.window.auto_pad == AutoPad::NotSet && !a.window.pads.empty()) {
      begin = a.window.pads.at(i);
      end = a.window.pads.at(rank + i);
    }
    plan.strides.push_back(stride);
    plan.dilations.push_back(dilation);
    plan.begin.push_back(begin);
    plan.extra.push_back(padding - end);
    if (full - begin + padding - end < 0)
      reject(a.window.type, "pads: got more than the output of " + std::to_string(full) + " elements, expected fewer");
  }
  return plan;
}

/// True where LibTorch's symmetric padding and output_padding express the plan.
bool is_native(const TransposePlan& plan) {
  for (size_t i = 0; i < plan.begin.size(); ++i) {
    const int64_t output_padding = plan.extra[i] + plan.begin[i];
    if (plan.begin[i] < 0 || output_padding < 0 || output_padding >= std::max(plan.strides[i], plan.dilations[i])) return false;
  }
  return true;
}

at::Tensor convolve_transpose(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const TransposeAttributes& a) {
  check_rank(a.window.type, x, weight);
  check_channels(a.window.type, x.size(1), weight.size(0));
  const TransposePlan plan = plan_transpose(a, x.sizes().slice(2), weight.sizes().slice(2));
  const std::vector<int64_t> zeros(plan.begin.size(), 0);
  if (is_native(plan)) {
    std::vector<int64_t> output_padding(plan.begin.size());
    for (size_t i = 0; i < plan.begin.size(); ++i) output_padding[i] = plan.extra[i] + plan.begin[i];
    return at::convolution(x, weight, bias, plan.strides, plan.begin, plan.dilations, true, output_padding, a.group);
  }
  at::Tensor full = at::convolution(x, weight, {}, plan.strides, zeros, plan.dilations, true, zeros, a.group);
  std::vector<int64_t> pads;
  for (size_t i = plan.begin.size(); i-- > 0;) {
    pads.push_back(-plan.begin[i]);
    pads.push_back(plan.extra[i]);
  }
  full = at::constant_pad_nd(full, pads, 0);
  if (!bias.defined()) return full;
  std::vector<int64_t> shape(x.dim(), 1);
  shape[1] = -1;
  return full.add_(bias.reshape(shape));
}

Kernel make_conv_transpose(const OpSpec& spec) {
  const Attributes& attributes = spec.node.attributes;
  TransposeAttributes a{WindowAttributes(spec.node), attributes.get_int("group", 1), attributes.get_ints("output_padding"),
                        attributes.get_ints("output_shape")};
  return [a](Inputs in, Outputs out) { out[0] = convolve_transpose(in[0], in[1], input_or_none(in, 2), a); };
}

int conv_weight_axis(const Node&, size_t) { return 0; }
/// Of [Cin, Cout / groups, …].
int conv_transpose_weight_axis(const Node&, size_t) { return 1; }

}  // namespace

at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const WindowAttributes& attributes,
                    int64_t group) {
  check_rank(attributes.type, x, weight);
  check_channels(attributes.type, x.size(1), weight.size(1) * group);
  const Window w = resolve_window(attributes, x.sizes().slice(2), weight.sizes().slice(2));
  const std::vector<int64_t> zeros(w.rank(), 0);
  if (w.symmetric()) return at::convolution(x, weight, bias, w.strides, w.begin, w.dilations, false, zeros, group);
  const at::Tensor padded = at::constant_pad_nd(x, w.torch_pads(), 0);
  return at::convolution(padded, weight, bias, w.strides, zeros, w.dilations, false, zeros, group);
}

Rows convolution() {
  using enum OpKind;
  return {
      {"Conv", 1, make_conv, {Layer, "dwb", "d", {.weight_axis = conv_weight_axis, .channel_axis = 1}}},
      {"ConvTranspose", 1, make_conv_transpose, {Layer, "dwb", "d", {.weight_axis = conv_transpose_weight_axis, .channel_axis = 1}}},
      {"ConvInteger", 10, make_conv_integer, {Computation, "ddf", "d"}},
      {"QLinearConv", 10, make_qlinear_conv, {Computation, "dffdffffd", "d"}},
      {"DeformConv", 19, make_deform_conv, {Computation, "d", "d"}},
      // A layer and its activation in one: no pass rewrites them, so they are none of the layers that it finds.
      {"FusedConv", 1, make_fused_conv, {Computation, "d", "d"}, "com.microsoft"},
  };
}

}  // namespace ppq::ops
