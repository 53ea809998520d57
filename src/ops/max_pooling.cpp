#include <ATen/ATen.h>

#include <limits>

#include "ops/memory_bound.h"
#include "ops/pooling.h"

namespace ppq::ops {
namespace {

struct Pooled {
  at::Tensor values, indices;  ///< indices into the flattened input; undefined when not asked for
};

double lowest_of(at::ScalarType type) {
  if (at::isFloatingType(type)) return -std::numeric_limits<double>::infinity();
  switch (type) {
    case at::kChar:
      return -128;
    case at::kShort:
      return std::numeric_limits<int16_t>::min();
    case at::kInt:
      return std::numeric_limits<int32_t>::min();
    default:
      return 0;  // unsigned
  }
}

at::Tensor pad_with_lowest(const at::Tensor& x, const std::vector<int64_t>& pads) {
  for (int64_t p : pads)
    if (p != 0) return at::constant_pad_nd(x, pads, lowest_of(x.scalar_type()));
  return x;
}

at::Tensor native_max(const at::Tensor& x, const Window& w, const std::vector<int64_t>& padding, bool ceil) {
  if (w.rank() == 1) return at::max_pool1d(x, w.kernel, w.strides, padding, w.dilations, ceil);
  if (w.rank() == 2) return at::max_pool2d(x, w.kernel, w.strides, padding, w.dilations, ceil);
  return at::max_pool3d(x, w.kernel, w.strides, padding, w.dilations, ceil);
}

/// LibTorch takes padding of at most half a window.
bool is_native(const Window& w, const WindowAttributes& a) {
  if (!w.symmetric() || (a.auto_pad != WindowAttributes::AutoPad::NotSet && a.ceil_mode)) return false;
  for (size_t i = 0; i < w.rank(); ++i)
    if (2 * w.begin[i] > w.kernel[i]) return false;
  return true;
}

/// Positions of the maxima in the flattened input. Row-major over N, C, D1…Dn; with `column_major` the spatial part has its
/// first dimension fastest.
at::Tensor flat_indices(const at::Tensor& x, const Window& w, const at::Tensor& winner, bool column_major) {
  const int64_t rank = static_cast<int64_t>(w.rank());
  const auto longs = winner.options().dtype(at::kLong);
  std::vector<int64_t> stride(rank, 1);
  if (column_major)
    for (int64_t i = 1; i < rank; ++i) stride[i] = stride[i - 1] * x.size(1 + i);
  else
    for (int64_t i = rank - 1; i-- > 0;) stride[i] = stride[i + 1] * x.size(3 + i);

  at::Tensor rest = winner, index = at::zeros_like(winner);
  for (int64_t i = rank; i-- > 0;) {  // winner is row-major over the window
    const at::Tensor k = rest.remainder(w.kernel[i]);
    rest = rest.div(w.kernel[i], "floor");
    std::vector<int64_t> shape(winner.dim(), 1);
    shape[2 + i] = w.output[i];
    const at::Tensor origin = at::arange(w.output[i], longs).mul_(w.strides[i]).sub_(w.begin[i]).reshape(shape);
    index = index + (origin + k * w.dilations[i]) * stride[i];
  }
  const int64_t plane = x.numel() / std::max<int64_t>(x.size(0) * x.size(1), 1);
  std::vector<int64_t> shape(winner.dim(), 1);
  shape[0] = x.size(0);
  shape[1] = x.size(1);
  return index + at::arange(x.size(0) * x.size(1), longs).mul_(plane).reshape(shape);
}

Pooled max_pool(const at::Tensor& x, const WindowAttributes& attributes, bool want_indices, bool column_major) {
  const Window w = resolve_window(attributes, x.sizes().slice(2));
  const bool floating = at::isFloatingType(x.scalar_type());
  if (!want_indices && floating && w.rank() <= 3) {
    if (is_native(w, attributes)) return {native_max(x, w, w.begin, attributes.ceil_mode), {}};
    const at::Tensor padded = pad_with_lowest(x, w.covering_pads(x.sizes().slice(2)));
    return {native_max(padded, w, std::vector<int64_t>(w.rank(), 0), false), {}};
  }
  const at::Tensor padded = pad_with_lowest(x, w.covering_pads(x.sizes().slice(2)));
  const at::Tensor windows = window_view(padded, w).flatten(2 + static_cast<int64_t>(w.rank()));
  if (!want_indices) return {windows.amax(-1), {}};
  const auto [values, winner] = windows.max(-1);
  return {values, flat_indices(x, w, winner, column_major)};
}

}  // namespace

Kernel make_max_pool(const OpSpec& spec) {
  const bool indices = spec.node.outputs().size() > 1 && spec.node.output(1) != nullptr;
  return [attributes = WindowAttributes(spec.node), indices, column_major = spec.node.attributes.get_int("storage_order", 0) != 0](
             Inputs in, Outputs out) {
    const Pooled pooled = max_pool(in[0], attributes, indices, column_major);
    out[0] = pooled.values;
    if (indices) out[1] = pooled.indices;
  };
}

/// Indices count positions in the size that pooling would have come from; a larger output_shape only adds zeros at the ends.
Kernel make_max_unpool(const OpSpec& spec) {
  return [attributes = WindowAttributes(spec.node)](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    const size_t rank = static_cast<size_t>(x.dim()) - 2;
    if (x.dim() < 3 || attributes.kernel.size() != rank)
      reject("MaxUnpool", "kernel_shape: got " + std::to_string(attributes.kernel.size()) + " entries, expected " + std::to_string(rank));
    if ((!attributes.strides.empty() && attributes.strides.size() != rank) ||
        (!attributes.pads.empty() && attributes.pads.size() != 2 * rank))
      reject("MaxUnpool", "strides and pads: expected one, and two, for each spatial dimension");
    std::vector<int64_t> shape{x.size(0), x.size(1)};
    int64_t count = x.size(0) * x.size(1);
    for (size_t i = 0; i < rank; ++i) {
      const int64_t stride = attributes.strides.empty() ? 1 : attributes.strides.at(i);
      const int64_t pads = attributes.pads.empty() ? 0 : attributes.pads.at(i) + attributes.pads.at(rank + i);
      shape.push_back((x.size(2 + static_cast<int64_t>(i)) - 1) * stride - pads + attributes.kernel[i]);
    }
    check_room("MaxUnpool", shape, x.element_size());
    for (size_t i = 2; i < shape.size(); ++i) count *= shape[i];
    const at::Tensor y = at::zeros({count}, x.options()).scatter_(0, in[1].reshape({-1}).to(at::kLong), x.reshape({-1})).reshape(shape);
    const std::vector<int64_t> wanted = to_ints(input_or_none(in, 2));
    if (wanted.empty() || wanted == shape) {
      out[0] = y;
      return;
    }
    if (wanted.size() != shape.size())
      reject("MaxUnpool", "output_shape: got " + std::to_string(wanted.size()) + " entries, expected " + std::to_string(shape.size()));
    std::vector<int64_t> pads;
    for (size_t i = shape.size(); i-- > 0;) {
      pads.push_back(0);
      pads.push_back(wanted[i] - shape[i]);
    }
    out[0] = at::constant_pad_nd(y, pads, 0);
  };
}

}  // namespace ppq::ops
