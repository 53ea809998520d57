#include <ATen/ATen.h>

#include <algorithm>

#include "ops/dtypes.h"
#include "ops/indexing.h"

namespace ppq::ops {
namespace {

using Ints = std::vector<int64_t>;

/// One axis of Slice. Ends may be far outside the axis (INT_MAX, INT_MIN). A negative step runs backwards, and then the
/// standard clamps the start into [0, length - 1], where Python would begin before the first element.
at::Tensor slice_axis(const at::Tensor& x, int64_t axis, int64_t start, int64_t end, int64_t step) {
  const int64_t length = x.size(axis);
  TORCH_CHECK(step != 0, "steps: got 0");
  auto from_end = [length](int64_t i) { return i < 0 ? i + length : i; };  // length is never negative: no overflow
  if (step > 0) {
    const int64_t first = std::clamp<int64_t>(from_end(start), 0, length), last = std::clamp<int64_t>(from_end(end), first, length);
    return x.slice(axis, first, last, std::min(step, std::max<int64_t>(length, 1)));
  }
  if (length == 0) return x;
  const int64_t first = std::clamp<int64_t>(from_end(start), 0, length - 1), last = std::clamp<int64_t>(from_end(end), -1, length - 1);
  const int64_t stride = step < -length ? length : -step;
  const int64_t count = first > last ? (first - last + stride - 1) / stride : 0;
  if (count == 0) return x.narrow(axis, 0, 0);
  return x.slice(axis, first - (count - 1) * stride, first + 1, stride).flip(axis);
}

at::Tensor slice(const at::Tensor& x, const Ints& starts, const Ints& ends, const Ints& axes, const Ints& steps) {
  TORCH_CHECK(starts.size() == ends.size(), "got ", starts.size(), " starts and ", ends.size(), " ends");
  TORCH_CHECK(axes.empty() || axes.size() == starts.size(), "got ", axes.size(), " axes and ", starts.size(), " starts");
  TORCH_CHECK(steps.empty() || steps.size() == starts.size(), "got ", steps.size(), " steps and ", starts.size(), " starts");
  at::Tensor y = x;
  for (size_t i = 0; i < starts.size(); ++i) {
    const int64_t axis = normalize_axis(axes.empty() ? static_cast<int64_t>(i) : axes[i], x.dim());
    y = slice_axis(y, axis, starts[i], ends[i], steps.empty() ? 1 : steps[i]);
  }
  return y;
}

Kernel slice_by_attributes(const OpSpec& spec) {
  const auto& a = spec.node.attributes;
  return [starts = a.get_ints("starts"), ends = a.get_ints("ends"), axes = a.get_ints("axes")](Inputs in, Outputs out) {
    out[0] = slice(in[0], starts, ends, axes, {});
  };
}

Kernel slice_by_inputs(const OpSpec&) {
  return [](Inputs in, Outputs out) {
    auto ints = [&](size_t i) { return i < in.size() ? to_ints(in[i]) : Ints(); };
    out[0] = moved(in[0], [&](const at::Tensor& x) { return slice(x, ints(1), ints(2), ints(3), ints(4)); });
  };
}

/// Sizes of the parts: given, or equal. `num_outputs` (opset 18) lets the last part be smaller.
Ints part_sizes(int64_t length, size_t parts, Ints given, bool uneven) {
  if (given.empty()) {
    const auto n = static_cast<int64_t>(parts);
    TORCH_CHECK(n > 0, "split: got no outputs, expected at least 1");
    TORCH_CHECK(uneven || length % n == 0, "cannot split ", length, " into ", n, " equal parts");
    const int64_t chunk = (length + n - 1) / n;
    for (int64_t i = 0; i < n; ++i) given.push_back(std::clamp<int64_t>(length - i * chunk, 0, chunk));
  }
  TORCH_CHECK(given.size() == parts, "split: got ", given.size(), " sizes for ", parts, " outputs");
  return given;
}

Kernel split(const OpSpec& spec) {
  const int64_t axis = spec.node.attributes.get_int("axis", 0);
  const bool uneven = spec.node.attributes.has("num_outputs");
  return [axis, uneven, fixed = spec.node.attributes.get_ints("split")](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    const int64_t dim = normalize_axis(axis, x.dim());
    const bool by_input = in.size() > 1 && in[1].defined();
    const auto parts = x.split_with_sizes(part_sizes(x.size(dim), out.size(), by_input ? to_ints(in[1]) : fixed, uneven), dim);
    for (size_t i = 0; i < parts.size(); ++i) out[i] = parts[i];
  };
}

Kernel concat(const OpSpec& spec) {
  if (spec.opset >= 4 && !spec.node.attributes.has("axis")) fail(spec.node, "attribute 'axis' is missing");
  return [axis = spec.node.attributes.get_int("axis", 1)](Inputs in, Outputs out) {
    std::vector<at::Tensor> parts;
    parts.reserve(in.size());
    const at::Tensor* like = &in[0];
    for (const auto& x : in)
      if (!x.is_cpu()) like = &x;
    for (const auto& x : in) parts.push_back(on_device_of(x, *like));
    out[0] = at::cat(parts, normalize_axis(axis, in[0].dim()));
  };
}

Kernel trilu(const OpSpec& spec) {
  return [upper = spec.node.attributes.get_int("upper", 1) != 0](Inputs in, Outputs out) {
    int64_t k = in.size() > 1 && in[1].defined() ? to_int(in[1], "k") : 0;
    const int64_t limit = in[0].size(-1) + in[0].size(-2);
    k = std::clamp(k, -limit, limit);
    out[0] = moved(in[0], [&](const at::Tensor& x) { return upper ? at::triu(x, k) : at::tril(x, k); });
  };
}

Kernel eye_like(const OpSpec& spec) {
  std::optional<at::ScalarType> type;
  if (spec.node.attributes.has("dtype")) type = to_scalar_type(static_cast<DataType>(spec.node.attributes.get_int("dtype", 1)));
  return [type, k = spec.node.attributes.get_int("k", 0)](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    TORCH_CHECK(x.dim() == 2, "got rank ", x.dim(), ", expected 2");
    at::Tensor y = at::zeros(x.sizes(), x.options().dtype(at::kByte));
    if (k < x.size(1) && -k < x.size(0)) y.diagonal(k).fill_(1);
    out[0] = y.to(type.value_or(x.scalar_type()));
  };
}

}  // namespace

Rows slice_rows() {
  using enum OpKind;
  return {
      {"Slice", 1, slice_by_attributes, {Movement, "ds", "d"}},
      {.type = "Slice", .since = 10, .make = slice_by_inputs, .facts = {Movement, "ds", "d"}, .host_inputs = 0b11110},
      {.type = "Split", .since = 1, .make = split, .facts = {Movement, "ds", "d"}, .host_inputs = 0b10},
      // Each of several data inputs has a quantization of its own: no movement.
      {"Concat", 1, concat, {Computation, "d", "d"}},
      {.type = "Trilu", .since = 14, .make = trilu, .facts = {Movement, "ds", "d"}, .host_inputs = 0b10},
      {"EyeLike", 9, eye_like, {Description, "s", "d"}},
  };
}

}  // namespace ppq::ops
