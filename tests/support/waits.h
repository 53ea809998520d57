#pragma once

#include <ATen/record_function.h>

#include <atomic>
#include <string>

namespace ppq::test {

/// While it lives, counts the operators called that make the host wait for a device: reading a scalar, or asking whether a
/// tensor is zero or equals another. On the CPU they cost nothing, but the same code runs on CUDA.
class CountWaits {
 public:
  CountWaits() : handle_(at::addGlobalCallback(at::RecordFunctionCallback(&note).scopes({at::RecordScope::FUNCTION}))) { counter() = 0; }
  ~CountWaits() { at::removeCallback(handle_); }
  CountWaits(const CountWaits&) = delete;
  CountWaits& operator=(const CountWaits&) = delete;
  int count() const { return counter(); }

 private:
  static std::atomic<int>& counter() {
    static std::atomic<int> waits{0};
    return waits;
  }
  static std::unique_ptr<at::ObserverContext> note(const at::RecordFunction& function) {
    const std::string name = function.name();
    for (const char* wait :
         {"aten::_local_scalar_dense", "aten::is_nonzero", "aten::equal", "aten::nonzero", "aten::masked_select", "aten::_unique2"})
      counter() += name == wait;
    return nullptr;
  }
  at::CallbackHandle handle_;
};

}  // namespace ppq::test
