#pragma once

#include "kernels/cuda/device.cuh"

namespace ppq::kernels::cuda {

inline constexpr unsigned kFullWarp = 0xffffffffu;

/// Sum over a block of kThreads threads in a fixed tree order; valid in thread 0. `scratch`: shared, kThreads / 32 values,
/// free again after the block's next barrier. T: double, or an integer type.
template <int kThreads, class T, class Scratch>
__device__ T block_sum(T value, Scratch scratch) {
  static_assert(kThreads % 32 == 0 && kThreads <= 1024);
  PPQ_UNROLL for (int step = 16; step > 0; step /= 2) value = value + __shfl_xor_sync(kFullWarp, value, step);
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;
  __syncthreads();
  if (threadIdx.x != 0) return T(0);
  T sum = T(0);
  for (int warp = 0; warp < kThreads / 32; ++warp) sum = sum + static_cast<T>(scratch[warp]);
  return sum;
}

}  // namespace ppq::kernels::cuda
