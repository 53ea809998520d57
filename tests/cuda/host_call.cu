// What nvcc does not refuse: a host function, a template, that calls a function of the device. With PPQ_ON_BOTH the function is
// the host's too. tests/cuda/check_kernels_test.cpp looks at both.
#include "kernels/cuda/device.cuh"

#ifdef PPQ_ON_BOTH
#define PPQ_WHERE __host__ __device__
#else
#define PPQ_WHERE __device__
#endif

namespace ppq::kernels::cuda {
namespace {

template <class T>
PPQ_WHERE int64_t blocks_of(const T* x) {
  return static_cast<int64_t>(reinterpret_cast<uintptr_t>(x) % 16 / sizeof(T)) + 1;
}

template <class T>
int64_t grid_of(const T* x) {
  return blocks_of(x) + 2;
}

template <class T>
__global__ void fill_kernel(T* x) {
  x[blockIdx.x] = static_cast<T>(blocks_of(x));
}

}  // namespace

void launch_fill(float* x, cudaStream_t stream) { launch_kernel(fill_kernel<float>, grid_of(x), 1, 0, stream, x); }

}  // namespace ppq::kernels::cuda
