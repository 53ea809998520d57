#pragma once

#include "kernels/cuda/histogram.cuh"
#include "kernels/cuda/vectors.cuh"

/// Bins by one rounding. The floats in [2^23, 2^24) are the integers there, so x × 2^-e + (2^23 - first), rounded once and
/// downwards, has the bits kBinZero + floor(x × 2^-e) - first: exact for denormals, -0 and what vanishes against the sum. It grows
/// with x, so a tile lies inside a window if its minimum and maximum do; NaN, Inf and sums outside [2^23, 2^24) never do.
namespace ppq::kernels::cuda {

inline constexpr uint32_t kBinZero = 0x4b000000u;

/// Four words of 32 bits, of one tensor's 16-byte vector.
using Words = Vector<uint32_t, 4>;

__device__ inline Words load_once(const Words* from) {
#ifdef __CUDA_ARCH__
  const uint4 words = __ldcs(reinterpret_cast<const uint4*>(from));
  return {{words.x, words.y, words.z, words.w}};
#else
  return *from;
#endif
}
/// Element k of a vector.
template <class T>
__device__ float element(const Words& words, int k) {
  if constexpr (sizeof(T) == 4) {
    return numerics::float_of_bits(words.value[k]);
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return numerics::float_of_bits(k % 2 == 0 ? words.value[k / 2] << 16 : words.value[k / 2] & 0xffff0000u);
  } else {
    return to_float(Half{static_cast<uint16_t>(words.value[k / 2] >> 16 * (k % 2))});
  }
}

/// Minimum and maximum that are NaN if one argument is.
__device__ inline float least(float a, float b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  float result;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
  return result;
#else
  return a != a || a < b ? a : b;
#endif
}
__device__ inline float greatest(float a, float b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  float result;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
  return result;
#else
  return a != a || a > b ? a : b;
#endif
}

struct Bounds {
  float low, high;
};
/// Bounds of all elements of some vectors, NaN if one is.
template <class T, int count>
__device__ Bounds bounds_of(const Words (&vectors)[count]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  if constexpr (sizeof(T) == 2) {  // two elements at once
    using Pair = std::conditional_t<std::is_same_v<T, Half>, __half2, __nv_bfloat162>;
    Pair low, high;
    PPQ_UNROLL for (int i = 0; i < 4 * count; ++i) {
      Pair pair;
      memcpy(&pair, &vectors[i / 4].value[i % 4], 4);
      low = i == 0 ? pair : __hmin2_nan(low, pair);
      high = i == 0 ? pair : __hmax2_nan(high, pair);
    }
    Words ends{};
    memcpy(&ends.value[0], &low, 4);
    memcpy(&ends.value[1], &high, 4);
    return {least(element<T>(ends, 0), element<T>(ends, 1)), greatest(element<T>(ends, 2), element<T>(ends, 3))};
  }
#endif
  Bounds bounds{element<T>(vectors[0], 0), element<T>(vectors[0], 0)};
  PPQ_UNROLL for (int i = 1; i < kVector<T> * count; ++i) {
    const float value = element<T>(vectors[i / kVector<T>], i % kVector<T>);
    bounds = {least(bounds.low, value), greatest(bounds.high, value)};
  }
  return bounds;
}

/// Bins of a window. Where its numbers are no floats no value is inside (first odd and below -2^23), or zeros only (2^-e above 2^127,
/// as for a channel that is always zero).
struct FastBins {
  float inverse = 0, start = 0;
  __device__ uint32_t bits(float x) const { return numerics::bits_of_float(__fmaf_rd(x, inverse, start)); }
  __device__ bool holds(Bounds bounds, uint32_t bins) const {
    return (inverse != 0 || (bounds.low == 0 && bounds.high == 0)) && bits(bounds.low) - kBinZero < bins &&
           bits(bounds.high) - kBinZero < bins;
  }
};
__device__ inline FastBins fast_bins(Window window) {
  if (window.exponent == kNoExponent || !starts_exactly(window.first)) return {};
  if (window.exponent < -127) return {0, static_cast<float>((1 << 23) - window.first)};
  return {window.exponent <= 126 ? numerics::pow2f(-window.exponent) : numerics::float_of_bits(1u << (149 - window.exponent)),
          static_cast<float>((1 << 23) - window.first)};
}
/// A flag that others may raise at any time.
template <class Flag>
__device__ uint32_t called_by(Flag flag) {
#ifdef __CUDA_ARCH__
  return *const_cast<const volatile uint32_t*>(&flag[0]);
#else
  return atomicAdd(&flag[0], 0u);
#endif
}

/// The counters of a block in shared memory, as places for bits of FastBins.
template <class Counts>
class BitCounters {
 public:
#ifdef __CUDA_ARCH__
  __device__ explicit BitCounters(Counts counts) : base_(static_cast<uint32_t>(__cvta_generic_to_shared(counts)) - 4 * kBinZero) {}
  __device__ void add(uint32_t bits) const { asm volatile("red.shared.add.u32 [%0], 1;" ::"r"(base_ + 4 * bits) : "memory"); }

 private:
  uint32_t base_;
#else
  __device__ explicit BitCounters(Counts counts) : counts_(counts) {}
  __device__ void add(uint32_t bits) const { atomicAdd(&counts_[static_cast<int64_t>(bits) - kBinZero], 1u); }

 private:
  Counts counts_;
#endif
};

}  // namespace ppq::kernels::cuda
