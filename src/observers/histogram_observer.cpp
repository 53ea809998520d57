#include "observers/histogram_observer.h"

#include <algorithm>
#include <typeinfo>

#include "kernels/observe_blocks.h"

namespace ppq::observers {

int64_t bins_for(const QuantScheme& scheme, int64_t most) {
  if (scheme.granularity != Granularity::PerBlock) return most;
  return std::min<int64_t>(most, int64_t{8} << std::clamp(scheme.bits, 3, 16));
}

void HistogramObserver::observe(const at::Tensor& value, int64_t) {
  if (value.numel() == 0) return;
  if (scheme_.granularity == Granularity::PerBlock) {
    const at::Tensor x = as_float(value);
    const int64_t axis = blocks_.take(x, scheme_, tensor_), channels = c10::multiply_integers(blocks_.scale_sizes(scheme_, 0));
    if (!seen()) *histogram_ = kernels::make_histogram(channels, bins_, x.device());
    kernels::observe_blocks(x, axis, scheme_.block_size, *histogram_);
    return;
  }
  const auto one = HistogramObserver::observation(value);
  kernels::observe(one->x, one->axis, *one->histogram);
}

std::optional<kernels::Observation> HistogramObserver::observation(const at::Tensor& value) {
  if (scheme_.granularity == Granularity::PerBlock) return std::nullopt;
  const at::Tensor x = as_float(value);
  if (!seen()) *histogram_ = kernels::make_histogram(channel_count(scheme_, x, tensor_), bins_, x.device());
  return kernels::Observation{x, channel_axis(scheme_), histogram_.get()};
}

bool HistogramObserver::is_channelled_as(const QuantScheme& scheme) const {
  if (scheme.granularity != scheme_.granularity) return false;
  if (scheme.granularity == Granularity::PerBlock && scheme.block_size != scheme_.block_size) return false;
  return scheme.granularity == Granularity::PerTensor || scheme.axis == scheme_.axis;
}

bool HistogramObserver::follow(const Observer& leader) {
  const auto* other = dynamic_cast<const HistogramObserver*>(&leader);
  // A tensor of blocks has a shape to keep as well.
  if (!other || other->bins_ != bins_ || !other->is_channelled_as(scheme_) || scheme_.granularity == Granularity::PerBlock) return false;
  histogram_ = other->histogram_;
  following_ = true;
  return true;
}

void HistogramObserver::merge(const Statistic& other) {
  const HistogramObserver& from = same_kind<HistogramObserver>(other, tensor_);
  if (typeid(*this) != typeid(other)) fail_kind(tensor_);
  if (following_ || !from.seen()) return;
  blocks_.merge(from.blocks_, tensor_);
  if (!seen()) *histogram_ = kernels::make_histogram(from.histogram_->channels(), bins_, from.histogram_->counts.device());
  kernels::merge(*histogram_, *from.histogram_);
}

std::optional<kernels::RangeSearch> SearchObserver::search() const {
  if (!seen()) return std::nullopt;
  return kernels::RangeSearch{rule_, *histogram(), {}, {}};
}

QuantParams SearchObserver::finish_found(const at::Tensor& found) const {
  return params_of_found(found, scale_sizes(), scheme(), tensor());
}

QuantParams SearchObserver::finish() const {
  const auto one = search();
  if (!one) fail_nothing_seen(tensor());
  return finish_found(kernels::search_ranges({*one}).cpu());
}

}  // namespace ppq::observers
