#pragma once

#include "kernels/cuda/histogram.cuh"
#include "kernels/cuda/reduce.cuh"

namespace ppq::kernels::cuda {

/// A thread's range of the values it has seen, and how many were NaN or Inf.
struct Extremes {
  float low = infinity(), high = -infinity();
  uint32_t odd = 0;
  __device__ void add(float x) {
    if (!numerics::is_finite(x)) {
      ++odd;
      return;
    }
    low = x < low ? x : low;
    high = x > high ? x : high;
  }
  /// Takes in those of the lane `step` away; all lanes of the warp call it.
  __device__ void join_lane(int step) {
    const float lower = __shfl_xor_sync(kFullWarp, low, step), higher = __shfl_xor_sync(kFullWarp, high, step);
    low = lower < low ? lower : low;
    high = higher > high ? higher : high;
    odd += __shfl_xor_sync(kFullWarp, odd, step);
  }
};

/// Floats of one sign order like their bits; negative ones the other way round. The value is no NaN and no -0.
__device__ inline void atomic_min(float* address, float value) {
  if (value >= 0)
    atomicMin(reinterpret_cast<int*>(address), static_cast<int>(numerics::bits_of_float(value)));
  else
    atomicMax(reinterpret_cast<unsigned*>(address), numerics::bits_of_float(value));
}
__device__ inline void atomic_max(float* address, float value) {
  if (value >= 0)
    atomicMax(reinterpret_cast<int*>(address), static_cast<int>(numerics::bits_of_float(value)));
  else
    atomicMin(reinterpret_cast<unsigned*>(address), numerics::bits_of_float(value));
}

}  // namespace ppq::kernels::cuda
