#include "observers/histogram_observer.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/parallel.h"

namespace ppq::observers {

std::vector<double> rebin(const Distribution& d, size_t bins, double low, double high, bool absolute) {
  constexpr double kWhole = 8;  // fewer values than this go to one bin
  std::vector<double> result(bins, 0);
  const double width = (high - low) / static_cast<double>(bins), last = static_cast<double>(bins) - 1;
  auto index = [&](double x) { return static_cast<size_t>(std::clamp(std::floor((x - low) / width), 0.0, last)); };
  for (size_t i = 0; i < d.counts.size(); ++i) {
    const double n = d.counts[i];
    if (n == 0) continue;
    // The ends of the data lie inside their bins.
    double a = std::max(d.low + static_cast<double>(i) * d.width, d.minimum), b = std::min(d.low + static_cast<double>(i + 1) * d.width, d.maximum);
    if (absolute) {
      a = std::abs(a), b = std::abs(b);
      if (a > b) std::swap(a, b);
    }
    const size_t from = index(a), to = index(b);
    if (from == to || n < kWhole || b <= a) {
      result[index((a + b) / 2)] += n;
      continue;
    }
    const double border = low + static_cast<double>(to) * width, share = n * (border - a) / (b - a);
    result[to - 1] += share;
    result[to] += n - share;
  }
  return result;
}

void HistogramObserver::observe(const at::Tensor& value, int64_t) {
  if (value.numel() == 0) return;
  const auto one = HistogramObserver::observation(value);
  kernels::observe(one->x, one->axis, *one->histogram);
}

std::optional<kernels::Observation> HistogramObserver::observation(const at::Tensor& value) {
  const at::Tensor x = as_float(value);
  if (!histogram_->counts.defined()) *histogram_ = kernels::make_histogram(channel_count(scheme_, x, tensor_), bins_, x.device());
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
  const HistogramObserver& from = same_kind<HistogramObserver>(other);
  if (following_ || !from.histogram_->counts.defined()) return;
  if (!histogram_->counts.defined())
    *histogram_ = kernels::make_histogram(from.histogram_->channels(), from.histogram_->bins(), from.histogram_->counts.device());
  kernels::merge(*histogram_, *from.histogram_);
}

std::pair<double, double> HistogramObserver::range() const {
  if (!histogram_->counts.defined()) return {0, 0};
  return {histogram_->minimum.min().item<double>(), histogram_->maximum.max().item<double>()};
}

std::vector<Distribution> HistogramObserver::distributions() const {
  const at::Tensor counts = histogram_->counts.cpu().contiguous(), first = histogram_->first.cpu(), exponent = histogram_->exponent.cpu();
  const at::Tensor minimum = histogram_->minimum.cpu(), maximum = histogram_->maximum.cpu();
  const int64_t channels = counts.size(0), bins = counts.size(1);
  std::vector<Distribution> result(channels);
  for (int64_t c = 0; c < channels; ++c) {
    Distribution& d = result[c];
    const int32_t e = exponent.const_data_ptr<int32_t>()[c];
    if (e == kernels::kEmptyExponent) continue;
    d.width = std::ldexp(1.0, e);
    d.low = static_cast<double>(first.const_data_ptr<int64_t>()[c]) * d.width;
    d.minimum = minimum.const_data_ptr<float>()[c];
    d.maximum = maximum.const_data_ptr<float>()[c];
    const int64_t* row = counts.const_data_ptr<int64_t>() + c * bins;
    d.counts.assign(row, row + bins);
    for (double count : d.counts) d.total += count;
  }
  return result;
}

QuantParams HistogramObserver::finish() const {
  if (!histogram_->counts.defined()) fail_nothing_seen(tensor_);
  const int64_t bad = histogram_->nonfinite.sum().item<int64_t>();
  if (bad) fail_non_finite(tensor_, bad);
  const std::vector<Distribution> all = distributions();
  std::vector<double> low(all.size()), high(all.size());
  kernels::cpu::parallel_for(static_cast<int64_t>(all.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c)
      if (all[c].total > 0) std::tie(low[c], high[c]) = choose_range(all[c]);
  });
  return params_from_range(shaped(low, scheme_), shaped(high, scheme_), scheme_);
}

}  // namespace ppq::observers
