#include "observers/histogram_observer.h"

namespace ppq::observers {
namespace {

constexpr double kPercentile = 0.9999;
constexpr int64_t kBins = 4096;

search::Rule percentile_rule(const QuantScheme& scheme) {
  search::Rule rule = search_rule(search::kQuantile, scheme);
  rule.quantile = kPercentile;
  return rule;
}

/// The range that leaves 0.01 % of all values seen outside on each side; exact to a bin (1/4096 to 1/2048 of the range).
class PercentileGlobal final : public SearchObserver {
 public:
  PercentileGlobal(const QuantScheme& scheme, std::string tensor)
      : SearchObserver(scheme, std::move(tensor), bins_for(scheme, kBins), percentile_rule(scheme)) {}
};

}  // namespace

std::unique_ptr<Observer> percentile_global(const QuantScheme& scheme, const std::string& tensor) {
  check_blocks("percentile-global", scheme, tensor);
  return std::make_unique<PercentileGlobal>(scheme, tensor);
}

}  // namespace ppq::observers
