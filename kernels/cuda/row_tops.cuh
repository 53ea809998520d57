#pragma once

#include "kernels/cuda/extremes.cuh"
#include "kernels/cuda/fast_bins.cuh"
#include "kernels/row_top2_rules.h"

/// The two largest and the smallest of many values, by minimum and maximum alone: three instructions and one more, for two
/// 16-bit values at once. NaN and Inf are found at the end: the smallest is NaN or -Inf, or the largest is +Inf. Then what was
/// taken in counts for nothing, and the caller looks at its values one by one.
namespace ppq::kernels::cuda {

using top2::Pair;

/// What is seen of (a part of) a row.
struct RowSeen {
  Pair pair{-infinity(), -infinity()};
  float low = infinity();
  /// Whether all values were finite.
  __device__ bool clean() const { return low > -infinity() && pair.first < infinity(); }
  __device__ void add(float x) {
    const float rest = fminf(x, pair.first);
    pair.first = fmaxf(x, pair.first);
    pair.second = fmaxf(rest, pair.second);
    low = least(low, x);
  }
  /// Leaves out NaN and Inf, which it counts.
  __device__ void add_finite(float x, uint32_t& odd) {
    if (numerics::is_finite(x))
      add(x);
    else
      ++odd;
  }
};

/// Takes in words of 32 bits, one float or two 16-bit values each.
template <class T>
struct FloatTops {
  RowSeen seen;
  __device__ void add(uint32_t word) {
    const Words words{{word, 0, 0, 0}};
    PPQ_UNROLL for (int k = 0; k < 4 / static_cast<int>(sizeof(T)); ++k) seen.add(element<T>(words, k));
  }
  __device__ RowSeen result() const { return seen; }
};

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
template <class T>
struct PackedTops {
  using Two = std::conditional_t<std::is_same_v<T, Half>, __half2, __nv_bfloat162>;
  static constexpr uint32_t kInfinity = std::is_same_v<T, Half> ? 0x7c007c00u : 0x7f807f80u;
  Two first = two(kInfinity | 0x80008000u), second = two(kInfinity | 0x80008000u), low = two(kInfinity);
  __device__ static Two two(uint32_t bits) {
    Two result;
    memcpy(&result, &bits, 4);
    return result;
  }
  __device__ static float part(const Two& two, int k) {
    Words words{};
    memcpy(&words.value[0], &two, 4);
    return element<T>(words, k);
  }
  __device__ void add(uint32_t word) {
    const Two x = two(word), rest = __hmin2(x, first);
    first = __hmax2(x, first);
    second = __hmax2(rest, second);
    low = __hmin2_nan(low, x);
  }
  __device__ RowSeen result() const {
    RowSeen seen{{part(first, 0), part(second, 0)}, least(part(low, 0), part(low, 1))};
    top2::join(seen.pair, {part(first, 1), part(second, 1)});
    return seen;
  }
};
template <class T>
using Tops = std::conditional_t<sizeof(T) == 2, PackedTops<T>, FloatTops<T>>;
#else
template <class T>
using Tops = FloatTops<T>;
#endif

}  // namespace ppq::kernels::cuda
