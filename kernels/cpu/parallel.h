#pragma once

#include <cstdint>
#include <functional>

namespace ppq::kernels::cpu {

/// Runs `body(begin, end)` over pieces of [0, count) on LibTorch's threads (at::get_num_threads()), pieces of at least
/// `grain`. at::parallel_for is a header template that runs on one thread, silently, wherever OpenMP is not switched on
/// for the including file; this one is compiled with it, once.
void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body);

/// The number of threads parallel_for will use at most.
int thread_count();

}  // namespace ppq::kernels::cpu
