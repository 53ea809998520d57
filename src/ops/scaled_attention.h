#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace ppq::ops {

/// Scaled dot-product attention: softmax(cap(scale * q·kᵀ) + bias)·v.
struct AttentionInput {
  at::Tensor q;     ///< [B, heads, S, D]
  at::Tensor k, v;  ///< [B, heads or a divisor of it, T, D and Dv]
  at::Tensor bias;  ///< added to the scores, broadcasts to [B, heads, S, T]; may be undefined
  double scale = 1;
  double softcap = 0;  ///< c·tanh(x / c) when above 0
  std::optional<at::ScalarType> softmax_precision;
  int64_t keep_scores = -1;  ///< -1 none, 0 scaled product, 1 after the cap, 2 after the bias, 3 probabilities
};
struct AttentionOutput {
  at::Tensor y;       ///< [B, heads, S, Dv]
  at::Tensor scores;  ///< [B, heads, S, T] when kept
};
AttentionOutput scaled_attention(const AttentionInput& input);

/// [B, S, heads * D] -> [B, heads, S, D]
at::Tensor split_heads(const at::Tensor& x, int64_t heads);
/// [B, heads, S, D] -> [B, S, heads * D]
at::Tensor merge_heads(const at::Tensor& x);
/// [S, T] of 0 where key j may be seen by query i (j ≤ i + past) and `hidden` elsewhere.
at::Tensor causal_bias(int64_t queries, int64_t keys, int64_t past, double hidden, const at::TensorOptions& options);
/// `mask` (true: takes part) as a bias of 0 and `hidden`.
at::Tensor mask_to_bias(const at::Tensor& mask, double hidden, const at::TensorOptions& options);

/// Rotates pairs of the first `rotary` elements of each head by position. x [B, heads, S, D]; cos and sin [B or 1, S, rotary / 2].
at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int64_t rotary, bool interleaved);

}  // namespace ppq::ops
