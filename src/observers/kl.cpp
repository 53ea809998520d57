#include "observers/histogram_observer.h"

namespace ppq::observers {
namespace {

constexpr int64_t kBins = 4096;

/// The range whose quantized distribution has the smallest Kullback-Leibler divergence from the one seen, among those with
/// a squared error within 8 % of the smallest. Serves symmetric and asymmetric schemes: each end is a window over the
/// histogram; what lies outside is counted at the end it is clipped to. Above 10 bits levels are finer than bins, and the
/// smallest squared error decides.
class KullbackLeibler final : public SearchObserver {
 public:
  KullbackLeibler(const QuantScheme& scheme, std::string tensor)
      : SearchObserver(scheme, std::move(tensor), bins_for(scheme, kBins),
                       search_rule(scheme.bits > 10 ? search::kSquaredError : search::kDivergence, scheme)) {}
};

}  // namespace

std::unique_ptr<Observer> kl(const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.format != NumberFormat::Linear) fail_scheme("kl", tensor, "serves integers only, not minifloats");
  check_blocks("kl", scheme, tensor);
  return std::make_unique<KullbackLeibler>(scheme, tensor);
}

}  // namespace ppq::observers
