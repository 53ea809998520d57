#include <ATen/ATen.h>

#include "ops/linear_quantization.h"
#include "ops/matmul.h"
#include "ops/named_activation.h"
#include "ops/window.h"

namespace ppq::ops {
namespace {

/// Per-row parameters of a left operand [M] -> [M, 1]; everything else broadcasts as it is.
at::Tensor by_row(const at::Tensor& parameter) {
  if (!parameter.defined() || parameter.numel() == 1) return parameter.defined() ? parameter.reshape({}) : parameter;
  return parameter.dim() == 1 ? parameter.unsqueeze(1) : parameter;
}

at::Tensor by_column(const at::Tensor& parameter) {
  if (!parameter.defined() || parameter.numel() == 1) return parameter.defined() ? parameter.reshape({}) : parameter;
  return parameter;
}

at::Tensor shifted(const at::Tensor& x, const at::Tensor& zero, at::ScalarType type) {
  const at::Tensor value = x.to(type);
  return zero.defined() ? value - zero.to(type) : value;
}

/// saturate(round(value / scale) + zero_point); undefined zero_point and scale of the result mean float output.
at::Tensor requantize(const at::Tensor& value, const at::Tensor& scale, const at::Tensor& zero_point) {
  return quantize(value, scale, zero_point, {0, 0}, zero_point.scalar_type());
}

}  // namespace

at::Tensor integer_product(const at::Tensor& a, const at::Tensor& a_zero, const at::Tensor& b, const at::Tensor& b_zero) {
  const int64_t inner = a.dim() ? a.size(-1) : 1;
  const at::ScalarType type = sums_are_exact_in_float(inner) ? at::kFloat : at::kDouble;
  return at::matmul(shifted(a, by_row(a_zero), type), shifted(b, by_column(b_zero), type));
}

Kernel make_matmul_integer(const OpSpec&) {
  return [](Inputs in, Outputs out) { out[0] = integer_product(in[0], input_or_none(in, 2), in[1], input_or_none(in, 3)).to(at::kInt); };
}

Kernel make_qlinear_matmul(const OpSpec&) {
  return [](Inputs in, Outputs out) {
    const at::Tensor a_scale = by_row(in[1].to(at::kFloat)), b_scale = by_column(in[4].to(at::kFloat));
    at::Tensor product;
    if (is_float8(in[0].scalar_type()))
      product = at::matmul(shifted(in[0], by_row(in[2]), at::kFloat), shifted(in[3], by_column(in[5]), at::kFloat));
    else
      product = integer_product(in[0], in[2], in[3], in[5]).to(at::kFloat);
    out[0] = requantize(product * a_scale * b_scale, by_row(in[6]), by_row(in[7]));
  };
}

/// com.microsoft.QGemm: A, a_scale, a_zero, B, b_scale, b_zero, C (int32), y_scale, y_zero; float output without y_scale.
Kernel make_qgemm(const OpSpec& spec) {
  return [g = GemmAttributes(spec.node)](Inputs in, Outputs out) {
    const at::Tensor a = g.transpose_a ? in[0].t() : in[0], b = g.transpose_b ? in[3].t() : in[3];
    at::Tensor sum = integer_product(a, in[2], b, in[5]).to(at::kDouble);
    const at::Tensor c = input_or_none(in, 6), y_scale = input_or_none(in, 7);
    if (c.defined()) sum = sum + c.to(at::kDouble);
    const at::Tensor value = (sum.to(at::kFloat) * (g.alpha * by_row(in[1].to(at::kFloat)) * by_column(in[4].to(at::kFloat))));
    out[0] = y_scale.defined() ? requantize(value, y_scale, in[8]) : value;
  };
}

/// Inputs A, B, a_scale, b_scale, a_zero_point, b_zero_point, bias; float output.
Kernel make_matmul_integer_to_float(const OpSpec&) {
  return [](Inputs in, Outputs out) {
    const at::Tensor product = integer_product(in[0], input_or_none(in, 4), in[1], input_or_none(in, 5)).to(at::kFloat);
    const at::Tensor y = product * (by_row(in[2]) * by_column(in[3])), bias = input_or_none(in, 6);
    out[0] = bias.defined() ? y + bias : y;
  };
}

/// Inputs A (float, quantized on the way), B, b_scale, b_zero_point, bias; float output.
Kernel make_dynamic_quantize_matmul(const OpSpec&) {
  return [](Inputs in, Outputs out) {
    const DynamicQuantized a = quantize_dynamically(in[0]);
    const at::Tensor product = integer_product(a.values, a.zero_point, in[1], input_or_none(in, 3)).to(at::kFloat);
    const at::Tensor y = product * (a.scale * by_column(in[2])), bias = input_or_none(in, 4);
    out[0] = bias.defined() ? y + bias : y;
  };
}

Kernel make_fused_matmul(const OpSpec& spec) {
  const Attributes& a = spec.node.attributes;
  if (a.get_int("transBatchA", 0) || a.get_int("transBatchB", 0))
    reject_unsupported(spec.node.name + " (FusedMatMul)", "transBatchA and transBatchB: got 1, expected 0");
  return [alpha = double{a.get_float("alpha", 1.0f)}, ta = a.get_int("transA", 0) != 0, tb = a.get_int("transB", 0) != 0](Inputs in,
                                                                                                                          Outputs out) {
    const at::Tensor left = ta && in[0].dim() > 1 ? in[0].transpose(-1, -2) : in[0];
    const at::Tensor right = tb && in[1].dim() > 1 ? in[1].transpose(-1, -2) : in[1];
    const at::Tensor product = at::matmul(left, right);
    out[0] = alpha == 1 ? product : product * alpha;
  };
}

Kernel make_fused_gemm(const OpSpec& spec) {
  const Attributes& a = spec.node.attributes;
  const std::string name = a.get_string("activation", "");
  std::optional<double> alpha, beta;
  if (a.has("activation_alpha")) alpha = a.get_float("activation_alpha", 0);
  if (a.has("activation_beta")) beta = a.get_float("activation_beta", 0);
  const Activation activation = name.empty() ? Activation() : named_activation(name, alpha, beta);
  if (!name.empty() && !activation) fail(spec.node, "activation: got " + name + ", expected Relu, LeakyRelu, Sigmoid, Tanh or Softplus");
  return [g = GemmAttributes(spec.node), activation](Inputs in, Outputs out) {
    const at::Tensor y = gemm(in[0], in[1], input_or_none(in, 2), g);
    out[0] = activation ? activation(y) : y;
  };
}

}  // namespace ppq::ops
