#pragma once

#include <ATen/record_function.h>
#include <c10/core/Device.h>

#include <memory>
#include <string>

namespace ppq {

/// While it lives, notes which operators called by this thread make the host wait for `device`, or depend on what the host
/// decides each time: scalars read, results whose size depends on data, copies between host and device, random numbers. On
/// the CPU they cost nothing, but they are noted all the same, so that a test there shows what a device would meet. One may live inside
/// another's life.
class HostWaits {
 public:
  explicit HostWaits(at::Device device);
  ~HostWaits();
  HostWaits(const HostWaits&) = delete;
  HostWaits& operator=(const HostWaits&) = delete;
  size_t count() const { return count_; }
  /// Name of the first such operator; empty if there was none.
  const std::string& first() const { return first_; }

 private:
  static HostWaits*& innermost();
  static std::unique_ptr<at::ObserverContext> note(const at::RecordFunction& function);
  at::Device device_;
  HostWaits* outer_;
  at::CallbackHandle handle_ = at::INVALID_CALLBACK_HANDLE;  ///< of the outermost one
  size_t count_ = 0;
  std::string first_;
};

}  // namespace ppq
