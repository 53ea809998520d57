#include "ops/named_activation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cctype>
#include <limits>

namespace ppq::ops {

Activation named_activation(const std::string& name, std::optional<double> alpha, std::optional<double> beta) {
  std::string key = name;
  std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) { return std::tolower(c); });
  if (key == "relu") return [](const at::Tensor& x) { return at::relu(x); };
  if (key == "tanh") return [](const at::Tensor& x) { return at::tanh(x); };
  if (key == "sigmoid") return [](const at::Tensor& x) { return at::sigmoid(x); };
  if (key == "softsign") return [](const at::Tensor& x) { return x / (1 + x.abs()); };
  if (key == "softplus") return [](const at::Tensor& x) { return at::softplus(x, 1, std::numeric_limits<float>::max()); };
  if (key == "affine") return [a = alpha.value_or(1), b = beta.value_or(0)](const at::Tensor& x) { return x * a + b; };
  if (key == "leakyrelu") return [a = alpha.value_or(0.01)](const at::Tensor& x) { return at::leaky_relu(x, a); };
  if (key == "thresholdedrelu")
    return [a = alpha.value_or(1)](const at::Tensor& x) { return at::where(x > a, x, at::zeros({}, x.options())); };
  if (key == "scaledtanh") return [a = alpha.value_or(1), b = beta.value_or(1)](const at::Tensor& x) { return at::tanh(x * b) * a; };
  if (key == "hardsigmoid")
    return [a = alpha.value_or(0.2), b = beta.value_or(0.5)](const at::Tensor& x) { return (x * a + b).clamp(0, 1); };
  if (key == "elu") return [a = alpha.value_or(1)](const at::Tensor& x) { return at::elu(x, a); };
  if (key == "clip") {
    const double lowest = std::numeric_limits<float>::lowest(), highest = std::numeric_limits<float>::max();
    return [a = alpha.value_or(lowest), b = beta.value_or(highest)](const at::Tensor& x) { return x.clamp(a, b); };
  }
  return nullptr;
}

}  // namespace ppq::ops
