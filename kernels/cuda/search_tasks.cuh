#pragma once

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/launch.h"

namespace ppq::kernels::cuda {

/// The task that channel `row` of all belongs to.
__device__ inline const SearchTask& task_of(const SearchTask* tasks, int count, int64_t row) {
  int begin = 0, end = count - 1;  // the first task that ends after `row`
  while (begin < end) {
    int middle = (begin + end) / 2;
    if (tasks[middle].channel_end > row)
      end = middle;
    else
      begin = middle + 1;
  }
  return tasks[begin];
}

}  // namespace ppq::kernels::cuda
