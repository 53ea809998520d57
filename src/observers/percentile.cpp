#include <cmath>

#include "kernels/cpu/parallel.h"
#include "observers/extremes.h"
#include "observers/observers.h"

namespace ppq::observers {
namespace {

constexpr double kPercentile = 0.9999;

/// PPQ's percentile: of each sample the k-th smallest and k-th largest value, k by 99.99 % of its size; the mean over
/// samples gives the range. Batched samples are told apart, so the result does not depend on the batch size.
class Percentile final : public Observer {
 public:
  Percentile(const QuantScheme& scheme, std::string tensor) : scheme_(scheme), tensor_(std::move(tensor)) {}

  void observe(const at::Tensor& value, int64_t samples) override {
    if (value.numel() == 0) return;
    const at::Tensor x = as_float(value).to(at::kFloat);
    const int64_t channels = channel_count(scheme_, x, tensor_);
    const at::Tensor rows = rows_of(x, samples, channels);  // [samples × channels, n]
    const int64_t n = rows.size(1);
    const int64_t low = std::max<int64_t>(0, static_cast<int64_t>(static_cast<double>(n) * (1 - kPercentile))) + 1;
    const int64_t high = std::min<int64_t>(static_cast<int64_t>(static_cast<double>(n) * kPercentile), n - 1) + 1;
    if (low_sum_.empty()) low_sum_.assign(channels, 0), high_sum_.assign(channels, 0);
    if (x.device().is_cpu())
      on_host_ = true, on_cpu(rows, low, n - high + 1);
    else
      extremes_.add(rows, low, n - high + 1, channels);
    seen_ += rows.size(0) / channels;
  }

  void merge(const Observer& other) override {
    const Percentile& from = same_kind<Percentile>(other, tensor_);
    if (low_sum_.empty()) low_sum_.assign(from.low_sum_.size(), 0), high_sum_.assign(from.high_sum_.size(), 0);
    for (size_t c = 0; c < from.low_sum_.size(); ++c) low_sum_[c] += from.low_sum_[c], high_sum_[c] += from.high_sum_[c];
    extremes_.merge(from.extremes_);
    seen_ += from.seen_;
    nonfinite_ += from.nonfinite_;
    on_host_ = on_host_ || from.on_host_;
  }

  /// Of sums on a device; those on the host need no kernel.
  std::optional<kernels::RangeSearch> search() const override {
    if (!extremes_.sums().defined() || on_host_) return std::nullopt;
    kernels::RangeSearch search{search_rule(search::kMean, scheme_), {}, {}, extremes_.sums()};
    search.seen = static_cast<double>(seen_);
    return search;
  }

  QuantParams finish_found(const at::Tensor& found) const override {
    const std::vector<int64_t> one_a_channel = {found.size(0)};
    return params_of_found(found, scheme_.granularity == Granularity::PerTensor ? at::IntArrayRef() : one_a_channel, scheme_, tensor_);
  }

  QuantParams finish() const override {
    if (!seen_) fail_nothing_seen(tensor_);
    std::vector<double> low = low_sum_, high = high_sum_;
    int64_t nonfinite = nonfinite_;
    extremes_.add_to(low, high, nonfinite);
    if (nonfinite) fail_non_finite(tensor_, nonfinite);
    for (double& v : low) v /= static_cast<double>(seen_);
    for (double& v : high) v /= static_cast<double>(seen_);
    return params_from_range(shaped(low, scheme_), shaped(high, scheme_), scheme_);
  }

 private:
  at::Tensor rows_of(const at::Tensor& x, int64_t samples, int64_t channels) const {
    const bool batched = samples > 1 && x.dim() > 0 && x.size(0) % samples == 0;
    const int64_t groups = batched ? samples : 1;
    if (scheme_.granularity == Granularity::PerTensor) return x.contiguous().view({groups, -1});
    if (groups == 1) return x.transpose(0, scheme_.axis).contiguous().view({channels, -1});
    at::Tensor split = x.reshape([&] {
      std::vector<int64_t> sizes = x.sizes().vec();
      sizes[0] /= samples;
      sizes.insert(sizes.begin(), samples);
      return sizes;
    }());
    return split.transpose(1, scheme_.axis + 1).contiguous().view({groups * channels, -1});
  }

  void on_cpu(const at::Tensor& rows, int64_t k, int64_t l) {
    const int64_t count = rows.size(0), n = rows.size(1);
    const float* data = rows.const_data_ptr<float>();
    std::vector<Extremes> found(count);
    kernels::cpu::parallel_for(count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) found[r] = find_extremes(data + r * n, n, k, l);
    });
    const size_t channels = low_sum_.size();
    for (size_t r = 0; r < found.size(); ++r) {
      nonfinite_ += found[r].nonfinite;
      low_sum_[r % channels] += found[r].low;
      high_sum_[r % channels] += found[r].high;
    }
  }

  QuantScheme scheme_;
  std::string tensor_;
  std::vector<double> low_sum_, high_sum_;
  DeviceExtremes extremes_;  ///< of batches on a device
  int64_t seen_ = 0, nonfinite_ = 0;
  bool on_host_ = false;  ///< some batches were in host memory
};

}  // namespace

std::unique_ptr<Observer> percentile(const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.granularity == Granularity::PerBlock) fail_scheme("percentile", tensor, "cannot serve per-block scales");
  return std::make_unique<Percentile>(scheme, tensor);
}

}  // namespace ppq::observers
