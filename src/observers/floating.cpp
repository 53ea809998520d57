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
    at::Tensor rows =
        scheme_.granularity == Granularity::PerTensor ? x.reshape({1, -1}) : x.transpose(0, scheme_.axis).reshape({channels, -1});
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

  void merge(const Statistic& other) override {
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

  std::optional<kernels::RangeSearch> search() const override {
    if (!range_.minimum.defined()) return std::nullopt;
    kernels::RangeSearch search{search_rule(search::kLeast, scheme_), {}, {}, errors_};
    search.rule.candidates = scheme_.power_of_two ? kHighest - kLowest + 1 : 0;
    search.histogram.minimum = range_.minimum, search.histogram.maximum = range_.maximum, search.histogram.nonfinite = range_.nonfinite;
    return search;
  }

  QuantParams finish_found(const at::Tensor& found) const override {
    const at::Tensor columns = found.t().contiguous();
    if (const auto bad = static_cast<int64_t>(columns[2].sum().item<double>())) fail_non_finite(tensor_, bad);
    at::Tensor scale =
        scheme_.power_of_two ? at::exp2(columns[0] + kLowest) : (columns[1] / scheme_.quant_max).clamp_min(scheme_.min_scale);
    scale = scale.to(at::kFloat);
    if (scheme_.granularity == Granularity::PerTensor) scale = scale.reshape({});
    return {scale, at::zeros_like(scale)};
  }

  QuantParams finish() const override {
    const auto one = search();
    if (!one) fail_nothing_seen(tensor_);
    return finish_found(kernels::search_ranges({*one}).cpu());
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
