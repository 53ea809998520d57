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
    const MinMax& from = same_kind<MinMax>(other, tensor_);
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

  std::optional<kernels::RangeSearch> search() const override {
    const kernels::Range seen = seen_range();
    if (!seen.minimum.defined()) return std::nullopt;
    kernels::RangeSearch search{search_rule(search::kMinMax, scheme_), {}, {}, {}};
    search.histogram.minimum = seen.minimum, search.histogram.maximum = seen.maximum, search.histogram.nonfinite = seen.nonfinite;
    return search;
  }

  QuantParams finish_found(const at::Tensor& found) const override {
    return params_of_found(found, scheme_.granularity == Granularity::PerTensor ? at::IntArrayRef() : seen_range().minimum.sizes(), scheme_, tensor_);
  }

  QuantParams finish() const override {
    const auto one = search();
    if (!one) fail_nothing_seen(tensor_);
    return finish_found(kernels::search_ranges({*one}).cpu());
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
