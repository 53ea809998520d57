#pragma once

#include <type_traits>

#include "kernels/cuda/vectors.cuh"

namespace ppq::kernels::cuda {

/// The elements of a 16-byte vector as floats: two 16-bit ones a word, each widened by one instruction.
template <class T>
__device__ void widen(const Vector<T>& vector, float (&x)[kVector<T>]) {
#ifdef __CUDA_ARCH__
  if constexpr (sizeof(T) == 2) {
    uint32_t words[4];
    memcpy(words, &vector, 16);
    PPQ_UNROLL for (int i = 0; i < 4; ++i) {
      if constexpr (std::is_same_v<T, BFloat16>) {
        x[2 * i] = __uint_as_float(words[i] << 16);
        x[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
      } else {
        __half2 pair;
        memcpy(&pair, &words[i], 4);
        x[2 * i] = __low2float(pair);
        x[2 * i + 1] = __high2float(pair);
      }
    }
  } else
#endif
    PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) x[k] = to_float(vector.value[k]);
}

/// The counterpart: round to nearest even, two 16-bit elements an instruction.
template <class T>
__device__ Vector<T> narrow(const float (&x)[kVector<T>]) {
  Vector<T> vector;
#ifdef __CUDA_ARCH__
  if constexpr (sizeof(T) == 2) {
    uint32_t words[4];
    PPQ_UNROLL for (int i = 0; i < 4; ++i) {
      if constexpr (std::is_same_v<T, BFloat16>) {
        __nv_bfloat162 pair = __floats2bfloat162_rn(x[2 * i], x[2 * i + 1]);
        memcpy(&words[i], &pair, 4);
      } else {
        __half2 pair = __floats2half2_rn(x[2 * i], x[2 * i + 1]);
        memcpy(&words[i], &pair, 4);
      }
    }
    memcpy(&vector, words, 16);
  } else
#endif
    PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) vector.value[k] = from_float<T>(x[k]);
  return vector;
}

}  // namespace ppq::kernels::cuda
