#include "kernels/cpu/parallel.h"

#include <ATen/Parallel.h>

#ifndef _OPENMP
#error "kernels/cpu/parallel.cpp needs -fopenmp: LibTorch's threads are OpenMP's"
#endif

namespace ppq::kernels::cpu {

void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  at::parallel_for(0, count, grain, [&](int64_t begin, int64_t end) { body(begin, end); });
}

int thread_count() {
  at::internal::lazy_init_num_threads();
  return at::in_parallel_region() ? 1 : at::get_num_threads();
}

}  // namespace ppq::kernels::cpu
