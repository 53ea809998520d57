#include "calibration/keep.h"

#include <ATen/ATen.h>

#include "ppq/error.h"

namespace ppq {

void KeepStatistic::observe(const at::Tensor& value, int64_t) { batches_.push_back(value.clone()); }

void KeepStatistic::merge(const Statistic&) { throw Error(ErrorKind::Internal, "kept tensors", "their order is lost on several devices"); }

}  // namespace ppq
