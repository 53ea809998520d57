#include "kernels/observe_blocks.h"
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
    if (scheme_.granularity == Granularity::PerBlock) {
      observe_blocks(x);
      return;
    }
    const int64_t channels = channel_count(scheme_, x, tensor_);
    add(rows_of(x, samples, channels), sums(channels, x.device()));
  }

  bool steady() const override { return true; }

  void merge(const Statistic& other) override {
    const Percentile& from = same_kind<Percentile>(other, tensor_);
    if (!from.sums_.defined()) return;
    blocks_.merge(from.blocks_, tensor_);
    if (sums_.defined())
      sums_.add_(from.sums_.to(sums_.device()));
    else
      sums_ = from.sums_.clone();
  }

  std::optional<kernels::RangeSearch> search() const override {
    if (!sums_.defined()) return std::nullopt;
    return kernels::RangeSearch{search_rule(search::kMean, scheme_), {}, {}, sums_};
  }

  QuantParams finish_found(const at::Tensor& found) const override {
    return params_of_found(found, blocks_.scale_sizes(scheme_, found.size(0)), scheme_, tensor_);
  }

  QuantParams finish() const override {
    const auto one = search();
    if (!one) fail_nothing_seen(tensor_);
    return finish_found(kernels::search_ranges({*one}).cpu());
  }

 private:
  at::Tensor sums(int64_t channels, at::Device device) {
    if (!sums_.defined()) sums_ = at::zeros({4, channels}, at::device(device).dtype(at::kDouble));
    return sums_;
  }

  static void add(const at::Tensor& rows, const at::Tensor& sums) {
    const int64_t n = rows.size(1);
    const int64_t low = std::max<int64_t>(0, static_cast<int64_t>(static_cast<double>(n) * (1 - kPercentile))) + 1;
    const int64_t high = std::min<int64_t>(static_cast<int64_t>(static_cast<double>(n) * kPercentile), n - 1) + 1;
    add_extremes(rows, low, n - high + 1, sums);
  }

  /// Whole blocks, then the shorter ones at the end of the axis, which count by their own size.
  void observe_blocks(const at::Tensor& x) {
    const int64_t axis = blocks_.take(x, scheme_, tensor_), length = x.size(axis), block = std::min(scheme_.block_size, length);
    const int64_t whole = length / block, rest = length % block, outer = c10::multiply_integers(x.sizes().slice(0, axis)),
                  inner = x.numel() / (outer * length);
    const at::Tensor all = sums(outer * (whole + (rest > 0)) * inner, x.device()).view({4, outer, -1, inner});
    add_blocks(kernels::block_rows(x.narrow(axis, 0, whole * block), axis, block), all.narrow(2, 0, whole));
    if (rest) add_blocks(kernels::block_rows(x.narrow(axis, whole * block, rest), axis, rest), all.narrow(2, whole, 1));
  }
  static void add_blocks(const at::Tensor& rows, const at::Tensor& into) {
    const at::Tensor sums = at::zeros({4, rows.size(0)}, into.options());
    add(rows, sums);
    into.add_(sums.view(into.sizes()));
  }

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

  QuantScheme scheme_;
  std::string tensor_;
  at::Tensor sums_;  ///< float64 [4, channels], see add_extremes
  BlockedShape blocks_;
};

}  // namespace

std::unique_ptr<Observer> percentile(const QuantScheme& scheme, const std::string& tensor) {
  check_blocks("percentile", scheme, tensor);
  return std::make_unique<Percentile>(scheme, tensor);
}

}  // namespace ppq::observers
