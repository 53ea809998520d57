#include "observers/histogram_observer.h"

namespace ppq::observers {
namespace {

constexpr int64_t kBins = 4096;

/// The range with the smallest mean squared quantization error. The threshold is continuous: it is searched with a model of
/// the error over the histogram (kernels/search_rules.h), not bin by bin.
class Mse final : public SearchObserver {
 public:
  Mse(const QuantScheme& scheme, std::string tensor) : SearchObserver(scheme, std::move(tensor), kBins, search_rule(search::kSquaredError, scheme)) {}

  void observe(const at::Tensor& value, int64_t samples) override {
    HistogramObserver::observe(value, samples);
    if (scheme().bits > 10) {
      const at::Tensor zeros = (value == 0).sum();  // stays on its device: nothing waits for it
      zeros_ = zeros_.defined() ? zeros_ + zeros : zeros;
      seen_ += static_cast<double>(value.numel());
    }
  }

  // Zeros are counted while observing.
  std::optional<kernels::Observation> observation(const at::Tensor& value) override {
    return scheme().bits <= 10 ? HistogramObserver::observation(value) : std::nullopt;
  }
  bool steady() const override { return scheme().bits <= 10; }
  bool follow(const Observer& leader) override { return scheme().bits <= 10 && HistogramObserver::follow(leader); }

  void merge(const Observer& other) override {
    HistogramObserver::merge(other);
    const Mse& from = same_kind<Mse>(other, tensor());
    if (from.zeros_.defined()) zeros_ = zeros_.defined() ? zeros_ + from.zeros_.to(zeros_.device()) : from.zeros_;
    seen_ += from.seen_;
  }

  std::optional<kernels::RangeSearch> search() const override {
    auto one = SearchObserver::search();
    if (one && zeros_.defined()) one->zeros = zeros_, one->seen = seen_;
    return one;
  }

 private:
  at::Tensor zeros_;
  double seen_ = 0;
};

}  // namespace

std::unique_ptr<Observer> mse(const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.format != NumberFormat::Linear) fail_scheme("mse", tensor, "serves integers only, not minifloats");
  if (scheme.granularity == Granularity::PerBlock) fail_scheme("mse", tensor, "cannot serve per-block scales");
  return std::make_unique<Mse>(scheme, tensor);
}

}  // namespace ppq::observers
