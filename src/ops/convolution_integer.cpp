#include <ATen/ATen.h>

#include "ops/convolution.h"
#include "ops/linear_quantization.h"
#include "ops/named_activation.h"

namespace ppq::ops {
namespace {

/// The int32 accumulator of a convolution of whole numbers, held exactly in a floating-point tensor. On the CPU sums are made
/// term by term; elsewhere the algorithm is the library's choice, and only float64 keeps its error far below a half.
at::Tensor accumulate(const at::Tensor& x, const at::Tensor& x_zero, const at::Tensor& w, const at::Tensor& w_zero,
                      const WindowAttributes& attributes, int64_t group) {
  const bool exact = x.is_cpu() && sums_are_exact_in_float(w.numel() / std::max<int64_t>(w.size(0), 1));
  const at::Tensor data = centered(x, x_zero, {1, 0}, exact), weight = centered(w, w_zero, {0, 0}, exact);
  return whole_sums(convolve(data, weight, {}, attributes, group));
}

}  // namespace

at::Tensor whole_sums(const at::Tensor& sums) { return sums.round(); }

Kernel make_conv_integer(const OpSpec& spec) {
  return [attributes = WindowAttributes(spec.node), group = spec.node.attributes.get_int("group", 1)](Inputs in, Outputs out) {
    out[0] = accumulate(in[0], input_or_none(in, 2), in[1], input_or_none(in, 3), attributes, group).to(at::kInt);
  };
}

Kernel make_qlinear_conv(const OpSpec& spec) {
  return [attributes = WindowAttributes(spec.node), group = spec.node.attributes.get_int("group", 1)](Inputs in, Outputs out) {
    at::Tensor sum = accumulate(in[0], in[2], in[3], in[5], attributes, group);
    std::vector<int64_t> channels(sum.dim(), 1);
    channels[1] = -1;
    const at::Tensor bias = input_or_none(in, 8);
    if (bias.defined()) sum = sum.to(at::kDouble) + bias.to(at::kDouble).reshape(channels);
    const at::Tensor multiplier = in[1].to(at::kFloat) * in[4].to(at::kFloat) / in[6].to(at::kFloat);
    const at::Tensor scaled = sum.to(at::kFloat) * (multiplier.numel() == 1 ? multiplier.reshape({}) : multiplier.reshape(channels));
    const auto [low, high] = integer_range(in[7].scalar_type());
    out[0] = scaled.round().add(in[7].to(at::kFloat).reshape({})).clamp(low, high).to(in[7].scalar_type());
  };
}

Kernel make_fused_conv(const OpSpec& spec) {
  const Attributes& attributes = spec.node.attributes;
  const std::string name = attributes.get_string("activation", "");
  const std::vector<float> params = attributes.get_floats("activation_params");
  Activation activation;
  if (!name.empty()) {
    std::optional<double> alpha, beta;
    if (params.size() > 0) alpha = params[0];
    if (params.size() > 1) beta = params[1];
    activation = named_activation(name, alpha, beta);
    if (!activation) fail(spec.node, "activation: got " + name + ", expected Relu, LeakyRelu, Sigmoid, Tanh, HardSigmoid or Clip");
  }
  return [window = WindowAttributes(spec.node), group = attributes.get_int("group", 1), activation](Inputs in, Outputs out) {
    at::Tensor y = convolve(in[0], in[1], input_or_none(in, 2), window, group);
    const at::Tensor other = input_or_none(in, 3);
    if (other.defined()) y = y.add_(other);
    out[0] = activation ? activation(y) : y;
  };
}

}  // namespace ppq::ops
