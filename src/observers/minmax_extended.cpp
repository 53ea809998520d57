#include <ATen/ATen.h>

#include <cmath>

#include "observers/observers.h"

namespace ppq::observers {
namespace {

constexpr int64_t kKept = kEnoughForRanges;

/// What is expected of the largest of kEnoughForRanges samples. sorted: float64 [n, channels], each of `n` samples' largest, ascending.
at::Tensor extended(const at::Tensor& sorted, int64_t samples) {
  const int64_t n = sorted.size(0), half = n / 2;
  const at::Tensor most = sorted[n - 1];
  if (half < 1 || samples >= kKept) return most;
  // The mean over all halves of the samples of their largest: value i is it in C(i, half - 1) of C(n, half).
  std::vector<double> share(static_cast<size_t>(n));
  double one = static_cast<double>(half) / static_cast<double>(n);
  for (int64_t i = n - 1; i >= half - 1; --i) {
    share[static_cast<size_t>(i)] = one;
    one *= static_cast<double>(i - half + 1) / static_cast<double>(i);
  }
  const at::Tensor of_half = (sorted * at::tensor(share, at::kDouble).unsqueeze(1)).sum(0);
  const double doublings = std::log2(static_cast<double>(n) / static_cast<double>(half));
  return most + (most - of_half) * (std::log2(static_cast<double>(kKept) / static_cast<double>(n)) / doublings);
}

/// Min-max for few samples: the largest value of n samples is what others exceed one time in n + 1, and what they exceed it by is cut off.
/// Maxima grow about evenly with each doubling of the samples (those of an exponential tail do; extreme value theory, Gumbel 1935), and
/// the samples show by how much: their largest value less the mean of what halves of them would have shown. So ranges are extended to
/// what kEnoughForRanges samples are expected to show. A bound that all samples reach stays.
class ExtendedMinMax final : public Observer {
 public:
  ExtendedMinMax(const QuantScheme& scheme, std::string tensor) : scheme_(scheme), tensor_(std::move(tensor)) {}

  void observe(const at::Tensor& value, int64_t samples) override {
    if (value.numel() == 0) return;
    at::Tensor x = as_float(value);
    const int64_t channels = channel_count(scheme_, x, tensor_);
    const int64_t axis = channel_axis(scheme_);
    const bool divided = samples > 1 && axis != 0 && x.dim() > 0 && x.size(0) % samples == 0;
    x = divided ? x.unflatten(0, {samples, x.size(0) / samples}) : x.unsqueeze(0);
    std::vector<int64_t> others;
    for (int64_t i = 1; i < x.dim(); ++i)
      if (axis < 0 || i != axis + 1) others.push_back(i);
    const at::Tensor low = others.empty() ? x : x.amin(others), high = others.empty() ? x : x.amax(others);
    const at::Tensor ends = at::stack({-low.reshape({-1, channels}), high.reshape({-1, channels})}).to(at::kDouble);
    if (!kept_.defined()) {
      kept_ = at::full({2, kKept, channels}, -INFINITY, ends.options());
      counts_ = at::zeros({2}, ends.options().dtype(at::kLong));
    }
    keep(ends);
    counts_[0] += ends.size(1);
    counts_[1] += at::isfinite(ends).logical_not().sum();
  }

  bool steady() const override { return true; }

  void merge(const Statistic& other) override {
    const auto& from = same_kind<ExtendedMinMax>(other, tensor_);
    if (!from.kept_.defined()) return;
    if (!kept_.defined()) {
      kept_ = from.kept_.clone(), counts_ = from.counts_.clone();
      return;
    }
    keep(from.kept_.to(kept_.device()));
    counts_ += from.counts_.to(counts_.device());
  }

  QuantParams finish() const override {
    if (!kept_.defined()) fail_nothing_seen(tensor_);
    const at::Tensor counts = counts_.cpu(), kept = kept_.cpu();
    if (const int64_t odd = counts[1].item<int64_t>()) fail_non_finite(tensor_, odd);
    const int64_t samples = counts[0].item<int64_t>();
    const at::Tensor sorted = std::get<0>(kept.sort(1)).slice(1, std::max<int64_t>(0, kKept - samples));
    at::Tensor low = -extended(sorted[0], samples), high = extended(sorted[1], samples);
    if (scheme_.granularity == Granularity::PerTensor) low = low.reshape({}), high = high.reshape({});
    return params_from_range(low, high, scheme_);
  }

 private:
  /// The largest of what is kept and of `more`, [2, n, channels].
  void keep(const at::Tensor& more) { kept_.copy_(std::get<0>(at::cat({kept_, more}, 1).topk(kKept, 1))); }

  QuantScheme scheme_;
  std::string tensor_;
  at::Tensor kept_;    ///< of -least and of largest values of samples the largest, float64 [2, kKept, channels], in no order
  at::Tensor counts_;  ///< int64 [2]: samples; ends that are no finite numbers
};

}  // namespace

std::unique_ptr<Observer> minmax_extended(const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.granularity == Granularity::PerBlock) fail_scheme("minmax-extended", tensor, "cannot serve per-block scales");
  return std::make_unique<ExtendedMinMax>(scheme, tensor);
}

}  // namespace ppq::observers
