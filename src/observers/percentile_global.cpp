#include <algorithm>

#include "observers/histogram_observer.h"

namespace ppq::observers {
namespace {

constexpr double kPercentile = 0.9999;
constexpr int64_t kBins = 4096;

/// The range that leaves 0.01 % of all values seen outside on each side; exact to a bin (1/4096 to 1/2048 of the range).
class PercentileGlobal final : public HistogramObserver {
 public:
  PercentileGlobal(const QuantScheme& scheme, std::string tensor) : HistogramObserver(scheme, std::move(tensor), kBins) {}

 protected:
  std::pair<double, double> choose_range(const Distribution& d) const override {
    return {std::clamp(quantile(d, 1 - kPercentile), d.minimum, d.maximum), std::clamp(quantile(d, kPercentile), d.minimum, d.maximum)};
  }

 private:
  static double quantile(const Distribution& d, double q) {
    const double wanted = q * d.total;
    double below = 0;
    for (size_t i = 0; i < d.counts.size(); ++i) {
      if (d.counts[i] > 0 && below + d.counts[i] >= wanted)
        return d.low + d.width * (static_cast<double>(i) + (wanted - below) / d.counts[i]);
      below += d.counts[i];
    }
    return d.maximum;
  }
};

}  // namespace

std::unique_ptr<Observer> percentile_global(const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.granularity == Granularity::PerBlock) fail_scheme("percentile-global", tensor, "cannot serve per-block scales");
  return std::make_unique<PercentileGlobal>(scheme, tensor);
}

}  // namespace ppq::observers
