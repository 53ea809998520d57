#pragma once

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/launch.h"

namespace ppq::kernels::cuda {

inline constexpr int32_t kNoExponent = -1000;  ///< kEmptyExponent of kernels.h

PPQ_HD inline float infinity() { return numerics::float_of_bits(0x7f800000u); }

/// floats as integers of the same order, for atomicMin and atomicMax. Not for NaN; -0 must have become +0.
__device__ inline int32_t ordered(float x) {
  int32_t bits = static_cast<int32_t>(numerics::bits_of_float(x));
  return bits ^ (bits >> 31 & 0x7fffffff);
}
__device__ inline float unordered(int32_t key) { return numerics::float_of_bits(static_cast<uint32_t>(key ^ (key >> 31 & 0x7fffffff))); }

/// Bins [first, first + bins) × 2^exponent.
struct Window {
  int32_t exponent, first;
};

/// grown_index in 32 bits: grid indices stay within ±2^25, so 26 steps are as good as any more.
__device__ inline int32_t grow_index(int32_t index, int by) { return index >> (by < 26 ? by : 26); }

/// Whether 2^23 - first is a float (see fast_bins.cuh).
__device__ inline bool starts_exactly(int32_t first) {
  int32_t start = (1 << 23) - first;
  return static_cast<int32_t>(static_cast<float>(start)) == start;
}
/// The window of a block for data in [low, high]: at least `old`'s exponent, and old's place if that holds the data, else
/// centred, so that little growth needs no move. It starts exactly wherever there is room for that.
__device__ inline Window block_window(float low, float high, Window old, int bins) {
  int exponent = numerics::grid_exponent(low, high, bins);
  if (old.exponent != kNoExponent && old.exponent > exponent) exponent = old.exponent;
  int32_t lowest = static_cast<int32_t>(numerics::grid_index(low, exponent));
  int32_t highest = static_cast<int32_t>(numerics::grid_index(high, exponent));
  if (old.exponent != kNoExponent) {
    int32_t first = grow_index(old.first, exponent - old.exponent);
    if (first <= lowest && highest - first < bins && starts_exactly(first)) return {exponent, first};
  }
  int32_t first = lowest - (bins - 1 - (highest - lowest)) / 2;
  if (!starts_exactly(first) && highest - first < bins - 1) --first;
  return {exponent, first};
}
/// The window of a finished histogram: a pure function of the range.
__device__ inline Window state_window(float low, float high, int bins) {
  int exponent = numerics::grid_exponent(low, high, bins);
  return {exponent, static_cast<int32_t>(numerics::grid_index(low, exponent))};
}

/// Moves counts from window `old` to `now` (a larger or equal exponent) in place. The whole block of kThreads threads calls
/// it with the same arguments after a barrier, and passes one before it touches the counts again. First bin pairs merge
/// downwards, then the bins shift; both go chunk by chunk, in the order in which no chunk overwrites one that is still to be
/// read. Counts: pointer to Count.
template <int kThreads, class Count, class Counts>
__device__ void rebin(Counts counts, int bins, Window old, Window now) {
  int by = now.exponent - old.exponent;
  int32_t base = grow_index(old.first, by), shift = base - now.first;
  int chunks = (bins + kThreads - 1) / kThreads, thread = static_cast<int>(threadIdx.x);
  if (by > 0) {
    for (int chunk = 0; chunk < chunks; ++chunk) {
      int i = chunk * kThreads + thread;
      Count count = 0;
      if (i < bins) {
        count = counts[i];
        counts[i] = Count(0);
      }
      __syncthreads();
      if (count != 0) atomicAdd(&counts[grow_index(old.first + i, by) - base], count);
    }
    if (shift != 0) __syncthreads();
  }
  if (shift == 0) return;
  for (int step = 0; step < chunks; ++step) {
    int i = (shift > 0 ? chunks - 1 - step : step) * kThreads + thread;
    Count count = 0;
    if (i < bins) {
      count = counts[i];
      counts[i] = Count(0);
    }
    __syncthreads();
    if (count != 0) counts[i + shift] = count;
  }
}

}  // namespace ppq::kernels::cuda
