#pragma once

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "observers/statistic.h"
#include "ppq/quant.h"

namespace ppq {

/// Magnitudes from here on stand for infinity (masks of the largest float, and their sums): no scale is meant for them.
constexpr double kAsGoodAsInfinite = 0x1p125;

/// The observer of quantizations whose range is no wider than what its readers tell apart: what lies outside does what the ends do (a
/// masked score before Softmax), so that clipping it is no error.
inline constexpr char kSaturation[] = "saturation";
inline bool is_saturated(const TensorQuant& quant) { return quant.scheme.observer == kSaturation; }

/// What a tensor of floats holds: NaN; else infinities, or what is as good as one; else finite numbers only. One read.
enum class Finiteness { Finite, Infinite, NaN };
Finiteness finiteness(const at::Tensor& values);
inline bool holds_infinity(const at::Tensor& values) { return finiteness(values) == Finiteness::Infinite; }

/// Smallest and largest finite value, and whether there are infinities on either side, or NaN.
struct FiniteRange {
  double low = 0, high = 0;
  bool minus_infinity = false, plus_infinity = false, nan = false;
  bool empty = true;  ///< no finite value
};
FiniteRange finite_range(const at::Tensor& values);

/// The same of all samples.
class FiniteRangeStatistic final : public Statistic {
 public:
  void observe(const at::Tensor& value, int64_t samples) override;
  bool steady() const override { return true; }
  void merge(const Statistic& other) override;
  FiniteRange range() const;

 private:
  kernels::Range range_;
  at::Tensor infinite_;  ///< int64 [3]: how many were -Inf, Inf, NaN
};

/// Shows a tensor to others with the infinities of each sample replaced by that sample's smallest and largest finite value.
class FiniteValues final : public Statistic {
 public:
  explicit FiniteValues(std::vector<Statistic*> others) : others_(std::move(others)) {}
  void observe(const at::Tensor& value, int64_t samples) override;
  bool steady() const override;
  void merge(const Statistic& other) override;
  /// Whether there were infinities below, and above.
  std::pair<bool, bool> found() const;

 private:
  std::vector<Statistic*> others_;
  at::Tensor count_;  ///< int64 [2]
};

/// What flows into a Softmax: how large the largest element of a row is at least.
class RowMaximum final : public Statistic {
 public:
  /// Rows lie along `axis`; `flattens`: along it and all behind it.
  RowMaximum(int64_t axis, bool flattens) : axis_(axis), flattens_(flattens) {}
  void observe(const at::Tensor& value, int64_t samples) override;
  bool steady() const override { return true; }
  void merge(const Statistic& other) override;
  /// The least of the rows' largest elements, rows without any score left out: they lie far below all others (8 times as far from 0, and
  /// below -512) or are infinite. +Inf where there is no other row.
  double least() const;
  /// Elements of a row, at most.
  int64_t length() const { return length_; }

 private:
  int64_t axis_, length_ = 0;
  bool flattens_;
  at::Tensor least_;  ///< float32: of the largest elements from -1 on, from -2 on, from -4 on, …
};

}  // namespace ppq
