#include <algorithm>
#include <cmath>
#include <limits>

#include "observers/ppq_search.h"

namespace ppq::observers {
namespace {

constexpr int kPpqBins = 2048, kInterval = 8;
constexpr int64_t kBins = 32768;  // 8 to 16 bins of ours fall into one of PPQ's

/// PPQ 0.6.6's TorchMSEObserver: its 2048 bins (filled from our finer ones), its candidates, its loss.
/// Kept to compare with PPQ; `mse` is the better search. Above 10 bits it is min-max, where PPQ's search breaks down.
class PpqMse final : public PpqSearchObserver {
 public:
  PpqMse(const QuantScheme& scheme, std::string tensor) : PpqSearchObserver(scheme, std::move(tensor), kBins) {}

 protected:
  std::pair<double, double> choose_range(const Distribution& d) const override {
    const int levels = static_cast<int>(scheme().quant_max - scheme().quant_min) + 1;
    if (levels > 1024) return {d.minimum, d.maximum};
    return scheme().symmetric ? symmetric(d, levels) : asymmetric(d, levels);
  }

 private:
  static std::pair<double, double> asymmetric(const Distribution& d, int levels) {
    const double scale = (d.maximum - d.minimum) / kPpqBins;
    if (scale <= 0) return {d.minimum, d.maximum};
    const std::vector<double> bins = rebin(d, kPpqBins, d.minimum, d.maximum, /*absolute=*/false);
    Best best;
    offer(best, bins, levels, 0, kPpqBins / levels + 1);
    for (int start = 0; start < kPpqBins; start += kInterval) {
      if (start * scale + d.minimum > 0) break;
      for (int step = 1; step <= kPpqBins / levels; ++step) {
        if (start + levels * step > kPpqBins + levels) break;
        offer(best, bins, levels, start, step);
      }
    }
    return {best.start * scale + d.minimum, best.end * scale + d.minimum};
  }

  static std::pair<double, double> symmetric(const Distribution& d, int levels) {
    const double scale = std::max(std::abs(d.minimum), std::abs(d.maximum)) / kPpqBins;
    if (scale <= 0) return {0, 0};
    const std::vector<double> bins = rebin(d, kPpqBins, 0, scale * kPpqBins, /*absolute=*/true);
    Best best;
    offer(best, bins, levels, 0, kPpqBins / levels + 1);
    for (int step = 1; step <= kPpqBins / levels && levels * step <= kPpqBins + levels; ++step) offer(best, bins, levels, 0, step);
    return {-best.end * scale, best.end * scale};
  }

  struct Best {
    double loss = std::numeric_limits<double>::infinity(), start = 0, end = 0;
  };

  static void offer(Best& best, const std::vector<double>& bins, int levels, int start, int step) {
    const int end = start + levels * step;
    double loss = 0, total = 0;
    for (int i = 0; i < kPpqBins; ++i) {
      double error;
      if (i < start) error = start - i - 1 + 0.5;
      else if (i > end) error = i - end + 0.5;
      else {
        const int left = (i - start) % step, right = step - left - 1;
        error = left == right ? left + 0.25 : std::min(left, right) + 0.5;
      }
      loss += bins[i] * error * error;
      total += bins[i];
    }
    loss /= total;
    if (loss < best.loss) best = {loss, static_cast<double>(start), static_cast<double>(end)};
  }
};

}  // namespace

std::unique_ptr<Observer> ppq_mse(const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.format != NumberFormat::Linear || scheme.granularity != Granularity::PerTensor)
    fail_scheme("ppq-mse", tensor, "serves per-tensor integers only; use mse");
  return std::make_unique<PpqMse>(scheme, tensor);
}

}  // namespace ppq::observers
