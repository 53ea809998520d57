#include <ATen/ATen.h>

#include "ops/families.h"
#include "ops/generator.h"

namespace ppq::ops {
namespace {

/// The `dtype` attribute, or `fallback`.
at::ScalarType dtype_of(const OpSpec& spec, at::ScalarType fallback) {
  if (!spec.node.attributes.has("dtype")) return fallback;
  return to_scalar_type(static_cast<DataType>(spec.node.attributes.get_int("dtype", 1)));
}

at::Tensor draw_normal(at::IntArrayRef sizes, double mean, double scale, const Seed& seed) {
  return at::randn(sizes, seed.generator(), at::TensorOptions(at::kDouble)).mul_(scale).add_(mean);
}
at::Tensor draw_uniform(at::IntArrayRef sizes, double low, double high, const Seed& seed) {
  return at::rand(sizes, seed.generator(), at::TensorOptions(at::kDouble)).mul_(high - low).add_(low);
}

using Draw = at::Tensor (*)(at::IntArrayRef, double, double, const Seed&);
struct Distribution {
  Draw draw;
  double first, second;
};

Distribution normal_of(const OpSpec& spec) {
  return {draw_normal, spec.node.attributes.get_float("mean", 0), spec.node.attributes.get_float("scale", 1)};
}
Distribution uniform_of(const OpSpec& spec) {
  return {draw_uniform, spec.node.attributes.get_float("low", 0), spec.node.attributes.get_float("high", 1)};
}

/// Of the shape given as attribute.
template <Distribution (*kOf)(const OpSpec&)>
Kernel random(const OpSpec& spec) {
  return [d = kOf(spec), sizes = spec.node.attributes.get_ints("shape"), type = dtype_of(spec, at::kFloat), seed = Seed(spec)](
             Inputs, Outputs out) { out[0] = d.draw(sizes, d.first, d.second, seed).to(type); };
}

/// Of the shape, and unless `dtype` is given the type, of the input.
template <Distribution (*kOf)(const OpSpec&)>
Kernel random_like(const OpSpec& spec) {
  return [d = kOf(spec), type = dtype_of(spec, at::ScalarType::Undefined), seed = Seed(spec)](Inputs in, Outputs out) {
    const auto result = type == at::ScalarType::Undefined ? in[0].scalar_type() : type;
    out[0] = d.draw(in[0].sizes(), d.first, d.second, seed).to(in[0].device(), result);
  };
}

/// 1 with probability x, else 0.
Kernel bernoulli(const OpSpec& spec) {
  return [type = dtype_of(spec, at::ScalarType::Undefined), seed = Seed(spec)](Inputs in, Outputs out) {
    const auto result = type == at::ScalarType::Undefined ? in[0].scalar_type() : type;
    const at::Tensor uniform = draw_uniform(in[0].sizes(), 0, 1, seed).to(in[0].device());
    out[0] = uniform.lt(in[0]).to(result);
  };
}

/// `sample_size` classes for each row of unnormalized log-probabilities [batch, classes].
Kernel multinomial(const OpSpec& spec) {
  const int64_t samples = spec.node.attributes.get_int("sample_size", 1);
  return [samples, type = dtype_of(spec, at::kInt), seed = Seed(spec)](Inputs in, Outputs out) {
    const at::Tensor probabilities = at::softmax(in[0].to(at::kCPU, at::kDouble), -1);
    out[0] = at::multinomial(probabilities, samples, /*replacement=*/true, seed.generator()).to(in[0].device(), type);
  };
}

}  // namespace

Rows random() {
  using enum OpKind;
  return {
      {.type = "RandomNormal",
       .since = 1,
       .make = random<normal_of>,
       .facts = {Description, "", "d", {.random = true}},
       .host_outputs = true},
      {.type = "RandomUniform",
       .since = 1,
       .make = random<uniform_of>,
       .facts = {Description, "", "d", {.random = true}},
       .host_outputs = true},
      {"RandomNormalLike", 1, random_like<normal_of>, {Description, "d", "d", {.random = true}}},
      {"RandomUniformLike", 1, random_like<uniform_of>, {Description, "d", "d", {.random = true}}},
      {"Bernoulli", 15, bernoulli, {Description, "d", "d", {.random = true}}},
      {"Multinomial", 7, multinomial, {Description, "d", "f", {.random = true}}},
  };
}

}  // namespace ppq::ops
