#include "observers/histogram_observer.h"

namespace ppq::observers {
namespace {

constexpr int64_t kBins = 4096;

/// The range with the smallest mean squared quantization error. The threshold is continuous: it is searched with a model of
/// the error over the histogram (kernels/search_rules.h), not bin by bin.
class Mse final : public SearchObserver {
 public:
  Mse(const QuantScheme& scheme, std::string tensor)
      : SearchObserver(scheme, std::move(tensor), bins_for(scheme, kBins), search_rule(search::kSquaredError, scheme)) {}

  void observe(const at::Tensor& value, int64_t samples) override {
    HistogramObserver::observe(value, samples);
    if (scheme().bits <= 10 || value.numel() == 0) return;
    if (!zeros_.defined()) zeros_ = at::zeros({2}, value.options().dtype(at::kLong));
    zeros_.select(0, 0).add_((value == 0).sum());
    zeros_.select(0, 1).add_(value.numel());
  }

  // Zeros are counted while observing.
  std::optional<kernels::Observation> observation(const at::Tensor& value) override {
    return scheme().bits <= 10 ? HistogramObserver::observation(value) : std::nullopt;
  }
  bool follow(const Observer& leader) override { return scheme().bits <= 10 && HistogramObserver::follow(leader); }

  void merge(const Statistic& other) override {
    HistogramObserver::merge(other);
    const Mse& from = same_kind<Mse>(other, tensor());
    if (!from.zeros_.defined()) return;
    if (zeros_.defined())
      zeros_.add_(from.zeros_.to(zeros_.device()));
    else
      zeros_ = from.zeros_.clone();
  }

  std::optional<kernels::RangeSearch> search() const override {
    auto one = SearchObserver::search();
    if (one) one->zeros = zeros_;
    return one;
  }

 private:
  at::Tensor zeros_;  ///< int64 [2]: exact zeros, and all values
};

}  // namespace

std::unique_ptr<Observer> mse(const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.format != NumberFormat::Linear) fail_scheme("mse", tensor, "serves integers only, not minifloats");
  check_blocks("mse", scheme, tensor);
  return std::make_unique<Mse>(scheme, tensor);
}

}  // namespace ppq::observers
