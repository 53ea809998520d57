#include <cmath>

#include "kernels/kernels.h"
#include "observers/observers.h"

namespace ppq::observers {
namespace {

constexpr int kLowest = -10, kHighest = 8;  // candidate scales 2^-10 .. 2^8
constexpr int64_t kFetch = 4096;            // elements of each batch (per tensor) that candidates are tried on

/// Scale of a minifloat. Power-of-two schemes: the power of two with the smallest squared error, tried on 4096 evenly spaced
/// elements of each batch (all elements of parameters, per channel); ties go to the smaller scale. Other schemes: largest
/// magnitude / quant_max.
class Floating final : public Observer {
 public:
  Floating(const QuantScheme& scheme, std::string tensor) : scheme_(scheme), tensor_(std::move(tensor)) {}

  void observe(const at::Tensor& value, int64_t) override {
    if (value.numel() == 0) return;
    const at::Tensor x = as_float(value).to(at::kFloat);
    const int64_t channels = channel_count(scheme_, x, tensor_);
    if (!range_.minimum.defined()) {
      range_ = kernels::make_range(channels, x.device());
      errors_ = at::zeros({kHighest - kLowest + 1, channels}, x.options().dtype(at::kDouble));
    }
    kernels::observe_range(x, channel_axis(scheme_), range_);
    if (!scheme_.power_of_two) return;
    at::Tensor rows = scheme_.granularity == Granularity::PerTensor ? x.reshape({1, -1}) : x.transpose(0, scheme_.axis).reshape({channels, -1});
    if (scheme_.granularity == Granularity::PerTensor && rows.size(1) > kFetch)
      rows = rows.slice(1, 0, rows.size(1), rows.size(1) / kFetch);
    QuantScheme per_tensor = scheme_;
    per_tensor.granularity = Granularity::PerTensor;
    for (int e = kLowest; e <= kHighest; ++e) {
      const QuantParams params{at::full({}, std::exp2(e), x.options()), at::zeros({}, x.options())};
      errors_[e - kLowest] += (fake_quantize(rows, per_tensor, params) - rows).to(at::kDouble).square().sum(1);
    }
  }

  bool steady() const override { return true; }

  void merge(const Observer& other) override {
    const Floating& from = same_kind<Floating>(other, tensor_);
    if (!from.range_.minimum.defined()) return;
    if (!range_.minimum.defined()) {
      range_ = {from.range_.minimum.clone(), from.range_.maximum.clone(), from.range_.nonfinite.clone()};
      errors_ = from.errors_.clone();
      return;
    }
    merge_range(range_, from.range_);
    errors_ += from.errors_.to(errors_.device());
  }

  QuantParams finish() const override {
    if (!range_.minimum.defined()) fail_nothing_seen(tensor_);
    const int64_t bad = range_.nonfinite.sum().item<int64_t>();
    if (bad) fail_non_finite(tensor_, bad);
    at::Tensor scale;
    if (scheme_.power_of_two) {
      scale = at::exp2((errors_.cpu().argmin(0) + kLowest).to(at::kDouble));
    } else {
      const at::Tensor largest = at::maximum(range_.minimum.abs(), range_.maximum.abs()).cpu().to(at::kDouble);
      scale = (largest / scheme_.quant_max).clamp_min(scheme_.min_scale);
    }
    scale = scale.to(at::kFloat);
    if (scheme_.granularity == Granularity::PerTensor) scale = scale.reshape({});
    return {scale, at::zeros_like(scale)};
  }

 private:
  QuantScheme scheme_;
  std::string tensor_;
  kernels::Range range_;
  at::Tensor errors_;  ///< [candidates, channels]
};

}  // namespace

std::unique_ptr<Observer> floating(const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.format != NumberFormat::Floating) fail_scheme("floating", tensor, "serves minifloats only; use minmax");
  if (scheme.granularity == Granularity::PerBlock) fail_scheme("floating", tensor, "cannot serve per-block scales");
  return std::make_unique<Floating>(scheme, tensor);
}

}  // namespace ppq::observers
