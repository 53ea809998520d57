#pragma once

#include <cmath>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/loops_sums.h"

/// Sums of each channel: plain loops of fixed shape, which every level's compiler flags turn into its own vectors, so that all
/// levels give the same bits.
namespace ppq::kernels::cpu::PPQ_LEVEL {

inline constexpr int kFloatRows = 32;  ///< addends in float32 before float64 takes over

template <bool bounded, class T>
static inline void sum_uniform(const T* x, int64_t n, float bound, double* sums) {
  constexpr int64_t kBlock = static_cast<int64_t>(kFloatRows) * kSumLanes;
  double total[4][kSumLanes] = {};
  for (int64_t start = 0; start < n; start += kBlock) {
    float sum[kSumLanes] = {}, square[kSumLanes] = {}, positive[kSumLanes] = {}, above[kSumLanes] = {};
    auto take = [&](int lane, float v) {
      sum[lane] += v;
      square[lane] += v * v;
      if constexpr (bounded) {
        const float p = v > 0 ? v : 0, a = v > bound ? v - bound : 0;
        positive[lane] += p * p;
        above[lane] += a * a;
      }
    };
    const int64_t end = start + kBlock < n ? start + kBlock : n;
    int64_t i = start;
    for (; i + kSumLanes <= end; i += kSumLanes)
      for (int lane = 0; lane < kSumLanes; ++lane) take(lane, value_of(x[i + lane]));
    for (; i < end; ++i) take(static_cast<int>(i % kSumLanes), value_of(x[i]));
    for (int lane = 0; lane < kSumLanes; ++lane) {
      total[0][lane] += static_cast<double>(sum[lane]), total[1][lane] += static_cast<double>(square[lane]);
      if constexpr (bounded) total[2][lane] += static_cast<double>(positive[lane]), total[3][lane] += static_cast<double>(above[lane]);
    }
  }
  for (int kind = 0; kind < (bounded ? 4 : 2); ++kind) sums[kind] += fold(total[kind]);
}

/// `channels` neighbours (a constant, so that the sums stay in registers) of rows of `length`, from number `first` on.
template <bool bounded, int channels, class T>
static inline void sum_columns(const T* x, int64_t rows, int64_t length, int64_t first, float bound, double* sums) {
  for (int64_t start = 0; start < rows; start += kFloatRows) {
    float sum[channels] = {}, square[channels] = {}, positive[channels] = {}, above[channels] = {};
    const int64_t end = start + kFloatRows < rows ? start + kFloatRows : rows;
    for (int64_t r = start; r < end; ++r) {
      const T* row = x + r * length + first;
      for (int c = 0; c < channels; ++c) {
        const float v = value_of(row[c]);
        sum[c] += v;
        square[c] += v * v;
        if constexpr (bounded) {
          const float p = v > 0 ? v : 0, a = v > bound ? v - bound : 0;
          positive[c] += p * p;
          above[c] += a * a;
        }
      }
    }
    for (int c = 0; c < channels; ++c) {
      sums[first + c] += static_cast<double>(sum[c]);
      sums[length + first + c] += static_cast<double>(square[c]);
      if constexpr (bounded) {
        sums[2 * length + first + c] += static_cast<double>(positive[c]);
        sums[3 * length + first + c] += static_cast<double>(above[c]);
      }
    }
  }
}

/// Rows of `length` neighbouring channels.
template <bool bounded, class T>
static inline void sum_varying(const T* x, int64_t rows, int64_t length, float bound, double* sums) {
  int64_t first = 0;
  for (; first + 16 <= length; first += 16) sum_columns<bounded, 16>(x, rows, length, first, bound, sums);
  for (; first + 8 <= length; first += 8) sum_columns<bounded, 8>(x, rows, length, first, bound, sums);
  for (; first < length; ++first) sum_columns<bounded, 1>(x, rows, length, first, bound, sums);
}

static void channel_sums_uniform(const void* x, Type type, int64_t n, float bound, double* sums) {
  with_type(type, [&]<class T>(T) {
    std::isfinite(bound) ? sum_uniform<true>(static_cast<const T*>(x), n, bound, sums)
                         : sum_uniform<false>(static_cast<const T*>(x), n, bound, sums);
  });
}

static void channel_sums_varying(const void* x, Type type, int64_t rows, int64_t length, float bound, double* sums) {
  with_type(type, [&]<class T>(T) {
    std::isfinite(bound) ? sum_varying<true>(static_cast<const T*>(x), rows, length, bound, sums)
                         : sum_varying<false>(static_cast<const T*>(x), rows, length, bound, sums);
  });
}

}  // namespace ppq::kernels::cpu::PPQ_LEVEL
