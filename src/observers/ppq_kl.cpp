#include <algorithm>
#include <cmath>
#include <limits>

#include "observers/ppq_search.h"

namespace ppq::observers {
namespace {

constexpr int kPpqBins = 4096;
constexpr int64_t kBins = 65536;

/// PPQ 0.6.6's TorchHistObserver: 4096 bins of |x| (filled from our finer ones), the lowest ones blanked,
/// candidates every 2^(bits-1) bins. Symmetric schemes up to 8 bits, as there. Kept to compare with PPQ; `kl` is the
/// better search.
class PpqKl final : public PpqSearchObserver {
 public:
  PpqKl(const QuantScheme& scheme, std::string tensor) : PpqSearchObserver(scheme, std::move(tensor), kBins) {}

 protected:
  std::pair<double, double> choose_range(const Distribution& d) const override {
    const double amax = std::max(std::abs(d.minimum), std::abs(d.maximum)), bin = amax / kPpqBins;
    if (bin <= 0) return {0, 0};
    std::vector<double> bins = rebin(d, kPpqBins, 0, amax, /*absolute=*/true);
    const int blank = static_cast<int>(kPpqBins * 0.002);
    std::fill(bins.begin(), bins.begin() + blank, 0.0);
    bins[blank] = 1;
    const int groups = 1 << (scheme().bits - 1);
    double best = std::numeric_limits<double>::infinity();
    int range = kPpqBins;
    for (int r = groups; r < kPpqBins + groups - 1 && r <= kPpqBins; r += groups) {
      const double loss = divergence(bins, r, groups);
      if (loss < best) best = loss, range = r;
    }
    // scale = range × bin / 2^(bits-1), written as the symmetric range that has it.
    const double scale = range * bin / groups, reach = scale * (scheme().quant_max - scheme().quant_min) / 2;
    return {-reach, reach};
  }

 private:
  static double divergence(const std::vector<double>& bins, int range, int groups) {
    std::vector<double> p(bins.begin(), bins.begin() + range), q(range, 0);
    double total = 0, kept = 0;
    for (int i = range; i < kPpqBins; ++i) p[range - 1] += bins[i];
    for (double v : p) total += v;
    const int size = range / groups;
    for (int g = 0; g < groups; ++g) {
      double sum = 0;
      int filled = 0;
      for (int i = g * size; i < (g + 1) * size; ++i) sum += bins[i], filled += bins[i] > 0;
      for (int i = g * size; i < (g + 1) * size; ++i)
        if (bins[i] > 0) q[i] = sum / filled;
      kept += sum;
    }
    if (kept <= 0) return std::numeric_limits<double>::infinity();
    double loss = 0;
    for (int i = 0; i < range; ++i) loss += p[i] / total * (std::log10(p[i] / total + 1e-30) - std::log10(q[i] / kept + 1e-30));
    return loss;
  }
};

}  // namespace

std::unique_ptr<Observer> ppq_kl(const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.format != NumberFormat::Linear || scheme.granularity != Granularity::PerTensor || !scheme.symmetric)
    fail_scheme("ppq-kl", tensor, "serves symmetric per-tensor integers only; use kl");
  if (scheme.bits > 12) fail_scheme("ppq-kl", tensor, "serves at most 12 bits; use minmax or mse");
  return std::make_unique<PpqKl>(scheme, tensor);
}

}  // namespace ppq::observers
