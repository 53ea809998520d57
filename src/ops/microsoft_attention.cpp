#include <ATen/ATen.h>

#include <cmath>

#include "ops/attention.h"
#include "ops/scaled_attention.h"
#include "ops/window.h"

namespace ppq::ops {
namespace {

struct HeadAttributes {
  std::string type;
  int64_t heads;
  bool causal;
  double scale, hidden;  ///< hidden: added where a mask hides a key
};

HeadAttributes head_attributes(const Node& node) {
  const Attributes& a = node.attributes;
  const int64_t heads = a.get_int("num_heads", 0);
  if (heads < 1) fail(node, "num_heads: got " + std::to_string(heads) + ", expected at least 1");
  return {node.op_type, heads, a.get_int("unidirectional", 0) != 0, double{a.get_float("scale", 0)},
          double{a.get_float("mask_filter_value", -10000.0f)}};
}

/// The forms a mask comes in: [B] lengths, [2B] ends then starts, [B, T], [B, S, T] or broadcastable to [B, heads, S, T],
/// of 0 and 1.
at::Tensor mask_bias(const HeadAttributes& a, const at::Tensor& mask, int64_t batch, int64_t keys, const at::TensorOptions& options) {
  const at::Tensor m = mask.to(options.device()).to(at::kLong);
  if (m.dim() == 1) {
    const at::Tensor position = at::arange(keys, m.options()).reshape({1, 1, 1, keys});
    at::Tensor inside = position < m.narrow(0, 0, batch).reshape({-1, 1, 1, 1});
    if (m.size(0) == 2 * batch)
      inside = inside.logical_and(position >= m.narrow(0, batch, batch).reshape({-1, 1, 1, 1}));
    else if (m.size(0) != batch)
      reject_unsupported(a.type, "mask: got " + to_string(m.sizes()) + ", expected " + std::to_string(batch) + " lengths or a 0/1 mask");
    return mask_to_bias(inside, a.hidden, options);
  }
  const at::Tensor visible = m != 0;
  if (m.dim() == 2) return mask_to_bias(visible.unsqueeze(1).unsqueeze(1), a.hidden, options);
  return mask_to_bias(m.dim() == 3 ? visible.unsqueeze(1) : visible, a.hidden, options);
}

at::Tensor attend(const HeadAttributes& a, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask,
                  const at::Tensor& extra, int64_t past) {
  AttentionInput input{q, k, v};
  input.scale = a.scale > 0 ? a.scale : 1 / std::sqrt(static_cast<double>(q.size(3)));
  auto add = [&](const at::Tensor& part) { input.bias = input.bias.defined() ? input.bias + part : part; };
  if (mask.defined()) add(mask_bias(a, mask, q.size(0), k.size(2), q.options()));
  if (extra.defined()) add(extra);
  if (a.causal) add(causal_bias(q.size(2), k.size(2), past, a.hidden, q.options()));
  return merge_heads(scaled_attention(input).y);
}

}  // namespace

/// Inputs input, weight, bias, mask_index, past [2, B, heads, T, D], attention_bias; outputs y, present.
Kernel make_ms_attention(const OpSpec& spec) {
  const Node& node = spec.node;
  if (node.attributes.get_int("do_rotary", 0) || node.attributes.get_int("past_present_share_buffer", 0))
    reject_unsupported(node.name + " (Attention)", "do_rotary and past_present_share_buffer: got 1, expected 0");
  return [a = head_attributes(node), sizes = node.attributes.get_ints("qkv_hidden_sizes")](Inputs in, Outputs out) {
    const at::Tensor projected = at::matmul(in[0], in[1]) + (in.size() > 2 && in[2].defined() ? in[2] : at::zeros({1}, in[0].options()));
    std::vector<int64_t> parts = sizes;
    if (parts.empty()) parts.assign(3, projected.size(2) / 3);
    if (parts.size() != 3) reject(a.type, "qkv_hidden_sizes: got " + std::to_string(parts.size()) + " entries, expected 3");
    const std::vector<at::Tensor> qkv = at::split_with_sizes(projected, parts, 2);
    at::Tensor k = split_heads(qkv[1], a.heads), v = split_heads(qkv[2], a.heads);
    const at::Tensor past = input_or_none(in, 4);
    if (past.defined()) {
      k = at::cat({past[0], k}, 2);
      v = at::cat({past[1], v}, 2);
    }
    out[0] = attend(a, split_heads(qkv[0], a.heads), k, v, input_or_none(in, 3), input_or_none(in, 5), past.defined() ? past.size(3) : 0);
    if (out.size() > 1) out[1] = at::stack({k, v}, 0);
  };
}

/// Inputs query, key, value, bias, key_padding_mask, attention_bias, past_key, past_value; outputs y, present_key,
/// present_value. Query may hold packed QKV [B, S, heads, 3, D], key packed KV [B, T, heads, 2, D].
Kernel make_ms_multi_head_attention(const OpSpec& spec) {
  return [a = head_attributes(spec.node)](Inputs in, Outputs out) {
    at::Tensor q = in[0], k = input_or_none(in, 1), v = input_or_none(in, 2);
    const at::Tensor bias = input_or_none(in, 3);
    if (q.dim() == 5) {
      k = q.select(3, 1).transpose(1, 2);
      v = q.select(3, 2).transpose(1, 2);
      q = q.select(3, 0).flatten(2);
    } else if (k.defined() && k.dim() == 5) {
      v = k.select(3, 1).transpose(1, 2);
      k = k.select(3, 0).transpose(1, 2);
    }
    if (!k.defined() || !v.defined()) reject(a.type, "inputs: got no key or value, expected both, or packed ones");
    if (bias.defined()) {
      const int64_t hq = q.size(2), hv = bias.size(0) - 2 * hq;
      q = q + bias.narrow(0, 0, hq);
      if (k.dim() == 3) k = k + bias.narrow(0, hq, hq);
      if (v.dim() == 3) v = v + bias.narrow(0, 2 * hq, hv);
    }
    auto heads = [&](const at::Tensor& x) { return x.dim() == 4 ? x : split_heads(x, a.heads); };
    k = heads(k);
    v = heads(v);
    const at::Tensor past_key = input_or_none(in, 6), past_value = input_or_none(in, 7);
    if (past_key.defined()) k = at::cat({past_key, k}, 2);
    if (past_value.defined()) v = at::cat({past_value, v}, 2);
    out[0] =
        attend(a, split_heads(q, a.heads), k, v, input_or_none(in, 4), input_or_none(in, 5), past_key.defined() ? past_key.size(2) : 0);
    set_output(out, 1, k);
    set_output(out, 2, v);
  };
}

/// Inputs x, position_ids ([B, S], or one offset), cos_cache, sin_cache [positions, rotary / 2].
Kernel make_ms_rotary_embedding(const OpSpec& spec) {
  const Attributes& attributes = spec.node.attributes;
  if (attributes.get_float("scale", 1) != 1) reject_unsupported(spec.node.name + " (RotaryEmbedding)", "scale: expected 1");
  return [heads = attributes.get_int("num_heads", 0), rotary = attributes.get_int("rotary_embedding_dim", 0),
          interleaved = attributes.get_int("interleaved", 0) != 0](Inputs in, Outputs out) {
    const at::Tensor &cos = in[2], &sin = in[3];
    const bool flat = in[0].dim() == 3;
    if (cos.dim() != 2 || cos.size(1) == 0)
      reject("RotaryEmbedding", "cos_cache: got " + to_string(cos.sizes()) + ", expected [positions, angles]");
    const int64_t count = heads > 0 ? heads : flat ? in[0].size(2) / (2 * cos.size(1)) : in[0].size(1);
    const at::Tensor x = flat ? split_heads(in[0], count) : in[0];
    at::Tensor ids = in[1].to(x.device());
    if (ids.numel() == 1) ids = (at::arange(x.size(2), ids.options()) + ids.reshape({1})).unsqueeze(0);
    const at::Tensor y = rotate(x, at::embedding(cos, ids), at::embedding(sin, ids), rotary == 0 ? x.size(3) : rotary, interleaved);
    out[0] = flat ? merge_heads(y) : y;
  };
}

}  // namespace ppq::ops
