#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ppq::observers {

/// The k-th smallest of `n` floats and the l-th largest (1-based), exactly, in one sweep that mostly only compares: the
/// present candidates are kept and blocks that hold no better ones are skipped. `k` and `l` should be small against `n`.
struct Extremes {
  float low, high;
  int64_t nonfinite;  ///< NaN and Inf among the values; low and high are meaningless then
};
Extremes find_extremes(const float* values, int64_t n, int64_t k, int64_t l);

/// The same for rows on any device, taken into sums of each channel, in place and without waiting for the device.
/// rows: float32 [groups × channels, n], row r belongs to channel r % channels. sums: float64 [4, channels]: low end, high end,
/// non-finite values and number of rows.
void add_extremes(const at::Tensor& rows, int64_t k, int64_t l, at::Tensor sums);
/// What add_extremes does on devices: tensor operators only.
void add_extremes_by_topk(const at::Tensor& rows, int64_t k, int64_t l, at::Tensor sums);

}  // namespace ppq::observers
