#pragma once

#include "kernels/observe_many.h"
#include "observers/observers.h"

namespace ppq::observers {

/// Bins for a search of any range, `most` per tensor and per channel. Per block there is a histogram a block, and its bins
/// weigh more than the block's values: as few as give 8 a level of the grid (4 at worst, since a histogram may be half empty),
/// so for 4 bits 128, 1 KB a block. More hardly lower the error of blocks of 32: the search's walk misses more than that.
int64_t bins_for(const QuantScheme& scheme, int64_t most);

/// Base of observers that gather a growing histogram: one pass over the data, exact counts.
class HistogramObserver : public Observer {
 public:
  HistogramObserver(const QuantScheme& scheme, std::string tensor, int64_t bins)
      : scheme_(scheme), tensor_(std::move(tensor)), bins_(bins) {}

  void observe(const at::Tensor& value, int64_t samples) override;
  std::optional<kernels::Observation> observation(const at::Tensor& value) override;
  bool steady() const override { return true; }
  bool follow(const Observer& leader) override;
  void merge(const Statistic& other) override;
  /// The histogram, for followers; its tensors are undefined until something was seen.
  std::shared_ptr<const kernels::Histogram> histogram() const { return histogram_; }
  /// Whether a scheme divides tensors into the same channels.
  bool is_channelled_as(const QuantScheme& scheme) const;

 protected:
  bool seen() const { return histogram_->counts.defined(); }
  const QuantScheme& scheme() const { return scheme_; }
  const std::string& tensor() const { return tensor_; }
  std::vector<int64_t> scale_sizes() const { return blocks_.scale_sizes(scheme_, histogram_->channels()); }

 private:
  QuantScheme scheme_;
  std::string tensor_;
  int64_t bins_;
  std::shared_ptr<kernels::Histogram> histogram_ = std::make_shared<kernels::Histogram>();
  BlockedShape blocks_;
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
