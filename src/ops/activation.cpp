#include <ATen/ATen.h>

#include <cmath>

#include "ops/arithmetic.h"
#include "ops/expendable.h"
#include "ops/families.h"
#include "ops/generator.h"

namespace ppq::ops {
namespace {

Kernel relu(const OpSpec&) {
  return [](Inputs in, Outputs out) { out[0] = expendable(in[0]) ? overwrite(in[0]).relu_() : at::relu(in[0]); };
}

at::Tensor softsign(const at::Tensor& x) { return x / (x.abs() + 1); }
at::Tensor mish(const at::Tensor& x) { return at::mish(x); }
at::Tensor hard_swish(const at::Tensor& x) { return at::hardswish(x); }

/// log(1 + exp(x)): from the threshold on it is x within the type's precision, and exp would overflow.
at::Tensor softplus(const at::Tensor& x) { return at::softplus(x, 1, x.scalar_type() == at::kDouble ? 40 : 20); }

Kernel leaky_relu(const OpSpec& spec) {
  return [alpha = spec.node.attributes.get_float("alpha", 0.01f)](Inputs in, Outputs out) {
    if (!expendable(in[0]))
      out[0] = at::leaky_relu(in[0], alpha);
    else
      at::leaky_relu_(out[0] = overwrite(in[0]), alpha);
  };
}

Kernel elu(const OpSpec& spec) {
  return [alpha = spec.node.attributes.get_float("alpha", 1)](Inputs in, Outputs out) { out[0] = at::elu(in[0], alpha); };
}

Kernel selu(const OpSpec& spec) {
  const bool first = spec.opset < 6;
  const float alpha = spec.node.attributes.get_float("alpha", first ? 1.6732f : 1.67326319217681884765625f);
  const float gamma = spec.node.attributes.get_float("gamma", first ? 1.0507f : 1.05070102214813232421875f);
  return [alpha, gamma](Inputs in, Outputs out) { out[0] = at::elu(in[0], alpha, gamma); };
}

Kernel celu(const OpSpec& spec) {
  return [alpha = spec.node.attributes.get_float("alpha", 1)](Inputs in, Outputs out) { out[0] = at::celu(in[0], alpha); };
}

Kernel hard_sigmoid(const OpSpec& spec) {
  const float alpha = spec.node.attributes.get_float("alpha", 0.2f), beta = spec.node.attributes.get_float("beta", 0.5f);
  const bool fused = std::fabs(alpha - 1.f / 6) < 1e-6f && beta == 0.5f;  // MobileNetV3's: LibTorch has it in one kernel
  return [alpha, beta, fused](Inputs in, Outputs out) { out[0] = fused ? at::hardsigmoid(in[0]) : in[0].mul(alpha).add(beta).clamp(0, 1); };
}

Kernel swish(const OpSpec& spec) {
  return [alpha = spec.node.attributes.get_float("alpha", 1)](Inputs in, Outputs out) {
    out[0] = alpha == 1 ? at::silu(in[0]) : in[0] * at::sigmoid(in[0] * alpha);
  };
}

Kernel gelu(const OpSpec& spec) {
  const std::string approximate = spec.node.attributes.get_string("approximate", "none");
  if (approximate != "none" && approximate != "tanh") fail(spec.node, "approximate: got '" + approximate + "', expected none or tanh");
  return [approximate](Inputs in, Outputs out) { out[0] = at::gelu(in[0], approximate); };
}

Kernel thresholded_relu(const OpSpec& spec) {
  return [alpha = spec.node.attributes.get_float("alpha", 1)](Inputs in, Outputs out) { out[0] = at::threshold(in[0], alpha, 0); };
}

Kernel shrink(const OpSpec& spec) {
  const float lambda = spec.node.attributes.get_float("lambd", 0.5f), bias = spec.node.attributes.get_float("bias", 0);
  return [lambda, bias](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    const at::Tensor outer = at::where(x.gt(lambda), x.sub(bias), at::zeros_like(x));
    out[0] = at::where(x.lt(-lambda), x.add(bias), outer).to(x.scalar_type());
  };
}

/// The slope broadcasts to x; before opset 7 it is one value or one for each channel (axis 1).
Kernel prelu(const OpSpec& spec) {
  return [per_channel = spec.opset < 7](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    at::Tensor slope = in[1];
    if (per_channel && slope.numel() > 1 && x.dim() > 2) {
      std::vector<int64_t> sizes(static_cast<size_t>(x.dim() - 1), 1);
      sizes[0] = slope.numel();
      slope = slope.reshape(sizes);
    }
    out[0] = at::isFloatingType(x.scalar_type()) ? at::_prelu_kernel(x, slope) : at::where(x.lt(0), x * slope, x);
  };
}

/// Runs `along(x, axis)`. Before opset 13 the axes from `axis` on count as one.
template <class F>
Kernel along_axis(const OpSpec& spec, F along) {
  const bool flattens = spec.opset < 13;
  const int64_t axis = spec.node.attributes.get_int("axis", flattens ? 1 : -1);
  return [flattens, axis, along](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    if (x.dim() == 0) {
      out[0] = along(x, 0);
      return;
    }
    const int64_t first = normalize_axis(axis, x.dim());
    if (!flattens || first == x.dim() - 1) {
      out[0] = along(x, first);
      return;
    }
    int64_t rows = 1;
    for (int64_t i = 0; i < first; ++i) rows *= x.size(i);
    const int64_t columns = rows == 0 ? 0 : x.numel() / rows;
    out[0] = along(x.reshape({rows, columns}), 1).reshape(x.sizes());
  };
}

Kernel softmax(const OpSpec& spec) {
  return along_axis(spec, [](const at::Tensor& x, int64_t axis) { return at::softmax(x, axis); });
}

Kernel log_softmax(const OpSpec& spec) {
  return along_axis(spec, [](const at::Tensor& x, int64_t axis) { return at::log_softmax(x, axis); });
}

/// 1 at the first largest element, 0 elsewhere.
Kernel hardmax(const OpSpec& spec) {
  return along_axis(spec, [](const at::Tensor& x, int64_t axis) {
    if (x.dim() == 0) return at::ones_like(x);
    return at::zeros_like(x).scatter_(axis, x.argmax(axis, /*keepdim=*/true), 1);
  });
}

at::Tensor drop(const at::Tensor& x, double ratio, const Seed& seed, at::Tensor& mask) {
  mask = at::rand(x.sizes(), seed.generator(), at::TensorOptions(at::kFloat)).ge(ratio).to(x.device());
  return ratio == 1 ? at::zeros_like(x) : at::where(mask, x / (1 - ratio), at::zeros({}, x.options()));
}

/// Inference: the input itself, and a mask of ones (of x's type before opset 10). Training mode, where the model asks for
/// it, drops with the node's seed.
Kernel dropout(const OpSpec& spec) {
  return [seed = Seed(spec), bool_mask = spec.opset >= 10](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    const bool training = in.size() > 2 && in[2].defined() && in[2].item<bool>();
    const double ratio = in.size() > 1 && in[1].defined() ? in[1].item<double>() : 0.5;
    if (training && ratio > 0) {
      at::Tensor mask;
      out[0] = drop(x, ratio, seed, mask);
      if (out.size() > 1) out[1] = mask;
      return;
    }
    out[0] = x;
    if (out.size() > 1) out[1] = at::ones_like(x, x.options().dtype(bool_mask ? at::kBool : x.scalar_type()));
  };
}

}  // namespace

Rows activation() {
  using enum OpKind;
  return {
      {"Relu", 1, relu, {Activation, "d", "d", {.scale_free = true}}},
      {"LeakyRelu", 1, leaky_relu, {Activation, "d", "d", {.scale_free = true}}},
      {"PRelu", 1, prelu, {Activation, "d", "d", {.scale_free = true}}},
      {"Elu", 1, elu, {Activation, "d", "d"}},
      {"Selu", 1, selu, {Activation, "d", "d"}},
      {"Celu", 12, celu, {Activation, "d", "d"}},
      {"Sigmoid", 1, unary<at::sigmoid>, {Activation, "d", "d"}},
      {"HardSigmoid", 1, hard_sigmoid, {Activation, "d", "d"}},
      {"HardSwish", 14, unary<hard_swish>, {Activation, "d", "d"}},
      {"Swish", 24, swish, {Activation, "d", "d"}},
      {"Gelu", 20, gelu, {Activation, "d", "d"}},
      {"Mish", 18, unary<mish>, {Activation, "d", "d"}},
      {"Softplus", 1, unary<softplus>, {Activation, "d", "d"}},
      {"Softsign", 1, unary<softsign>, {Activation, "d", "d"}},
      {"ThresholdedRelu", 10, thresholded_relu, {Activation, "d", "d"}},
      {"Shrink", 9, shrink, {Activation, "d", "d"}},
      {"Softmax", 1, softmax, {Computation, "d", "d"}},
      {"LogSoftmax", 1, log_softmax, {Computation, "d", "d"}},
      {"Hardmax", 1, hardmax, {Computation, "d", "d"}},
      {.type = "Dropout", .since = 1, .make = dropout, .facts = {Movement, "dfs", "df", {.random = true}}, .host_inputs = 0b110},
  };
}

}  // namespace ppq::ops
