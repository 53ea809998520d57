#pragma once

#include <vector>

#include "observers/statistic.h"

namespace ppq {

/// Keeps what it is shown, batch by batch: for few samples of small tensors only. Serves one device.
class KeepStatistic final : public Statistic {
 public:
  void observe(const at::Tensor& value, int64_t samples) override;
  void merge(const Statistic& other) override;
  bool takes_all_types() const override { return true; }  // shapes, too
  const std::vector<at::Tensor>& batches() const { return batches_; }

 private:
  std::vector<at::Tensor> batches_;
};

}  // namespace ppq
