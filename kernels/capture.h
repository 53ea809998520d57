#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>

namespace ppq::kernels {

/// Work of a device that was recorded once and is launched again as a whole: a CUDA graph ("CUDA C++ Programming Guide",
/// CUDA Graphs). It keeps the memory of every tensor that was made while it was recorded.
class CapturedWork {
 public:
  virtual ~CapturedWork() = default;
  /// On the current stream of its device, without waiting for it. What it reads lies where it lay when it was recorded.
  virtual void replay() = 0;
};

/// Records what `work` launches from this thread on `device`, without executing it. Work that waits for the device, copies
/// from pageable memory or draws random numbers cannot be recorded; where something in it threw, the error says what. Throws
/// Unsupported then, and for devices that have no graphs; the device goes on as if nothing had been tried.
std::unique_ptr<CapturedWork> capture(at::Device device, const std::function<void()>& work);

namespace cuda {
std::unique_ptr<CapturedWork> capture(at::Device device, const std::function<void()>& work);
}

}  // namespace ppq::kernels
