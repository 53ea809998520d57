#include <array>
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
    const int64_t n = x.size(-1);
    const at::Tensor rows = x.reshape({-1, n});
    at::Tensor top = std::get<0>(rows.topk(2, 1)).cpu().contiguous();
    const at::Tensor ends = at::stack({rows.min(), rows.max()}).cpu();
    low_ = std::min(low_, ends[0].item<double>());
    high_ = std::max(high_, ends[1].item<double>());
    nonfinite_ += at::isfinite(rows).logical_not().sum().item<int64_t>();
    const float* t = top.const_data_ptr<float>();
    for (int64_t r = 0; r < top.size(0); ++r) add(t[2 * r], t[2 * r + 1]);
    seen_ += top.size(0);
  }

  void merge(const Observer& other) override {
    const Isotone& from = same_kind<Isotone>(other);
    for (int i = 0; i <= kGrid; ++i) starts_[i] += from.starts_[i], ends_[i] += from.ends_[i];
    intervals_ += from.intervals_, seen_ += from.seen_, nonfinite_ += from.nonfinite_;
    low_ = std::min(low_, from.low_), high_ = std::max(high_, from.high_);
  }

  QuantParams finish() const override {
    if (nonfinite_) fail_non_finite(tensor_, nonfinite_);
    if (!seen_) fail_nothing_seen(tensor_);
    if (!intervals_) return params_from_range(std::min(low_, 0.0), high_, scheme_);
    int64_t open = 0, best = -1;
    int from = 0, to = 0;
    for (int i = 0; i <= kGrid; ++i) {
      open += starts_[i];
      if (open > best) best = open, from = i, to = -1;
      if (ends_[i] && open == best && to < 0) to = i;
      open -= ends_[i];
    }
    const double scale = std::exp2(kLowest + (from + std::max(to, from) + 1) / 2.0 / kPerOctave);
    const double steps = scheme_.quant_max - scheme_.quant_min;
    if (scheme_.symmetric) return params_from_range(-scale * steps / 2, scale * steps / 2, scheme_);
    // The offset leaves room for the smallest value; the top keeps the largest.
    const double low = std::max(std::min(low_, 0.0), -scale * steps);
    return params_from_range(low, low + scale * steps, scheme_);
  }

  std::pair<double, double> range() const override { return seen_ ? std::pair{low_, high_} : std::pair{0.0, 0.0}; }

 private:
  static std::string to_string_of(const at::Tensor& x) {
    std::string text = "[";
    for (int64_t i = 0; i < x.dim(); ++i) text += (i ? ", " : "") + std::to_string(x.size(i));
    return text + "]";
  }

  void add(double l1, double l2) {
    if (scheme_.symmetric) {
      l1 = std::abs(l1), l2 = std::abs(l2);
      if (l2 > l1) std::swap(l1, l2);
    }
    if (!(l1 > 0)) return;
    const double floor = std::max(l2 / (scheme_.quant_max - (scheme_.symmetric ? 0.0 : scheme_.quant_min) - 0.51), 0.0);
    const double ceiling = 2 * (l1 - std::max(l2, 0.0));
    if (!(ceiling > floor)) return;
    ++starts_[cell(floor)];
    ++ends_[cell(ceiling)];
    ++intervals_;
  }

  static int cell(double scale) {
    if (scale <= 0) return 0;
    const double position = (std::log2(scale) - kLowest) * kPerOctave;
    return position < 0 ? 0 : position > kGrid ? kGrid : static_cast<int>(position);
  }

  QuantScheme scheme_;
  std::string tensor_;
  std::array<int64_t, kGrid + 1> starts_{}, ends_{};
  int64_t intervals_ = 0, seen_ = 0, nonfinite_ = 0;
  double low_ = 0, high_ = 0;
};

}  // namespace

std::unique_ptr<Observer> isotone(const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.format != NumberFormat::Linear || scheme.granularity != Granularity::PerTensor)
    fail_scheme("isotone", tensor, "serves per-tensor integers only");
  return std::make_unique<Isotone>(scheme, tensor);
}

}  // namespace ppq::observers
