#pragma once

#include <ATen/record_function.h>

#include <memory>
#include <string>

namespace ppq {

/// While it lives, notes which operators called by this thread make the host wait for a device, or depend on what the host
/// decides each time: scalars read, results whose size depends on data, copies between host and device, random numbers. On
/// the CPU they cost nothing, but they are noted all the same. One at a time in a thread.
class HostWaits {
 public:
  HostWaits();
  ~HostWaits();
  HostWaits(const HostWaits&) = delete;
  HostWaits& operator=(const HostWaits&) = delete;
  size_t count() const { return count_; }
  /// Name of the first such operator; empty if there was none.
  const std::string& first() const { return first_; }

 private:
  static std::unique_ptr<at::ObserverContext> note(const at::RecordFunction& function);
  at::CallbackHandle handle_;
  size_t count_ = 0;
  std::string first_;
};

}  // namespace ppq
