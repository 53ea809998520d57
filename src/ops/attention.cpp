#include "ops/attention.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "ops/families.h"
#include "ops/scaled_attention.h"
#include "ops/window.h"

namespace ppq::ops {
namespace {

constexpr double kHidden = -std::numeric_limits<double>::infinity();

struct AttentionAttributes {
  int64_t q_heads, kv_heads, keep_scores;
  bool causal;
  double scale, softcap;
  std::optional<at::ScalarType> softmax_precision;
};

AttentionAttributes attention_attributes(const Node& node) {
  const Attributes& a = node.attributes;
  AttentionAttributes result{a.get_int("q_num_heads", 0),
                             a.get_int("kv_num_heads", 0),
                             a.get_int("qk_matmul_output_mode", 0),
                             a.get_int("is_causal", 0) != 0,
                             double{a.get_float("scale", 0)},
                             double{a.get_float("softcap", 0)},
                             {}};
  if (a.has("softmax_precision")) result.softmax_precision = to_scalar_type(static_cast<DataType>(a.get_int("softmax_precision", 1)));
  if (result.keep_scores < 0 || result.keep_scores > 3)
    fail(node, "qk_matmul_output_mode: got " + std::to_string(result.keep_scores) + ", expected 0 to 3");
  if (!node.output(3)) result.keep_scores = -1;
  return result;
}

/// The mask, causality and padding of opset 23 and 24 as one bias; undefined when nothing is hidden.
at::Tensor attention_bias(const AttentionAttributes& a, at::Tensor mask, const at::Tensor& lengths, const at::Tensor& q, int64_t keys,
                          int64_t past) {
  at::Tensor bias;
  if (mask.defined()) {
    bias = mask.scalar_type() == at::kBool ? mask_to_bias(mask, kHidden, q.options()) : mask.to(q.options());
    if (bias.size(-1) < keys) bias = at::constant_pad_nd(bias, {0, keys - bias.size(-1)}, kHidden);
  }
  auto add = [&](const at::Tensor& part) { bias = bias.defined() ? bias + part : part; };
  if (a.causal) add(causal_bias(q.size(2), keys, past, kHidden, q.options()));
  if (lengths.defined()) {
    const at::Tensor inside = at::arange(keys, lengths.options()).reshape({1, 1, 1, keys}) < lengths.reshape({-1, 1, 1, 1});
    add(mask_to_bias(inside, kHidden, q.options()));
  }
  return bias;
}

/// Inputs Q, K, V, attn_mask, past_key, past_value, nonpad_kv_seqlen; outputs Y, present_key, present_value, scores.
Kernel make_attention(const OpSpec& spec) {
  return [a = attention_attributes(spec.node)](Inputs in, Outputs out) {
    const bool flat = in[0].dim() == 3;
    auto heads = [&](const at::Tensor& x, int64_t count) { return flat ? split_heads(x, count) : x; };
    AttentionInput input{heads(in[0], a.q_heads), heads(in[1], a.kv_heads), heads(in[2], a.kv_heads)};
    const at::Tensor past_key = input_or_none(in, 4), past_value = input_or_none(in, 5);
    if (past_key.defined()) input.k = at::cat({past_key, input.k}, 2);
    if (past_value.defined()) input.v = at::cat({past_value, input.v}, 2);
    input.scale = a.scale > 0 ? a.scale : 1 / std::sqrt(static_cast<double>(input.q.size(3)));
    input.softcap = a.softcap;
    input.softmax_precision = a.softmax_precision;
    input.keep_scores = a.keep_scores;
    input.bias = attention_bias(a, input_or_none(in, 3), on_device_of(input_or_none(in, 6), in[0]), input.q, input.k.size(2),
                                past_key.defined() ? past_key.size(2) : 0);
    const AttentionOutput result = scaled_attention(input);
    out[0] = flat ? merge_heads(result.y) : result.y;
    set_output(out, 1, input.k);
    set_output(out, 2, input.v);
    set_output(out, 3, result.scores);
  };
}

/// Inputs X, cos_cache, sin_cache, position_ids. With ids the caches hold every position; without, each sample's own.
Kernel make_rotary_embedding(const OpSpec& spec) {
  const Attributes& a = spec.node.attributes;
  return [heads = a.get_int("num_heads", 0), rotary = a.get_int("rotary_embedding_dim", 0), interleaved = a.get_int("interleaved", 0) != 0](
             Inputs in, Outputs out) {
    const bool flat = in[0].dim() == 3;
    const at::Tensor x = flat ? split_heads(in[0], heads) : in[0];
    at::Tensor cos = in[1], sin = in[2];
    if (const at::Tensor ids = on_device_of(input_or_none(in, 3), x); ids.defined()) {
      cos = at::embedding(cos, ids);
      sin = at::embedding(sin, ids);
    }
    const at::Tensor y = rotate(x, cos, sin, rotary == 0 ? x.size(3) : rotary, interleaved);
    out[0] = flat ? merge_heads(y) : y;
  };
}

}  // namespace

Rows attention() {
  using enum OpKind;
  constexpr const char* kMicrosoft = "com.microsoft";
  return {
      {"Attention", 23, make_attention, {Computation, "dddfddf", "d"}},
      {"RotaryEmbedding", 23, make_rotary_embedding, {Computation, "df", "d"}},
      {"Attention", 1, make_ms_attention, {Computation, "dddfddf", "d"}, kMicrosoft},
      {"MultiHeadAttention", 1, make_ms_multi_head_attention, {Computation, "ddddfd", "d"}, kMicrosoft},
      {"RotaryEmbedding", 1, make_ms_rotary_embedding, {Computation, "df", "d"}, kMicrosoft},
      {"SkipLayerNormalization", 1, make_skip_layer_normalization, {Computation, "ddffd", "dffd"}, kMicrosoft},
      {"SkipSimplifiedLayerNormalization", 1, make_skip_rms_normalization, {Computation, "ddfd", "dffd"}, kMicrosoft},
      {"EmbedLayerNormalization", 1, make_embed_layer_normalization, {Computation, "ffdddf", "df"}, kMicrosoft},
      {"Gelu", 1, make_ms_gelu, {Activation, "d", "d"}, kMicrosoft},
      {"BiasGelu", 1, make_ms_gelu, {Computation, "d", "d"}, kMicrosoft},
      {"FastGelu", 1, make_fast_gelu, {Activation, "d", "d"}, kMicrosoft},
      {"QuickGelu", 1, make_quick_gelu, {Activation, "d", "d"}, kMicrosoft},
      {"QLinearAdd", 1, make_qlinear_add, {Computation, "dffdf", "d"}, kMicrosoft},
      {"QLinearMul", 1, make_qlinear_mul, {Computation, "dffdf", "d"}, kMicrosoft},
      {"QLinearAveragePool", 1, make_qlinear_average_pool, {Computation, "df", "d"}, kMicrosoft},
      {"QLinearGlobalAveragePool", 1, make_qlinear_global_average_pool, {Computation, "df", "d"}, kMicrosoft},
      {"QLinearConcat", 1, make_qlinear_concat, {Computation, "ffd", "d"}, kMicrosoft},
      {"QLinearSigmoid", 1, make_qlinear_sigmoid, {Computation, "df", "d"}, kMicrosoft},
      {"QLinearLeakyRelu", 1, make_qlinear_leaky_relu, {Computation, "df", "d"}, kMicrosoft},
      {"QLinearSoftmax", 1, make_qlinear_softmax, {Computation, "df", "d"}, kMicrosoft},
  };
}

}  // namespace ppq::ops
