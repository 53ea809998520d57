#pragma once

/// The dialect of the kernels: plain CUDA plus the few helpers below. The same text is compiled for the host by the tests
/// (PPQ_HOST_SHIM), where a grid runs block by block on fibers and shared memory is watched for races. Hence: shared memory is
/// declared through PPQ_SHARED and PPQ_DYNAMIC_SHARED and handed to functions as a template parameter, launches go through
/// launch_kernel, and loops are unrolled by PPQ_UNROLL
/// and kept by PPQ_ROLLED.
#ifdef PPQ_HOST_SHIM
#include "tests/cuda/shim/shim.h"
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#define PPQ_UNROLL _Pragma("unroll")
#define PPQ_ROLLED _Pragma("unroll 1")
#define PPQ_SHARED(type, name, count) __shared__ type name[count]
/// The launch's dynamic shared memory as an array of `type`.
#define PPQ_DYNAMIC_SHARED(type, name)                           \
  extern __shared__ __align__(16) unsigned char dynamic_bytes[]; \
  type* name = reinterpret_cast<type*>(dynamic_bytes)

namespace ppq::kernels::cuda {

template <class... Parameters, class... Arguments>
void launch_kernel(void (*kernel)(Parameters...), int64_t grid, int block, int64_t shared_bytes, cudaStream_t stream,
                   const Arguments&... arguments) {
  if (grid <= 0) return;
  if (shared_bytes > 48 << 10) cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
  // clang-format would part the closing brackets, and nvcc does not take them then.
  // clang-format off
  kernel<<<static_cast<unsigned>(grid), block, static_cast<size_t>(shared_bytes), stream>>>(arguments...);
  // clang-format on
  cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) throw std::runtime_error(std::string("CUDA launch failed: ") + cudaGetErrorString(error));
}

}  // namespace ppq::kernels::cuda
#endif

#include "kernels/numerics.h"
