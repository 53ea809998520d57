#pragma once

#include "kernels/cpu/bin_filler.h"
#include "kernels/kernels.h"

namespace ppq::kernels::cpu {

/// The rows of a histogram's tensors; writes back what is not shared memory.
class Rows {
 public:
  explicit Rows(Histogram& h)
      : counts_(h.counts.mutable_data_ptr<int64_t>()),
        first_(h.first.mutable_data_ptr<int64_t>()),
        exponent_(h.exponent.mutable_data_ptr<int32_t>()),
        minimum_(h.minimum.mutable_data_ptr<float>()),
        maximum_(h.maximum.mutable_data_ptr<float>()),
        nonfinite_(h.nonfinite.mutable_data_ptr<int64_t>()),
        bins_(h.bins()) {}
  HistogramRow load(int64_t c) const {
    return {counts_ + c * bins_, bins_, first_[c], exponent_[c], minimum_[c], maximum_[c], nonfinite_[c]};
  }
  void store(int64_t c, const HistogramRow& row) const {
    first_[c] = row.first;
    exponent_[c] = row.exponent;
    minimum_[c] = row.minimum;
    maximum_[c] = row.maximum;
    nonfinite_[c] = row.nonfinite;
  }
  int64_t bins() const { return bins_; }

 private:
  int64_t* counts_;
  int64_t* first_;
  int32_t* exponent_;
  float* minimum_;
  float* maximum_;
  int64_t* nonfinite_;
  int64_t bins_;
};

}  // namespace ppq::kernels::cpu
