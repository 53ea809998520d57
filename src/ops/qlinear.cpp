// com.microsoft's QLinear operators: dequantize, compute in float32, quantize.
#include <ATen/ATen.h>

#include "ops/attention.h"
#include "ops/linear_quantization.h"
#include "ops/pooling.h"
#include "ops/window.h"

namespace ppq::ops {
namespace {

at::Tensor to_float(const at::Tensor& q, const at::Tensor& scale, const at::Tensor& zero_point) {
  return dequantize(q, scale, zero_point, {0, 0}, at::kFloat);
}

at::Tensor to_quantized(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& zero_point, at::ScalarType type) {
  return quantize(x, scale, zero_point, {0, 0}, zero_point.defined() ? zero_point.scalar_type() : type);
}

/// Inputs a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero.
template <class Compute>
Kernel binary(Compute compute) {
  return [compute](Inputs in, Outputs out) {
    const at::Tensor y = compute(to_float(in[0], in[1], in[2]), to_float(in[3], in[4], in[5]));
    out[0] = to_quantized(y, in[6], input_or_none(in, 7), in[0].scalar_type());
  };
}

/// Inputs x, x_scale, x_zero, y_scale, y_zero. Pools that read channels last compute on a view with channels first.
template <class Compute>
Kernel unary(Compute compute, bool channels_last = false) {
  return [compute, channels_last](Inputs in, Outputs out) {
    at::Tensor x = to_float(in[0], in[1], in[2]);
    if (channels_last) x = x.movedim(-1, 1);
    at::Tensor y = compute(x);
    if (channels_last) y = y.movedim(1, -1).contiguous();
    out[0] = to_quantized(y, in[3], input_or_none(in, 4), in[0].scalar_type());
  };
}

}  // namespace

Kernel make_qlinear_add(const OpSpec&) {
  return binary([](const at::Tensor& a, const at::Tensor& b) { return a + b; });
}

Kernel make_qlinear_mul(const OpSpec&) {
  return binary([](const at::Tensor& a, const at::Tensor& b) { return a * b; });
}

Kernel make_qlinear_average_pool(const OpSpec& spec) {
  const Attributes& a = spec.node.attributes;
  return unary([window = WindowAttributes(spec.node),
                include = a.get_int("count_include_pad", 0) != 0](const at::Tensor& x) { return average_pool(x, window, include); },
               a.get_int("channels_last", 0) != 0);
}

Kernel make_qlinear_global_average_pool(const OpSpec& spec) {
  return unary(
      [](const at::Tensor& x) {
        return x.flatten(2).mean(2).reshape([&] {
          std::vector<int64_t> shape(x.dim(), 1);
          shape[0] = x.size(0);
          shape[1] = x.size(1);
          return shape;
        }());
      },
      spec.node.attributes.get_int("channels_last", 0) != 0);
}

/// Inputs y_scale, y_zero, then tensor, scale, zero point for each part.
Kernel make_qlinear_concat(const OpSpec& spec) {
  const int64_t axis = spec.node.attributes.get_int("axis", 0);
  return [axis](Inputs in, Outputs out) {
    std::vector<at::Tensor> parts;
    for (size_t i = 2; i + 2 < in.size(); i += 3) parts.push_back(to_float(in[i], in[i + 1], in[i + 2]));
    out[0] = to_quantized(at::cat(parts, normalize_axis(axis, parts.at(0).dim())), in[0], in[1], in[2].scalar_type());
  };
}

Kernel make_qlinear_sigmoid(const OpSpec&) {
  return unary([](const at::Tensor& x) { return at::sigmoid(x); });
}

Kernel make_qlinear_leaky_relu(const OpSpec& spec) {
  return unary([alpha = double{spec.node.attributes.get_float("alpha", 0.01f)}](const at::Tensor& x) { return at::leaky_relu(x, alpha); });
}

/// `opset` below 13: over all dimensions from `axis` on.
Kernel make_qlinear_softmax(const OpSpec& spec) {
  const Attributes& a = spec.node.attributes;
  return unary([axis = a.get_int("axis", -1), flat = a.get_int("opset", 13) < 13](const at::Tensor& x) {
    const int64_t from = normalize_axis(axis, x.dim());
    return flat ? at::softmax(x.flatten(from), from).reshape(x.sizes()) : at::softmax(x, from);
  });
}

}  // namespace ppq::ops
