#pragma once

#include <cstdint>

namespace ppq::observers {

/// The k-th smallest of `n` floats and the l-th largest (1-based), exactly, in one sweep that mostly only compares: the
/// present candidates are kept and blocks that hold no better ones are skipped. `k` and `l` should be small against `n`.
struct Extremes {
  float low, high;
  int64_t nonfinite;  ///< NaN and Inf among the values; low and high are meaningless then
};
Extremes find_extremes(const float* values, int64_t n, int64_t k, int64_t l);

}  // namespace ppq::observers
