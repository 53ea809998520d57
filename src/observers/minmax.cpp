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
    if (scheme_.granularity == Granularity::PerBlock) {
      observe_blocks(x);
      return;
    }
    if (!range_.minimum.defined()) range_ = kernels::make_range(channel_count(scheme_, x, tensor_), x.device());
    kernels::observe_range(x, channel_axis(scheme_), range_);
  }

  bool steady() const override { return true; }

  /// A histogram knows its range.
  bool follow(const Observer& leader) override {
    const auto* other = dynamic_cast<const HistogramObserver*>(&leader);
    if (!other || !other->is_channelled_as(scheme_) || scheme_.granularity == Granularity::PerBlock) return false;
    histogram_ = other->histogram();
    return true;
  }

  void merge(const Statistic& other) override {
    const MinMax& from = same_kind<MinMax>(other, tensor_);
    if (histogram_ || !from.range_.minimum.defined()) return;
    blocks_.merge(from.blocks_, tensor_);
    if (!range_.minimum.defined()) {
      range_ = {from.range_.minimum.clone(), from.range_.maximum.clone(), from.range_.nonfinite.clone()};
      return;
    }
    merge_range(range_, from.range_);
  }

  std::optional<kernels::RangeSearch> search() const override {
    const kernels::Range seen = seen_range();
    if (!seen.minimum.defined()) return std::nullopt;
    kernels::RangeSearch search{search_rule(search::kMinMax, scheme_), {}, {}, {}};
    search.histogram.minimum = seen.minimum, search.histogram.maximum = seen.maximum, search.histogram.nonfinite = seen.nonfinite;
    return search;
  }

  QuantParams finish_found(const at::Tensor& found) const override {
    return params_of_found(found, scheme_.granularity == Granularity::PerTensor ? at::IntArrayRef() : seen_range().minimum.sizes(), scheme_,
                           tensor_);
  }

  QuantParams finish() const override {
    const auto one = search();
    if (!one) fail_nothing_seen(tensor_);
    return finish_found(kernels::search_ranges({*one}).cpu());
  }

 private:
  void observe_blocks(const at::Tensor& x) {
    const int64_t axis = blocks_.take(x, scheme_, tensor_);
    if (!range_.minimum.defined()) range_ = kernels::make_block_range(x.sizes(), axis, scheme_.block_size, x.device());
    kernels::observe_range_blocks(x, axis, scheme_.block_size, range_);
  }

  kernels::Range seen_range() const {
    return histogram_ ? kernels::Range{histogram_->minimum, histogram_->maximum, histogram_->nonfinite} : range_;
  }

  QuantScheme scheme_;
  std::string tensor_;
  kernels::Range range_;
  BlockedShape blocks_;
  std::shared_ptr<const kernels::Histogram> histogram_;  ///< of the leader
};

}  // namespace

std::unique_ptr<Observer> minmax(const QuantScheme& scheme, const std::string& tensor) {
  check_blocks("minmax", scheme, tensor);
  return std::make_unique<MinMax>(scheme, tensor);
}

}  // namespace ppq::observers
