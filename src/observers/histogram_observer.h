#pragma once

#include <vector>

#include "kernels/observe_many.h"
#include "observers/observers.h"

namespace ppq::observers {

/// The distribution of one channel: bin i covers [low + i × width, low + (i+1) × width).
struct Distribution {
  double low = 0, width = 0;
  std::vector<double> counts;
  double minimum = 0, maximum = 0;  ///< of the values seen, exact
  double total = 0;
  double center(size_t bin) const { return low + (static_cast<double>(bin) + 0.5) * width; }
};

/// The counts in `bins` equal bins over [low, high] of x, or of |x|. A bin that straddles a border is shared out by length,
/// but single values are kept whole: what is empty stays empty.
std::vector<double> rebin(const Distribution& distribution, size_t bins, double low, double high, bool absolute);

/// Base of observers that search a growing histogram: one pass over the data, exact counts.
class HistogramObserver : public Observer {
 public:
  HistogramObserver(const QuantScheme& scheme, std::string tensor, int64_t bins)
      : scheme_(scheme), tensor_(std::move(tensor)), bins_(bins) {}

  void observe(const at::Tensor& value, int64_t samples) override;
  std::optional<kernels::Observation> observation(const at::Tensor& value) override;
  bool follow(const Observer& leader) override;
  void merge(const Observer& other) override;
  std::pair<double, double> range() const override;
  /// Ranges of each channel from `choose_range`, made into scale and offset.
  QuantParams finish() const override;
  /// The histogram, for followers; its tensors are undefined until something was seen.
  std::shared_ptr<const kernels::Histogram> histogram() const { return histogram_; }
  int64_t axis() const { return channel_axis(scheme_); }

 protected:
  /// The range [min, max] to quantize this channel for.
  virtual std::pair<double, double> choose_range(const Distribution& distribution) const = 0;
  std::vector<Distribution> distributions() const;
  const QuantScheme& scheme() const { return scheme_; }
  const std::string& tensor() const { return tensor_; }

 private:
  QuantScheme scheme_;
  std::string tensor_;
  int64_t bins_;
  std::shared_ptr<kernels::Histogram> histogram_ = std::make_shared<kernels::Histogram>();
  bool following_ = false;
};

}  // namespace ppq::observers
