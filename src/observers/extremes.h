#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace ppq::observers {

/// The k-th smallest of `n` floats and the l-th largest (1-based), exactly, in one sweep that mostly only compares: the
/// present candidates are kept and blocks that hold no better ones are skipped. `k` and `l` should be small against `n`.
struct Extremes {
  float low, high;
  int64_t nonfinite;  ///< NaN and Inf among the values; low and high are meaningless then
};
Extremes find_extremes(const float* values, int64_t n, int64_t k, int64_t l);

/// The same for rows on any device, summed over the rows of a channel (row r belongs to channel r % channels). Sums stay on
/// the device until they are asked for, so that a loop over batches never waits for it.
class DeviceExtremes {
 public:
  /// rows: float32 [rows, n].
  void add(const at::Tensor& rows, int64_t k, int64_t l, int64_t channels);
  void merge(const DeviceExtremes& other);
  /// Adds to the sums of each channel, and to the number of non-finite values.
  void add_to(std::vector<double>& low, std::vector<double>& high, int64_t& nonfinite) const;
  /// float64 [3, channels] on the device: low, high, non-finite; undefined until something was added.
  const at::Tensor& sums() const { return sums_; }

 private:
  at::Tensor sums_;
};

}  // namespace ppq::observers
