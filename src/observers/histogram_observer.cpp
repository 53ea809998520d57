#include "observers/histogram_observer.h"

#include <typeinfo>

namespace ppq::observers {

void HistogramObserver::observe(const at::Tensor& value, int64_t) {
  if (value.numel() == 0) return;
  const auto one = HistogramObserver::observation(value);
  kernels::observe(one->x, one->axis, *one->histogram);
}

std::optional<kernels::Observation> HistogramObserver::observation(const at::Tensor& value) {
  const at::Tensor x = as_float(value);
  if (!seen()) *histogram_ = kernels::make_histogram(channel_count(scheme_, x, tensor_), bins_, x.device());
  return kernels::Observation{x, axis(), histogram_.get()};
}

bool HistogramObserver::follow(const Observer& leader) {
  const auto* other = dynamic_cast<const HistogramObserver*>(&leader);
  if (!other || other->bins_ != bins_ || other->axis() != axis()) return false;
  histogram_ = other->histogram_;
  following_ = true;
  return true;
}

void HistogramObserver::merge(const Observer& other) {
  const HistogramObserver& from = same_kind<HistogramObserver>(other, tensor_);
  if (typeid(*this) != typeid(other)) fail_kind(tensor_);
  if (following_ || !from.seen()) return;
  if (!seen()) *histogram_ = kernels::make_histogram(from.histogram_->channels(), bins_, from.histogram_->counts.device());
  kernels::merge(*histogram_, *from.histogram_);
}

std::optional<kernels::RangeSearch> SearchObserver::search() const {
  if (!seen()) return std::nullopt;
  return kernels::RangeSearch{rule_, *histogram(), {}, {}};
}

QuantParams SearchObserver::finish_found(const at::Tensor& found) const {
  const std::vector<int64_t> one_a_channel = {found.size(0)};
  return params_of_found(found, scheme().granularity == Granularity::PerTensor ? at::IntArrayRef() : one_a_channel, scheme(), tensor());
}

QuantParams SearchObserver::finish() const {
  const auto one = search();
  if (!one) fail_nothing_seen(tensor());
  return finish_found(kernels::search_ranges({*one}).cpu());
}

}  // namespace ppq::observers
