#pragma once

#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

#include <gtest/gtest.h>

#include <atomic>

#include "support/device.h"

namespace ppq::test {

/// While it lives, tensors above `limit` bytes do not fit into memory.
class SmallMemory final : public c10::Allocator {
 public:
  explicit SmallMemory(size_t limit) : limit_(limit), real_(c10::GetCPUAllocator()) { c10::SetCPUAllocator(this, 200); }
  ~SmallMemory() override { c10::SetCPUAllocator(real_, 200); }
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes > limit_) {
      ++refused;
      TORCH_CHECK(false, "DefaultCPUAllocator: can't allocate memory: you tried to allocate ", bytes, " bytes");
    }
    return real_->allocate(bytes);
  }
  c10::DeleterFnPtr raw_deleter() const override { return real_->raw_deleter(); }
  void copy_data(void* to, const void* from, size_t bytes) const override { real_->copy_data(to, from, bytes); }
  std::atomic<int> refused = 0;

 private:
  size_t limit_;
  c10::Allocator* real_;
};

}  // namespace ppq::test

#define PPQ_REQUIRE_CPU_MEMORY() \
  if (!test_device().is_cpu()) GTEST_SKIP() << "the memory that is short here is the CPU's; DevicePath has the device's"
