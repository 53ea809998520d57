#include "observers/ppq_search.h"

#include <algorithm>
#include <cmath>

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

QuantParams PpqSearchObserver::finish() const {
  if (!seen()) fail_nothing_seen(tensor());
  const kernels::Histogram& h = *histogram();
  if (const int64_t bad = h.nonfinite.sum().item<int64_t>()) fail_non_finite(tensor(), bad);
  const at::Tensor counts = h.counts.cpu();
  Distribution d;
  const int exponent = h.exponent.item<int32_t>();
  if (exponent == kernels::kEmptyExponent) return params_from_range(0, 0, scheme());
  d.width = std::ldexp(1.0, exponent);
  d.low = static_cast<double>(h.first.item<int64_t>()) * d.width;
  d.minimum = h.minimum.item<double>();
  d.maximum = h.maximum.item<double>();
  d.counts.assign(counts.const_data_ptr<int64_t>(), counts.const_data_ptr<int64_t>() + counts.numel());
  for (double count : d.counts) d.total += count;
  const auto [low, high] = choose_range(d);
  return params_from_range(low, high, scheme());
}

}  // namespace ppq::observers
