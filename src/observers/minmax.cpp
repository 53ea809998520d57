#include "kernels/kernels.h"
#include "observers/histogram_observer.h"
#include "ppq/error.h"

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
    if (!other || other->axis() != channel_axis(scheme_) || scheme_.granularity == Granularity::PerBlock) return false;
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
  void observe_blocks(const at::Tensor& x) {
    const int64_t axis = scheme_.axis < 0 ? scheme_.axis + x.dim() : scheme_.axis;
    if (axis < 0 || axis >= x.dim())
      throw Error(ErrorKind::Internal, "tensor " + tensor_,
                  "blocked axis: got " + std::to_string(scheme_.axis) + " for " + std::to_string(x.dim()) + " dimensions");
    if (sizes_.empty()) {
      sizes_ = x.sizes().vec();
      range_ = kernels::make_block_range(sizes_, axis, scheme_.block_size, x.device());
    }
    if (x.sizes() != at::IntArrayRef(sizes_))
      throw Error(ErrorKind::Unsupported, "tensor " + tensor_, "one scale a block: got tensors of different shapes, expected one shape");
    kernels::observe_range_blocks(x, axis, scheme_.block_size, range_);
  }

  kernels::Range seen_range() const {
    return histogram_ ? kernels::Range{histogram_->minimum, histogram_->maximum, histogram_->nonfinite} : range_;
  }

  QuantScheme scheme_;
  std::string tensor_;
  kernels::Range range_;
  std::vector<int64_t> sizes_;  ///< per block: of the tensor
  std::shared_ptr<const kernels::Histogram> histogram_;  ///< of the leader
};

}  // namespace

std::unique_ptr<Observer> minmax(const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.granularity == Granularity::PerBlock && scheme.block_size < 1)
    fail_scheme("minmax", tensor, "needs a block size: got " + std::to_string(scheme.block_size) + ", expected at least 1");
  return std::make_unique<MinMax>(scheme, tensor);
}

}  // namespace ppq::observers
