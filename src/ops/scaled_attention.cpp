#include "ops/scaled_attention.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "ops/window.h"

namespace ppq::ops {
namespace {

/// Every key and value head repeated for the query heads that share it.
at::Tensor repeat_heads(const at::Tensor& x, int64_t heads) {
  if (x.size(1) == heads) return x;
  if (x.size(1) == 0 || heads % x.size(1) != 0)
    reject("Attention", "heads: got " + std::to_string(heads) + " query heads over " + std::to_string(x.size(1)) + ", expected a multiple");
  return x.repeat_interleave(heads / x.size(1), 1);
}

}  // namespace

AttentionOutput scaled_attention(const AttentionInput& a) {
  const at::Tensor k = repeat_heads(a.k, a.q.size(1)), v = repeat_heads(a.v, a.q.size(1));
  if (a.softcap <= 0 && a.keep_scores < 0 && !a.bias.defined() && !a.softmax_precision)
    return {at::scaled_dot_product_attention(a.q, k, v, {}, 0.0, false, a.scale), {}};

  const double root = std::sqrt(a.scale);
  at::Tensor scores = at::matmul(a.q * root, (k * root).transpose(-1, -2)), kept;
  if (a.keep_scores == 0) kept = scores;
  if (a.softcap > 0) scores = at::tanh(scores / a.softcap) * a.softcap;
  if (a.keep_scores == 1) kept = scores;
  if (a.bias.defined()) scores = scores + a.bias.to(scores.scalar_type());
  if (a.keep_scores == 2) kept = scores;
  const at::Tensor probabilities = at::softmax(a.softmax_precision ? scores.to(*a.softmax_precision) : scores, -1).to(a.q.scalar_type());
  if (a.keep_scores == 3) kept = probabilities;
  return {at::matmul(probabilities, v), kept};
}

at::Tensor split_heads(const at::Tensor& x, int64_t heads) {
  if (heads < 1 || x.size(2) % heads != 0)
    reject("Attention",
           "heads: got " + std::to_string(heads) + " for a hidden size of " + std::to_string(x.size(2)) + ", expected a divisor of it");
  return x.reshape({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}

at::Tensor merge_heads(const at::Tensor& x) { return x.transpose(1, 2).reshape({x.size(0), x.size(2), x.size(1) * x.size(3)}); }

at::Tensor causal_bias(int64_t queries, int64_t keys, int64_t past, double hidden, const at::TensorOptions& options) {
  const at::Tensor later = at::ones({queries, keys}, options.dtype(at::kBool)).triu(past + 1);
  return at::zeros({queries, keys}, options).masked_fill(later, hidden);
}

at::Tensor mask_to_bias(const at::Tensor& mask, double hidden, const at::TensorOptions& options) {
  return at::zeros(mask.sizes(), options).masked_fill(mask.logical_not(), hidden);
}

at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int64_t rotary, bool interleaved) {
  if (rotary % 2 != 0 || rotary > x.size(3) || cos.size(-1) != rotary / 2)
    reject("RotaryEmbedding", "cos_cache: got " + std::to_string(cos.size(-1)) + " angles, expected half of the " + std::to_string(rotary) +
                                  " rotated elements of a head of " + std::to_string(x.size(3)));
  const at::Tensor turned = x.narrow(3, 0, rotary), c = cos.unsqueeze(1), s = sin.unsqueeze(1);
  const at::Tensor first = interleaved ? turned.slice(3, 0, rotary, 2) : turned.narrow(3, 0, rotary / 2);
  const at::Tensor second = interleaved ? turned.slice(3, 1, rotary, 2) : turned.narrow(3, rotary / 2, rotary / 2);
  const at::Tensor real = c * first - s * second, imaginary = s * first + c * second;
  const at::Tensor rotated = interleaved ? at::stack({real, imaginary}, -1).flatten(3) : at::cat({real, imaginary}, 3);
  return rotary == x.size(3) ? rotated : at::cat({rotated, x.narrow(3, rotary, x.size(3) - rotary)}, 3);
}

}  // namespace ppq::ops
