#pragma once

#include <vector>

#include "kernels/kernels.h"

namespace ppq::kernels {

/// One tensor to observe.
struct Observation {
  at::Tensor x;
  int64_t axis = -1;
  Histogram* histogram = nullptr;
};
/// observe() of many tensors, which should be small and on one device: on CUDA three launches for each 16 of one type and
/// bin count instead of three for each, on the CPU a thread a tensor. Two observations may name one histogram.
void observe_many(const std::vector<Observation>& observations);

}  // namespace ppq::kernels
