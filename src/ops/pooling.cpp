#include "ops/pooling.h"

#include <ATen/ATen.h>

#include <numeric>

#include "ops/families.h"

namespace ppq::ops {
namespace {

std::vector<int64_t> spatial_axes(const at::Tensor& x) {
  if (x.dim() < 3) reject("global pooling", "input: got " + to_string(x.sizes()) + ", expected [N, C, spatial…]");
  std::vector<int64_t> axes(x.dim() - 2);
  std::iota(axes.begin(), axes.end(), 2);
  return axes;
}

std::vector<int64_t> window_axes(const Window& w) {
  std::vector<int64_t> axes(w.rank());
  std::iota(axes.begin(), axes.end(), 2 + static_cast<int64_t>(w.rank()));
  return axes;
}

/// For each output position, how many elements of its window count: those inside the input, or inside the padded input.
at::Tensor window_counts(const at::Tensor& x, const Window& w, bool count_include_pad) {
  at::Tensor counts;
  for (size_t i = 0; i < w.rank(); ++i) {
    const int64_t size = x.size(2 + static_cast<int64_t>(i));
    const int64_t low = count_include_pad ? -w.begin[i] : 0, high = size + (count_include_pad ? w.end[i] : 0);
    std::vector<double> line(w.output[i], 0.0);
    for (int64_t o = 0; o < w.output[i]; ++o)
      for (int64_t k = 0; k < w.kernel[i]; ++k) {
        const int64_t at = o * w.strides[i] - w.begin[i] + k * w.dilations[i];
        if (at >= low && at < high) ++line[o];
      }
    std::vector<int64_t> shape(w.rank(), 1);
    shape[i] = w.output[i];
    const at::Tensor part = at::tensor(line, at::kDouble).reshape(shape);
    counts = counts.defined() ? counts * part : part;
  }
  return counts.to(x.options());
}

/// LibTorch's own pooling follows ONNX's rules for symmetric padding of at most half a window, without dilation.
bool is_native_average(const at::Tensor& x, const Window& w, const WindowAttributes& a) {
  if (w.rank() > 3 || !w.symmetric() || w.dilated() || !at::isFloatingType(x.scalar_type())) return false;
  if (a.auto_pad != WindowAttributes::AutoPad::NotSet && a.ceil_mode) return false;
  for (size_t i = 0; i < w.rank(); ++i)
    if (2 * w.begin[i] > w.kernel[i]) return false;
  return true;
}

Kernel make_average_pool(const OpSpec& spec) {
  return [attributes = WindowAttributes(spec.node), include = spec.node.attributes.get_int("count_include_pad", 0) != 0](
             Inputs in, Outputs out) { out[0] = average_pool(in[0], attributes, include); };
}

/// p is a float in opset 1 and an integer from opset 2 on.
double norm_order(const OpSpec& spec) {
  const AttrValue* p = spec.node.attributes.find("p");
  if (p && std::holds_alternative<float>(*p)) return std::get<float>(*p);
  return static_cast<double>(spec.node.attributes.get_int("p", 2));
}

at::Tensor power_sum_to_norm(const at::Tensor& sum, double p) {
  if (p == 1) return sum;
  return p == 2 ? sum.sqrt() : sum.pow(1 / p);
}

at::Tensor absolute_power(const at::Tensor& x, double p) {
  if (p == 1) return x.abs();
  return p == 2 ? x.square() : x.abs().pow(p);
}

Kernel make_lp_pool(const OpSpec& spec) {
  return [attributes = WindowAttributes(spec.node), p = norm_order(spec)](Inputs in, Outputs out) {
    const Window w = resolve_window(attributes, in[0].sizes().slice(2));
    out[0] = power_sum_to_norm(window_sum(absolute_power(in[0], p), w), p);
  };
}

Kernel make_global_average_pool(const OpSpec&) {
  return [](Inputs in, Outputs out) { out[0] = at::mean(in[0], spatial_axes(in[0]), true); };
}

Kernel make_global_max_pool(const OpSpec&) {
  return [](Inputs in, Outputs out) { out[0] = at::amax(in[0], spatial_axes(in[0]), true); };
}

Kernel make_global_lp_pool(const OpSpec& spec) {
  return [p = norm_order(spec)](Inputs in, Outputs out) {
    out[0] = power_sum_to_norm(at::sum(absolute_power(in[0], p), spatial_axes(in[0]), true), p);
  };
}

}  // namespace

at::Tensor window_sum(const at::Tensor& x, const Window& w) {
  const at::Tensor padded = at::constant_pad_nd(x, w.covering_pads(x.sizes().slice(2)), 0);
  return at::sum(window_view(padded, w), window_axes(w));
}

at::Tensor average_pool(const at::Tensor& x, const WindowAttributes& attributes, bool include) {
  const Window w = resolve_window(attributes, x.sizes().slice(2));
  if (is_native_average(x, w, attributes)) {
    const bool ceil = attributes.ceil_mode;
    if (w.rank() == 1) return at::avg_pool1d(x, w.kernel, w.strides, w.begin, ceil, include);
    if (w.rank() == 2) return at::avg_pool2d(x, w.kernel, w.strides, w.begin, ceil, include);
    return at::avg_pool3d(x, w.kernel, w.strides, w.begin, ceil, include);
  }
  const at::Tensor counts = window_counts(x, w, include);
  if (w.rank() == 2 && !w.dilated()) {
    const at::Tensor padded = at::constant_pad_nd(x, w.covering_pads(x.sizes().slice(2)), 0);
    return at::avg_pool2d(padded, w.kernel, w.strides, {0, 0}, false, true, 1).div_(counts);
  }
  return window_sum(x, w).div_(counts);
}

Rows pooling() {
  using enum OpKind;
  return {
      {"MaxPool", 1, make_max_pool, {Movement, "d", "df", {.scale_free = true}}},
      {"MaxUnpool", 9, make_max_unpool, {Movement, "dfs", "d"}, "", 1u << 2},
      {"AveragePool", 1, make_average_pool, {Computation, "d", "d", {.scale_free = true}}},
      {"LpPool", 1, make_lp_pool, {Computation, "d", "d"}},
      {"GlobalAveragePool", 1, make_global_average_pool, {Computation, "d", "d", {.scale_free = true}}},
      {"GlobalMaxPool", 1, make_global_max_pool, {Movement, "d", "d", {.scale_free = true}}},
      {"GlobalLpPool", 1, make_global_lp_pool, {Computation, "d", "d"}},
  };
}

}  // namespace ppq::ops
