#include "calibration/finite.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "ppq/error.h"

namespace ppq {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <class S>
const S& same_kind(const Statistic& other) {
  const S* same = dynamic_cast<const S*>(&other);
  if (!same) throw Error(ErrorKind::Internal, "statistic", "merge: got one of another kind");
  return *same;
}

/// What is as good as infinite made infinite.
at::Tensor with_infinities(const at::Tensor& value) {
  const at::Tensor x = value.to(at::kFloat);
  return x.masked_fill(x.ge(kAsGoodAsInfinite), kInfinity).masked_fill(x.le(-kAsGoodAsInfinite), -kInfinity);
}

/// Without a copy of the tensor; both NaN where one element is. Nothing for integers, and for types without arithmetic.
std::pair<double, double> ends_of(const at::Tensor& values) {
  if (!values.defined() || values.numel() == 0) return {0, 0};
  const at::ScalarType type = values.scalar_type();
  if (type != at::kFloat && type != at::kDouble && type != at::kHalf && type != at::kBFloat16) return {0, 0};
  const auto [least, most] = at::aminmax(values);
  return {least.item<double>(), most.item<double>()};
}

}  // namespace

Finiteness finiteness(const at::Tensor& values) {
  const auto [least, most] = ends_of(values);
  if (std::isnan(least)) return Finiteness::NaN;
  return most >= kAsGoodAsInfinite || least <= -kAsGoodAsInfinite ? Finiteness::Infinite : Finiteness::Finite;
}

FiniteRange finite_range(const at::Tensor& values) {
  FiniteRangeStatistic statistic;
  statistic.observe(values, 1);
  return statistic.range();
}

void FiniteRangeStatistic::observe(const at::Tensor& value, int64_t) {
  if (value.numel() == 0) return;
  const at::Tensor x = with_infinities(value);
  if (!infinite_.defined()) {
    range_ = kernels::make_range(1, x.device());
    infinite_ = at::zeros({3}, x.options().dtype(at::kLong));
  }
  kernels::observe_range(x, -1, range_);
  infinite_.add_(at::stack({x.eq(-kInfinity).sum(), x.eq(kInfinity).sum(), x.isnan().sum()}));
}

void FiniteRangeStatistic::merge(const Statistic& other) {
  const auto& from = same_kind<FiniteRangeStatistic>(other);
  if (!from.infinite_.defined()) return;
  if (!infinite_.defined()) {
    range_ = {from.range_.minimum.clone(), from.range_.maximum.clone(), from.range_.nonfinite.clone()};
    infinite_ = from.infinite_.clone();
    return;
  }
  const at::Device device = infinite_.device();
  range_.minimum = at::minimum(range_.minimum, from.range_.minimum.to(device));
  range_.maximum = at::maximum(range_.maximum, from.range_.maximum.to(device));
  infinite_.add_(from.infinite_.to(device));
}

FiniteRange FiniteRangeStatistic::range() const {
  FiniteRange found;
  if (!infinite_.defined()) return found;
  const at::Tensor counts = infinite_.cpu();
  found.minus_infinity = counts[0].item<int64_t>() > 0, found.plus_infinity = counts[1].item<int64_t>() > 0;
  found.nan = counts[2].item<int64_t>() > 0;
  const double low = range_.minimum.min().item<double>(), high = range_.maximum.max().item<double>();
  found.empty = low > high;
  if (!found.empty) found.low = low, found.high = high;
  return found;
}

void FiniteValues::observe(const at::Tensor& value, int64_t samples) {
  if (value.numel() == 0) return;
  const at::Tensor x = with_infinities(value), below = x.eq(-kInfinity), above = x.eq(kInfinity);
  if (!count_.defined()) count_ = at::zeros({2}, x.options().dtype(at::kLong));
  count_.add_(at::stack({below.sum(), above.sum()}));
  const bool divided = samples > 1 && x.dim() > 0 && x.size(0) % samples == 0;
  const at::Tensor rows = x.reshape({divided ? samples : 1, -1});
  const at::Tensor none = rows.isinf();
  auto end = [&](const at::Tensor& found) { return found.masked_fill(found.isinf(), 0); };
  const at::Tensor low = end(std::get<0>(rows.masked_fill(none, kInfinity).min(1, true))),
                   high = end(std::get<0>(rows.masked_fill(none, -kInfinity).max(1, true)));
  const at::Tensor filled = at::where(below.reshape(rows.sizes()), low, at::where(above.reshape(rows.sizes()), high, rows));
  for (Statistic* other : others_) other->observe(filled.reshape(x.sizes()), samples);
}

bool FiniteValues::steady() const {
  for (const Statistic* other : others_)
    if (!other->steady()) return false;
  return true;
}

void FiniteValues::merge(const Statistic& other) {
  const auto& from = same_kind<FiniteValues>(other);
  if (!from.count_.defined()) return;
  if (!count_.defined())
    count_ = from.count_.clone();
  else
    count_.add_(from.count_.to(count_.device()));
}

std::pair<bool, bool> FiniteValues::found() const {
  if (!count_.defined()) return {false, false};
  const at::Tensor count = count_.cpu();
  return {count[0].item<int64_t>() > 0, count[1].item<int64_t>() > 0};
}

namespace {

constexpr int kOctaves = 130, kFirstFar = 10, kFar = 3;  // -512 = -2^9; 8 times as far

}  // namespace

void RowMaximum::observe(const at::Tensor& value, int64_t) {
  if (value.numel() == 0 || value.dim() == 0) return;
  at::Tensor x = with_infinities(value);
  const int64_t axis = axis_ < 0 ? axis_ + x.dim() : axis_;
  if (axis < 0 || axis >= x.dim()) return;
  if (flattens_) x = x.flatten(axis);
  length_ = std::max(length_, x.size(axis));
  const at::Tensor rows = x.amax({axis}).reshape({-1});
  if (!least_.defined()) least_ = at::full({kOctaves}, kInfinity, x.options());
  // NaN and infinities are no rows: the last place is for them.
  const at::Tensor octave = at::ceil(at::log2((-rows).clamp_min(1))).clamp(0, kOctaves - 1);
  const at::Tensor place = at::where(rows.isfinite(), octave, at::full_like(octave, kOctaves - 1)).to(at::kLong);
  least_.scatter_reduce_(0, place, at::where(rows.isfinite(), rows, at::full_like(rows, kInfinity)), "amin");
}

void RowMaximum::merge(const Statistic& other) {
  const auto& from = same_kind<RowMaximum>(other);
  length_ = std::max(length_, from.length_);
  if (!from.least_.defined()) return;
  least_ = least_.defined() ? at::minimum(least_, from.least_.to(least_.device())) : from.least_.clone();
}

double RowMaximum::least() const {
  double least = kInfinity;
  if (!least_.defined()) return least;
  const at::Tensor octaves = least_.cpu();
  const float* values = octaves.const_data_ptr<float>();
  int last = -1;
  for (int i = 0; i < kOctaves; ++i) {
    if (values[i] == kInfinity) continue;
    if (last >= 0 && i >= kFirstFar && i - last > kFar) break;
    least = values[i], last = i;
  }
  return least;
}

}  // namespace ppq
