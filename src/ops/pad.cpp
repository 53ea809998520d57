#include <ATen/ATen.h>

#include <algorithm>

#include "ops/dtypes.h"
#include "ops/indexing.h"
#include "ops/memory_bound.h"

namespace ppq::ops {
namespace {

using Ints = std::vector<int64_t>;
enum class Mode { Constant, Reflect, Edge, Wrap };

Mode mode_of(const OpSpec& spec) {
  const std::string name = spec.node.attributes.get_string("mode", "constant");
  if (name == "constant") return Mode::Constant;
  if (name == "reflect") return Mode::Reflect;
  if (name == "edge") return Mode::Edge;
  if (name == "wrap" && spec.opset >= 19) return Mode::Wrap;
  fail(spec.node, "mode: got '" + name + "', expected constant, reflect, edge, or from opset 19 on wrap");
}

/// Position in [0, length) that the padded position `i` copies.
int64_t source_of(int64_t i, int64_t length, Mode mode) {
  if (mode == Mode::Edge) return std::clamp<int64_t>(i, 0, length - 1);
  const int64_t period = mode == Mode::Wrap ? length : std::max<int64_t>(2 * (length - 1), 1);
  i = ((i % period) + period) % period;
  return mode == Mode::Reflect && i >= length ? period - i : i;
}

at::Tensor pad_by_index(at::Tensor x, const Ints& before, const Ints& after, Mode mode) {
  for (int64_t axis = 0; axis < x.dim(); ++axis) {
    const int64_t low = before[static_cast<size_t>(axis)], high = after[static_cast<size_t>(axis)], length = x.size(axis);
    if (low == 0 && high == 0) continue;
    TORCH_CHECK(length > 0 || length + low + high <= 0, "cannot pad axis ", axis, " of shape ", x.sizes(), " from its own values");
    Ints index;
    for (int64_t i = -low; i < length + high; ++i) index.push_back(source_of(i, length, mode));
    x = x.index_select(axis, on_device_of(at::tensor(at::IntArrayRef(index), at::kLong), x));
  }
  return x;
}

/// LibTorch's kernels pad the last 1 to 3 axes of a tensor of 2 more at most.
bool has_fast_path(const at::Tensor& x, const Ints& before, const Ints& after, Mode mode) {
  const auto rank = static_cast<size_t>(x.dim());
  if (mode == Mode::Wrap || !at::isFloatingType(x.scalar_type()) || rank < 3 || rank > 5 || x.numel() == 0) return false;
  for (size_t i = 0; i < rank; ++i) {
    const bool fits =
        before[i] >= 0 && after[i] >= 0 && (mode != Mode::Reflect || std::max(before[i], after[i]) < x.size(static_cast<int64_t>(i)));
    if (!fits || (i < 2 && (before[i] != 0 || after[i] != 0))) return false;
  }
  return true;
}

/// LibTorch's order: last axis first, (before, after) each.
Ints torch_order(const Ints& before, const Ints& after, size_t axes) {
  Ints pads;
  for (size_t i = 0; i < axes; ++i) {
    pads.push_back(before[before.size() - 1 - i]);
    pads.push_back(after[after.size() - 1 - i]);
  }
  return pads;
}

at::Tensor pad(const at::Tensor& x, const Ints& pads, const Ints& axes, Mode mode, const at::Scalar& value) {
  const auto rank = static_cast<size_t>(x.dim()), count = axes.empty() ? rank : axes.size();
  TORCH_CHECK(pads.size() == 2 * count, "pads: got ", pads.size(), " values, expected ", 2 * count, " for shape ", x.sizes());
  Ints before(rank, 0), after(rank, 0), sizes = x.sizes().vec();
  for (size_t i = 0; i < count; ++i) {
    const size_t axis = axes.empty() ? i : static_cast<size_t>(normalize_axis(axes[i], x.dim()));
    before[axis] = pads[i];
    after[axis] = pads[i + count];
    constexpr int64_t kMost = int64_t{1} << 60;
    TORCH_CHECK(std::abs(before[axis]) < kMost && std::abs(after[axis]) < kMost, "pads: got ", before[axis], " and ", after[axis]);
    sizes[axis] = x.size(static_cast<int64_t>(axis)) + before[axis] + after[axis];
  }
  check_room("Pad", sizes, x.element_size());
  if (mode == Mode::Constant) return at::constant_pad_nd(x, torch_order(before, after, rank), value);
  if (has_fast_path(x, before, after, mode))
    return at::pad(x, torch_order(before, after, rank - 2), mode == Mode::Reflect ? "reflect" : "replicate");
  return pad_by_index(x, before, after, mode);
}

/// Opset 1 calls the attribute `paddings`.
Kernel pad_by_attributes(const OpSpec& spec) {
  const auto& a = spec.node.attributes;
  return [mode = mode_of(spec), pads = a.get_ints(a.has("paddings") ? "paddings" : "pads"), value = a.get_float("value", 0)](
             Inputs in, Outputs out) { out[0] = pad(in[0], pads, {}, mode, value); };
}

Kernel pad_by_inputs(const OpSpec& spec) {
  return [mode = mode_of(spec)](Inputs in, Outputs out) {
    const bool has_value = in.size() > 2 && in[2].defined() && in[2].numel() > 0;
    const at::Scalar value = has_value ? scalar_of(signed_view(in[2])) : at::Scalar(0);
    const Ints axes = in.size() > 3 ? to_ints(in[3]) : Ints();
    if (in.size() > 3 && in[3].defined() && axes.empty()) {
      out[0] = in[0];
      return;
    }
    out[0] = moved(in[0], [&](const at::Tensor& x) { return pad(x, to_ints(in[1]), axes, mode, value); });
  };
}

/// Another value than zero may lie outside the data's range, and its scale would cut it off.
bool pads_with_zeros(const Node& node) {
  if (node.attributes.get_string("mode", "constant") != "constant") return true;
  if (!node.input(2)) return node.attributes.get_float("value", 0) == 0;
  const at::Tensor value = node.constant_input(2);
  return value.defined() && value.numel() == 1 && value.to(at::kDouble).item<double>() == 0;
}

}  // namespace

Rows pad_rows() {
  using enum OpKind;
  return {
      {"Pad", 1, pad_by_attributes, {Movement, "dsls", "d", {.moves_if = pads_with_zeros}}},
      {.type = "Pad",
       .since = 11,
       .make = pad_by_inputs,
       .facts = {Movement, "dsls", "d", {.moves_if = pads_with_zeros}},
       .host_inputs = 0b1110},
  };
}

}  // namespace ppq::ops
