#include <cmath>

#include "observers/observers.h"
#include "ppq/error.h"

namespace ppq::observers {
namespace {

// Interval ends are counted on a grid of log2(scale), 64 a doubling, from 2^-40 to 2^24.
constexpr int kPerOctave = 64, kLowest = -40, kHighest = 24, kGrid = (kHighest - kLowest) * kPerOctave;

/// Order-preserving observer for rows whose largest element matters (Softmax). With the two largest l1 >= l2 of a row, a
/// scale above s_min = l2/(qmax - 0.51) does not clip l2 and one below s_max = 2(l1 - l2) keeps l1 above it; the scale
/// inside most rows' intervals wins, the middle of the best stretch. Rows lie along the last axis. The state is a grid of
/// interval ends: its size does not grow with the data.
class Isotone final : public Observer {
 public:
  Isotone(const QuantScheme& scheme, std::string tensor) : scheme_(scheme), tensor_(std::move(tensor)) {}

  void observe(const at::Tensor& value, int64_t) override {
    if (value.numel() == 0) return;
    const at::Tensor x = as_float(value).to(at::kFloat);
    if (x.dim() == 0 || x.size(-1) < 2)
      throw Error(ErrorKind::Data, "tensor " + tensor_, "observer isotone needs rows of 2 or more: got shape " + to_string_of(x));
    const at::Tensor rows = x.reshape({-1, x.size(-1)});
    add(std::get<0>(rows.topk(2, 1)).to(at::kDouble));
    const at::Tensor ends = at::stack({rows.min(), rows.max()}).to(at::kDouble);
    extremes_ = extremes_.defined() ? at::stack({at::minimum(extremes_[0], ends[0]), at::maximum(extremes_[1], ends[1])}) : ends;
    nonfinite_ += at::isfinite(rows).logical_not().sum();
    seen_ += rows.size(0);
  }

  void merge(const Observer& other) override {
    const Isotone& from = same_kind<Isotone>(other, tensor_);
    if (!from.seen_) return;
    if (!seen_) {
      cells_ = from.cells_.clone(), nonfinite_ = from.nonfinite_.clone(), extremes_ = from.extremes_, seen_ = from.seen_;
      return;
    }
    cells_ += from.cells_.to(cells_.device());
    nonfinite_ += from.nonfinite_.to(nonfinite_.device());
    const at::Tensor ends = from.extremes_.to(extremes_.device());
    extremes_ = at::stack({at::minimum(extremes_[0], ends[0]), at::maximum(extremes_[1], ends[1])});
    seen_ += from.seen_;
  }

  QuantParams finish() const override {
    if (!seen_) fail_nothing_seen(tensor_);
    if (const int64_t bad = nonfinite_.item<int64_t>()) fail_non_finite(tensor_, bad);
    const at::Tensor seen = extremes_.cpu();
    // Zero always belongs to the range.
    const double low = std::min(seen[0].item<double>(), 0.0), high = std::max(seen[1].item<double>(), 0.0);
    const at::Tensor cells = cells_.cpu().contiguous();
    const int64_t *starts = cells.const_data_ptr<int64_t>(), *ends = starts + kGrid + 1;
    int64_t open = 0, best = 0;
    int from = 0, to = 0;
    for (int i = 0; i <= kGrid; ++i) {
      open += starts[i];
      if (open > best) best = open, from = i, to = -1;
      if (ends[i] && open == best && to < 0) to = i;
      open -= ends[i];
    }
    if (best == 0) return params_from_range(std::min(low, 0.0), high, scheme_);
    const double scale = std::exp2(kLowest + (from + std::max(to, from) + 1) / 2.0 / kPerOctave);
    const double steps = scheme_.quant_max - scheme_.quant_min;
    if (scheme_.symmetric) return params_from_range(-scale * steps / 2, scale * steps / 2, scheme_);
    // The offset leaves room for the smallest value; the top keeps the largest.
    const double bottom = std::max(std::min(low, 0.0), -scale * steps);
    return params_from_range(bottom, bottom + scale * steps, scheme_);
  }

 private:
  static std::string to_string_of(const at::Tensor& x) {
    std::string text = "[";
    for (int64_t i = 0; i < x.dim(); ++i) text += (i ? ", " : "") + std::to_string(x.size(i));
    return text + "]";
  }

  /// top: float64 [rows, 2], the larger first. Stays on its device: nothing waits for it.
  void add(const at::Tensor& top) {
    at::Tensor l1 = top.select(1, 0), l2 = top.select(1, 1);
    if (scheme_.symmetric) {
      const at::Tensor a = l1.abs(), b = l2.abs();
      l1 = at::maximum(a, b), l2 = at::minimum(a, b);
    }
    const double steps = scheme_.quant_max - (scheme_.symmetric ? 0.0 : scheme_.quant_min) - 0.51;
    const at::Tensor floor = (l2 / steps).clamp_min(0), ceiling = (l1 - l2.clamp_min(0)) * 2;
    const at::Tensor counted = l1.gt(0).logical_and(ceiling.gt(floor)).to(at::kLong);
    if (!cells_.defined()) {
      cells_ = at::zeros({2 * (kGrid + 1)}, counted.options());
      nonfinite_ = at::zeros({}, counted.options());
    }
    cells_.index_add_(0, cell(floor), counted);
    cells_.index_add_(0, cell(ceiling) + (kGrid + 1), counted);
  }

  /// Zero goes to the first cell; NaN too, it is not counted.
  static at::Tensor cell(const at::Tensor& scale) {
    const at::Tensor position = (scale.log2() - kLowest) * kPerOctave;
    return position.nan_to_num(0, kGrid, 0).clamp(0, kGrid).to(at::kLong);
  }

  QuantScheme scheme_;
  std::string tensor_;
  at::Tensor cells_;      ///< int64: starts of intervals a cell, then ends
  at::Tensor extremes_;   ///< float64 [2]: smallest and largest value
  at::Tensor nonfinite_;  ///< int64
  int64_t seen_ = 0;
};

}  // namespace

std::unique_ptr<Observer> isotone(const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.format != NumberFormat::Linear || scheme.granularity != Granularity::PerTensor)
    fail_scheme("isotone", tensor, "serves per-tensor integers only");
  return std::make_unique<Isotone>(scheme, tensor);
}

}  // namespace ppq::observers
