#include <cmath>
#include <limits>

#include "observers/error_model.h"
#include "observers/histogram_observer.h"

namespace ppq::observers {
namespace {

constexpr int64_t kBins = 4096;
/// Kullback-Leibler divergence hardly sees how far clipped values lie, so on its own it can choose ranges with twice the
/// smallest squared error. Ranges further than this from the smallest are left out.
constexpr double kErrorSlack = 1.08;

/// The range whose quantized distribution has the smallest Kullback-Leibler divergence from the one seen, among those with
/// a squared error within 8 % of the smallest. Serves symmetric and asymmetric schemes: each end is a window over the
/// histogram; what lies outside is counted at the end it is clipped to.
class KullbackLeibler final : public HistogramObserver {
 public:
  KullbackLeibler(const QuantScheme& scheme, std::string tensor) : HistogramObserver(scheme, std::move(tensor), kBins) {}

 protected:
  std::pair<double, double> choose_range(const Distribution& d) const override {
    const ErrorModel model(d, scheme());
    const auto [low, high] = model.best_range();
    const double limit = kErrorSlack * model.mean_squared_error(low, high);
    if (scheme().bits > 10) return {low, high};
    std::pair<double, double> best{low, high};
    double best_divergence = divergence(d, model.grid(low, high));
    for (int i = -16; i <= 16; ++i)
      for (int j = -16; j <= 16; ++j) {
        if (scheme().symmetric && i != j) continue;
        if ((low == 0 && i != 0) || (high == 0 && j != 0)) continue;
        const double l = low * (1 + 0.02 * i), h = high * (1 + 0.02 * j);
        if (model.mean_squared_error(l, h) > limit) continue;
        const double candidate = divergence(d, model.grid(l, h));
        if (candidate < best_divergence) best_divergence = candidate, best = {l, h};
      }
    return best;
  }

 private:
  /// Σ p log(p/q): p is the histogram with its clipped parts moved to the ends, q spreads what each level holds evenly over
  /// the non-empty bins that round to it.
  double divergence(const Distribution& d, const ErrorModel::Grid& grid) const {
    const double first = (scheme().quant_min - grid.offset), last = (scheme().quant_max - grid.offset);
    const int levels = static_cast<int>(last - first) + 1;
    std::vector<double> mass(levels, 0), bins(levels, 0), inside(levels, 0);
    double below = 0, above = 0;
    for (size_t i = 0; i < d.counts.size(); ++i) {
      if (d.counts[i] == 0) continue;
      const double level = std::nearbyint(d.center(i) / grid.scale);
      if (level < first) below += d.counts[i];
      else if (level > last) above += d.counts[i];
      else {
        const int k = static_cast<int>(level - first);
        mass[k] += d.counts[i];
        bins[k] += 1;
      }
    }
    double kept = 0;
    for (double m : mass) kept += m;
    if (kept <= 0) return std::numeric_limits<double>::infinity();
    double sum = 0;
    for (size_t i = 0; i < d.counts.size(); ++i) {
      if (d.counts[i] == 0) continue;
      const double level = std::nearbyint(d.center(i) / grid.scale);
      if (level < first || level > last) continue;
      const int k = static_cast<int>(level - first);
      const double p = d.counts[i] / d.total, q = mass[k] / bins[k] / kept;
      sum += p * std::log(p / q);
    }
    // The clipped mass sits in one bin more at each end, where q has an ordinary bin's share.
    auto tail = [&](double count, int k) {
      if (count <= 0) return 0.0;
      const double p = count / d.total, q = std::max(mass[k], 1.0) / std::max(bins[k], 1.0) / kept;
      return p * std::log(p / q);
    };
    return sum + tail(below, 0) + tail(above, levels - 1);
  }
};

}  // namespace

std::unique_ptr<Observer> kl(const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.format != NumberFormat::Linear) fail_scheme("kl", tensor, "serves integers only, not minifloats");
  if (scheme.granularity == Granularity::PerBlock) fail_scheme("kl", tensor, "cannot serve per-block scales");
  return std::make_unique<KullbackLeibler>(scheme, tensor);
}

}  // namespace ppq::observers
