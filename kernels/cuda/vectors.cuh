#pragma once

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/launch.h"

namespace ppq::kernels::cuda {

/// float16 and bfloat16 as they lie in memory.
struct Half {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(BFloat16 x) { return numerics::float_of_bfloat16(x.bits); }
__device__ inline float to_float(Half x) {
#ifdef __CUDA_ARCH__
  return __half2float(__ushort_as_half(x.bits));
#else
  return numerics::float_of_float16(x.bits);
#endif
}
/// Round to nearest even, as the CPU's.
template <class T>
__device__ T from_float(float x);
template <>
__device__ inline float from_float<float>(float x) {
  return x;
}
template <>
__device__ inline BFloat16 from_float<BFloat16>(float x) {
#ifdef __CUDA_ARCH__
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
#else
  return {numerics::bfloat16_of_float(x)};
#endif
}
template <>
__device__ inline Half from_float<Half>(float x) {
#ifdef __CUDA_ARCH__
  return {__half_as_ushort(__float2half_rn(x))};
#else
  return {numerics::float16_of_float(x)};
#endif
}

/// What one thread loads with one instruction.
template <class T, int count = 16 / sizeof(T)>
struct alignas(sizeof(T) * count) Vector {
  T value[count];
};
template <class T>
inline constexpr int kVector = 16 / sizeof(T);

/// Writes a vector in one instruction: the compiler would split it where its elements come from branches.
template <class U, int count>
__device__ void store_whole(U* to, const Vector<U, count>& vector) {
#ifdef __CUDA_ARCH__
  if constexpr (sizeof(vector) == 16) {
    uint32_t word[4];
    memcpy(word, &vector, 16);
    asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(to)), "r"(word[0]), "r"(word[1]), "r"(word[2]),
                 "r"(word[3])
                 : "memory");
    return;
  }
#endif
  *reinterpret_cast<Vector<U, count>*>(to) = vector;
}

/// Loads elements [begin, begin + kVector) of a row of `count` elements: one 16-byte access when all are inside and the
/// address allows it (`aligned`), else one by one; elements outside the row are zero.
template <class T>
__device__ Vector<T> load_vector(const T* row, int64_t begin, int64_t count, bool aligned) {
  if (aligned && begin >= 0 && begin + kVector<T> <= count) return *reinterpret_cast<const Vector<T>*>(row + begin);
  Vector<T> vector;
  PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) {
    int64_t i = begin + k;
    vector.value[k] = i >= 0 && i < count ? row[i] : T{};
  }
  return vector;
}
/// The counterpart of load_vector; elements outside the row are not written. U: T, or an integer type.
template <class T, class U>
__device__ void store_vector(U* row, int64_t begin, int64_t count, bool aligned, const Vector<U, kVector<T>>& vector) {
  if (aligned && begin >= 0 && begin + kVector<T> <= count) {
    store_whole(row + begin, vector);
    return;
  }
  PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) {
    int64_t i = begin + k;
    if (i >= 0 && i < count) row[i] = vector.value[k];
  }
}
/// Elements by which `row` lies past a 16-byte boundary: vector v of the row starts at v × kVector - shift. The host plans by it.
template <class T>
PPQ_HD int vector_shift(const T* row) {
  return static_cast<int>(reinterpret_cast<uintptr_t>(row) % 16 / sizeof(T));
}

/// Calls launch(T{}) with the storage type of `dtype`.
template <class Launch>
void with_storage(DType dtype, Launch&& launch) {
  switch (dtype) {
    case DType::Float32:
      return launch(float{});
    case DType::Float16:
      return launch(Half{});
    case DType::BFloat16:
      return launch(BFloat16{});
  }
}

}  // namespace ppq::kernels::cuda
