#include "observers/histogram_observer.h"

namespace ppq::observers {
namespace {

constexpr int64_t kBins = 65536;

/// PPQ 0.6.6's TorchHistObserver: 4096 bins of |x| (filled from our finer ones), the lowest ones blanked, candidates every
/// 2^(bits-1) bins (kernels/search_ppq_rules.h). Symmetric schemes, as there. Kept to compare with PPQ; `kl` is the better
/// search.
class PpqKl final : public SearchObserver {
 public:
  PpqKl(const QuantScheme& scheme, std::string tensor)
      : SearchObserver(scheme, std::move(tensor), kBins, search_rule(search::kPpqKl, scheme)) {}
};

}  // namespace

std::unique_ptr<Observer> ppq_kl(const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.format != NumberFormat::Linear || scheme.granularity != Granularity::PerTensor || !scheme.symmetric)
    fail_scheme("ppq-kl", tensor, "serves symmetric per-tensor integers only; use kl");
  if (scheme.bits > 12) fail_scheme("ppq-kl", tensor, "serves at most 12 bits; use minmax or mse");
  return std::make_unique<PpqKl>(scheme, tensor);
}

}  // namespace ppq::observers
