#pragma once

#include "kernels/observe_many.h"
#include "observers/observers.h"

namespace ppq::observers {

/// Base of observers that gather a growing histogram: one pass over the data, exact counts.
class HistogramObserver : public Observer {
 public:
  HistogramObserver(const QuantScheme& scheme, std::string tensor, int64_t bins)
      : scheme_(scheme), tensor_(std::move(tensor)), bins_(bins) {}

  void observe(const at::Tensor& value, int64_t samples) override;
  std::optional<kernels::Observation> observation(const at::Tensor& value) override;
  bool steady() const override { return true; }
  bool follow(const Observer& leader) override;
  void merge(const Observer& other) override;
  /// The histogram, for followers; its tensors are undefined until something was seen.
  std::shared_ptr<const kernels::Histogram> histogram() const { return histogram_; }
  int64_t axis() const { return channel_axis(scheme_); }

 protected:
  bool seen() const { return histogram_->counts.defined(); }
  const QuantScheme& scheme() const { return scheme_; }
  const std::string& tensor() const { return tensor_; }

 private:
  QuantScheme scheme_;
  std::string tensor_;
  int64_t bins_;
  std::shared_ptr<kernels::Histogram> histogram_ = std::make_shared<kernels::Histogram>();
  bool following_ = false;
};

/// A histogram observer whose range comes from kernels::search_ranges.
class SearchObserver : public HistogramObserver {
 public:
  SearchObserver(const QuantScheme& scheme, std::string tensor, int64_t bins, const search::Rule& rule)
      : HistogramObserver(scheme, std::move(tensor), bins), rule_(rule) {}

  std::optional<kernels::RangeSearch> search() const override;
  QuantParams finish_found(const at::Tensor& found) const override;
  QuantParams finish() const override;

 private:
  search::Rule rule_;
};

}  // namespace ppq::observers
