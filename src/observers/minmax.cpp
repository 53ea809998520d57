#include "kernels/kernels.h"
#include "observers/histogram_observer.h"

namespace ppq::observers {
namespace {

class MinMax final : public Observer {
 public:
  MinMax(const QuantScheme& scheme, std::string tensor) : scheme_(scheme), tensor_(std::move(tensor)) {}

  void observe(const at::Tensor& value, int64_t) override {
    if (value.numel() == 0) return;
    const at::Tensor x = as_float(value);
    if (!range_.minimum.defined()) range_ = kernels::make_range(channel_count(scheme_, x, tensor_), x.device());
    kernels::observe_range(x, channel_axis(scheme_), range_);
  }

  /// A histogram knows its range.
  bool follow(const Observer& leader) override {
    const auto* other = dynamic_cast<const HistogramObserver*>(&leader);
    if (!other || other->axis() != channel_axis(scheme_)) return false;
    histogram_ = other->histogram();
    return true;
  }

  void merge(const Observer& other) override {
    const MinMax& from = same_kind<MinMax>(other);
    if (histogram_ || !from.range_.minimum.defined()) return;
    if (!range_.minimum.defined()) {
      range_ = {from.range_.minimum.clone(), from.range_.maximum.clone(), from.range_.nonfinite.clone()};
      return;
    }
    const at::Device device = range_.minimum.device();
    range_.minimum = at::minimum(range_.minimum, from.range_.minimum.to(device));
    range_.maximum = at::maximum(range_.maximum, from.range_.maximum.to(device));
    range_.nonfinite = range_.nonfinite + from.range_.nonfinite.to(device);
  }

  QuantParams finish() const override {
    const kernels::Range seen = seen_range();
    if (!seen.minimum.defined()) fail_nothing_seen(tensor_);
    const int64_t bad = seen.nonfinite.sum().item<int64_t>();
    if (bad) fail_non_finite(tensor_, bad);
    at::Tensor low = seen.minimum.cpu().to(at::kDouble), high = seen.maximum.cpu().to(at::kDouble);
    if (scheme_.granularity == Granularity::PerTensor) low = low.reshape({}), high = high.reshape({});
    return params_from_range(low, high, scheme_);
  }

  std::pair<double, double> range() const override {
    const kernels::Range seen = seen_range();
    if (!seen.minimum.defined()) return {0, 0};
    return {seen.minimum.min().item<double>(), seen.maximum.max().item<double>()};
  }

 private:
  kernels::Range seen_range() const {
    return histogram_ ? kernels::Range{histogram_->minimum, histogram_->maximum, histogram_->nonfinite} : range_;
  }

  QuantScheme scheme_;
  std::string tensor_;
  kernels::Range range_;
  std::shared_ptr<const kernels::Histogram> histogram_;  ///< of the leader
};

}  // namespace

std::unique_ptr<Observer> minmax(const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.granularity == Granularity::PerBlock) fail_scheme("minmax", tensor, "cannot serve per-block scales");
  return std::make_unique<MinMax>(scheme, tensor);
}

}  // namespace ppq::observers
