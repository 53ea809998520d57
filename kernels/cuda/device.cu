#include "kernels/cuda/device.cuh"
#include "kernels/cuda/launch.h"

namespace ppq::kernels::cuda {

int multiprocessors() {
  int device = 0, count = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
  if (error != cudaSuccess) throw std::runtime_error(std::string("CUDA device properties: ") + cudaGetErrorString(error));
  return count;
}

int shared_limit() {
  int device = 0, bytes = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  if (error != cudaSuccess) throw std::runtime_error(std::string("CUDA device properties: ") + cudaGetErrorString(error));
  return bytes;
}

}  // namespace ppq::kernels::cuda
