#include "observers/extremes.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/cpu/parallel.h"

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

namespace {

/// float64 [rows, 4], as the sums of add_extremes.
at::Tensor extremes_on_cpu(const at::Tensor& rows, int64_t k, int64_t l) {
  const int64_t count = rows.size(0), n = rows.size(1);
  const float* data = rows.const_data_ptr<float>();
  at::Tensor found = at::ones({count, 4}, at::kDouble);
  double* out = found.mutable_data_ptr<double>();
  kernels::cpu::parallel_for(count, std::max<int64_t>(1, 4096 / n), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const Extremes one = find_extremes(data + r * n, n, k, l);
      out[4 * r] = one.low, out[4 * r + 1] = one.high, out[4 * r + 2] = static_cast<double>(one.nonfinite);
    }
  });
  return found;
}

}  // namespace

void add_extremes(const at::Tensor& rows, int64_t k, int64_t l, at::Tensor sums) {
  const int64_t channels = sums.size(1), groups = rows.size(0) / channels;
  if (rows.device().is_cpu()) {
    // Row by row, so that sums do not depend on how rows were batched.
    const at::Tensor found = extremes_on_cpu(rows.contiguous(), k, l).view({groups, channels, 4});
    for (int64_t group = 0; group < groups; ++group) sums.add_(found[group].t());
    return;
  }
  add_extremes_by_topk(rows, k, l, sums);
}

void add_extremes_by_topk(const at::Tensor& rows, int64_t k, int64_t l, at::Tensor sums) {
  const int64_t channels = sums.size(1), groups = rows.size(0) / channels;
  const at::Tensor low = std::get<0>(rows.topk(k, 1, /*largest=*/false)).select(1, k - 1);
  const at::Tensor high = std::get<0>(rows.topk(l, 1, /*largest=*/true)).select(1, l - 1);
  const at::Tensor bad = at::isfinite(rows).logical_not().sum(1);
  sums.narrow(0, 0, 3).add_(at::stack({low.to(at::kDouble), high.to(at::kDouble), bad.to(at::kDouble)}).view({3, groups, channels}).sum(1));
  sums.select(0, 3).add_(static_cast<double>(groups));
}

}  // namespace ppq::observers
