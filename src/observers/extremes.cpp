#include "observers/extremes.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace ppq::observers {
namespace {

constexpr int64_t kBlock = 256;

/// Integer with the order of the floats: -Inf < … < -0 < 0 < … < Inf, NaN at the ends.
inline int32_t key_of(float value) {
  int32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits ^ (bits >> 31 & 0x7fffffff);
}
inline float value_of(int32_t key) {
  const int32_t bits = key ^ (key >> 31 & 0x7fffffff);
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
constexpr int32_t kInfKey = 0x7f800000, kMinusInfKey = static_cast<int32_t>(0x807fffffu);

/// The `wanted` greatest keys seen; a bounded buffer that is cut back when full.
class Greatest {
 public:
  explicit Greatest(size_t wanted) : wanted_(wanted) { kept_.reserve(2 * wanted + kBlock); }
  bool wants(int32_t key) const { return key > threshold_ || kept_.size() < wanted_; }
  void add(int32_t key) {
    if (!wants(key)) return;
    kept_.push_back(key);
    if (kept_.size() >= 2 * wanted_ + kBlock) cut();
  }
  /// The wanted-th greatest.
  int32_t result() {
    cut();
    return kept_[wanted_ - 1];
  }

 private:
  void cut() {
    std::nth_element(kept_.begin(), kept_.begin() + static_cast<int64_t>(wanted_ - 1), kept_.end(), std::greater<int32_t>());
    kept_.resize(wanted_);
    threshold_ = kept_[wanted_ - 1];
  }
  size_t wanted_;
  std::vector<int32_t> kept_;
  int32_t threshold_ = INT32_MIN;
};

}  // namespace

Extremes find_extremes(const float* values, int64_t n, int64_t k, int64_t l) {
  k = std::clamp<int64_t>(k, 1, n);
  l = std::clamp<int64_t>(l, 1, n);
  Greatest high(static_cast<size_t>(l)), low(static_cast<size_t>(k));  // low keeps ~key, which reverses the order
  int32_t keys[kBlock];
  int64_t nonfinite = 0;
  for (int64_t start = 0; start < n; start += kBlock) {
    const int64_t count = std::min(kBlock, n - start);
    int32_t largest = INT32_MIN, smallest = INT32_MAX;
    for (int64_t i = 0; i < count; ++i) keys[i] = key_of(values[start + i]);
    for (int64_t i = count; i < kBlock; ++i) keys[i] = keys[0];
    for (int64_t i = 0; i < kBlock; ++i) {
      largest = std::max(largest, keys[i]);
      smallest = std::min(smallest, keys[i]);
    }
    if (largest >= kInfKey || smallest <= kMinusInfKey)
      for (int64_t i = 0; i < count; ++i) nonfinite += keys[i] >= kInfKey || keys[i] <= kMinusInfKey;
    if (high.wants(largest))
      for (int64_t i = 0; i < count; ++i) high.add(keys[i]);
    if (low.wants(~smallest))
      for (int64_t i = 0; i < count; ++i) low.add(~keys[i]);
  }
  return {value_of(~low.result()), value_of(high.result()), nonfinite};
}

void DeviceExtremes::add(const at::Tensor& rows, int64_t k, int64_t l, int64_t channels) {
  const at::Tensor low = std::get<0>(rows.topk(k, 1, /*largest=*/false)).select(1, k - 1);
  const at::Tensor high = std::get<0>(rows.topk(l, 1, /*largest=*/true)).select(1, l - 1);
  const at::Tensor bad = at::isfinite(rows).logical_not().sum(1);
  const at::Tensor sums = at::stack({low.to(at::kDouble), high.to(at::kDouble), bad.to(at::kDouble)}).view({3, -1, channels}).sum(1);
  sums_ = sums_.defined() ? sums_ + sums : sums;
}

void DeviceExtremes::merge(const DeviceExtremes& other) {
  if (other.sums_.defined()) sums_ = sums_.defined() ? sums_ + other.sums_.to(sums_.device()) : other.sums_;
}

void DeviceExtremes::add_to(std::vector<double>& low, std::vector<double>& high, int64_t& nonfinite) const {
  if (!sums_.defined()) return;
  const at::Tensor sums = sums_.cpu().contiguous();
  const double* value = sums.const_data_ptr<double>();
  const size_t channels = low.size();
  for (size_t c = 0; c < channels; ++c) {
    low[c] += value[c];
    high[c] += value[channels + c];
    nonfinite += static_cast<int64_t>(value[2 * channels + c]);
  }
}

}  // namespace ppq::observers
