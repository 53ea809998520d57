#include "observers/observers.h"

namespace ppq::observers {
namespace {

/// Scale 1, offset 0, whatever the data: for minifloats, which carry their own exponent.
class Constant final : public Observer {
 public:
  Constant(const QuantScheme& scheme, std::string tensor) : scheme_(scheme), tensor_(std::move(tensor)) {}

  void observe(const at::Tensor& value, int64_t) override {
    if (value.numel() == 0) return;
    channels_ = channel_count(scheme_, value, tensor_);
  }

  bool steady() const override { return true; }

  void merge(const Statistic& other) override {
    const Constant& from = same_kind<Constant>(other, tensor_);
    channels_ = std::max(channels_, from.channels_);
  }

  QuantParams finish() const override {
    if (!channels_) fail_nothing_seen(tensor_);
    const std::vector<int64_t> sizes =
        scheme_.granularity == Granularity::PerTensor ? std::vector<int64_t>{} : std::vector<int64_t>{channels_};
    return {at::ones(sizes, at::kFloat), at::zeros(sizes, at::kFloat)};
  }

 private:
  QuantScheme scheme_;
  std::string tensor_;
  int64_t channels_ = 0;
};

}  // namespace

std::unique_ptr<Observer> constant(const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.format != NumberFormat::Floating) fail_scheme("constant", tensor, "serves minifloats only; use minmax");
  return std::make_unique<Constant>(scheme, tensor);
}

}  // namespace ppq::observers
