#pragma once

#include "kernels/cuda/launch.h"

#ifndef PPQ_HOST_SHIM
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace ppq::kernels::cuda {

#ifdef PPQ_HOST_SHIM
/// The tests run the kernels on CPU tensors.
class OnDevice {
 public:
  explicit OnDevice(at::Device) {}
  Stream stream() const { return nullptr; }
};
#else
/// Makes a device current and gives its current stream.
class OnDevice {
 public:
  explicit OnDevice(at::Device device) : guard_(device), stream_(c10::cuda::getCurrentCUDAStream(device.index()).stream()) {}
  Stream stream() const { return stream_; }

 private:
  c10::cuda::CUDAGuard guard_;
  Stream stream_;
};
#endif

}  // namespace ppq::kernels::cuda
