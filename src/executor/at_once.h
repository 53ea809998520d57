#pragma once

#include <c10/core/Device.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/parallel.h"

namespace ppq {

/// Calls `work(i)` for each i < count. On the CPU by its threads at once, each of which then computes alone (LibTorch's and
/// oneDNN's loops stay in the thread that meets them), each taking the next one when it is done; a single one has all threads. On another
/// device one after the other: its kernels fill it. Throws what one of them threw.
template <class Work>
void for_each_at_once(at::Device device, size_t count, const Work& work) {
  if (count == 1 || !device.is_cpu()) {
    for (size_t i = 0; i < count; ++i) work(i);
    return;
  }
  std::atomic<size_t> next = 0;
  kernels::cpu::parallel_for(static_cast<int64_t>(count), 1, [&](int64_t, int64_t) {
    for (size_t i; (i = next++) < count;) work(i);
  });
}

}  // namespace ppq
