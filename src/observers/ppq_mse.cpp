#include "observers/histogram_observer.h"

namespace ppq::observers {
namespace {

constexpr int64_t kBins = 32768;  // 8 to 16 bins of ours fall into one of PPQ's

/// PPQ 0.6.6's TorchMSEObserver: its 2048 bins (filled from our finer ones), its candidates, its loss
/// (kernels/search_ppq_rules.h). Kept to compare with PPQ; `mse` is the better search. Above 10 bits it is min-max, where PPQ's
/// search breaks down.
class PpqMse final : public SearchObserver {
 public:
  PpqMse(const QuantScheme& scheme, std::string tensor)
      : SearchObserver(scheme, std::move(tensor), kBins, search_rule(search::kPpqMse, scheme)) {}
};

}  // namespace

std::unique_ptr<Observer> ppq_mse(const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.format != NumberFormat::Linear || scheme.granularity != Granularity::PerTensor)
    fail_scheme("ppq-mse", tensor, "serves per-tensor integers only; use mse");
  return std::make_unique<PpqMse>(scheme, tensor);
}

}  // namespace ppq::observers
