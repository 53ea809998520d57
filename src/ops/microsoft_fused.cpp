#include <ATen/ATen.h>

#include "ops/attention.h"
#include "ops/window.h"

namespace ppq::ops {
namespace {

at::Tensor with_bias(const at::Tensor& x, const at::Tensor& bias) { return bias.defined() ? x + bias : x; }

double epsilon_of(const Node& node, float fallback) { return node.attributes.get_float("epsilon", fallback); }

}  // namespace

/// Inputs input, skip, gamma, beta, bias; outputs y, mean, inverse standard deviation, the sum that was normalized.
Kernel make_skip_layer_normalization(const OpSpec& spec) {
  return [epsilon = epsilon_of(spec.node, 1e-12f)](Inputs in, Outputs out) {
    const at::Tensor sum = with_bias(in[0] + in[1], input_or_none(in, 4));
    const auto [y, mean, inverse] = at::native_layer_norm(sum, {sum.size(-1)}, in[2], input_or_none(in, 3), epsilon);
    out[0] = y;
    set_output(out, 1, mean);
    set_output(out, 2, inverse);
    set_output(out, 3, sum);
  };
}

/// Inputs input, skip, gamma, bias; outputs as SkipLayerNormalization, without a mean.
Kernel make_skip_rms_normalization(const OpSpec& spec) {
  return [epsilon = epsilon_of(spec.node, 1e-5f)](Inputs in, Outputs out) {
    const at::Tensor sum = with_bias(in[0] + in[1], input_or_none(in, 3));
    const at::Tensor inverse = (sum.square().mean(-1, true) + epsilon).rsqrt();
    out[0] = sum * inverse * in[2];
    set_output(out, 2, inverse);
    set_output(out, 3, sum);
  };
}

/// Inputs input_ids, segment_ids, word, position and segment embeddings, gamma, beta, mask, position_ids; outputs y, the
/// mask's lengths, the sum of the embeddings.
Kernel make_embed_layer_normalization(const OpSpec& spec) {
  return [epsilon = epsilon_of(spec.node, 1e-12f)](Inputs in, Outputs out) {
    const at::Tensor &ids = in[0], segments = input_or_none(in, 1), mask = input_or_none(in, 7);
    at::Tensor positions = input_or_none(in, 8);
    if (!positions.defined()) positions = at::arange(ids.size(1), ids.options()).unsqueeze(0);
    at::Tensor sum = at::embedding(in[2], ids) + at::embedding(in[3], positions);
    if (segments.defined()) sum = sum + at::embedding(in[4], segments);
    out[0] = at::layer_norm(sum, {sum.size(-1)}, in[5], in[6], epsilon);
    if (out.size() > 1) out[1] = mask.defined() ? mask.sum({1}).to(at::kInt) : at::zeros({ids.size(0)}, ids.options().dtype(at::kInt));
    set_output(out, 2, sum);
  };
}

/// Gelu and BiasGelu: x (+ bias), with erf.
Kernel make_ms_gelu(const OpSpec&) {
  return [](Inputs in, Outputs out) { out[0] = at::gelu(with_bias(in[0], input_or_none(in, 1))); };
}

/// x (+ bias), with tanh.
Kernel make_fast_gelu(const OpSpec&) {
  return [](Inputs in, Outputs out) { out[0] = at::gelu(with_bias(in[0], input_or_none(in, 1)), "tanh"); };
}

/// x * sigmoid(alpha * x)
Kernel make_quick_gelu(const OpSpec& spec) {
  return [alpha = double{spec.node.attributes.get_float("alpha", 1.702f)}](Inputs in, Outputs out) {
    out[0] = in[0] * at::sigmoid(in[0] * alpha);
  };
}

}  // namespace ppq::ops
