#pragma once

#include "observers/observer.h"

namespace ppq::observers {

// One factory an observer, at the end of the file of its name.
std::unique_ptr<Observer> minmax(const QuantScheme& scheme, const std::string& tensor);
std::unique_ptr<Observer> minmax_extended(const QuantScheme& scheme, const std::string& tensor);
std::unique_ptr<Observer> percentile(const QuantScheme& scheme, const std::string& tensor);
std::unique_ptr<Observer> percentile_global(const QuantScheme& scheme, const std::string& tensor);
std::unique_ptr<Observer> mse(const QuantScheme& scheme, const std::string& tensor);
std::unique_ptr<Observer> kl(const QuantScheme& scheme, const std::string& tensor);
std::unique_ptr<Observer> ppq_mse(const QuantScheme& scheme, const std::string& tensor);
std::unique_ptr<Observer> ppq_kl(const QuantScheme& scheme, const std::string& tensor);
std::unique_ptr<Observer> isotone(const QuantScheme& scheme, const std::string& tensor);
std::unique_ptr<Observer> constant(const QuantScheme& scheme, const std::string& tensor);
std::unique_ptr<Observer> floating(const QuantScheme& scheme, const std::string& tensor);

/// The channel axis a kernel should keep apart: the scheme's, or -1 when one scale serves the whole tensor.
inline int64_t channel_axis(const QuantScheme& scheme) { return scheme.granularity == Granularity::PerTensor ? -1 : scheme.axis; }
/// Number of scales for `value`; not for per-block schemes.
int64_t channel_count(const QuantScheme& scheme, const at::Tensor& value, const std::string& tensor);
/// Throws Unsupported where a per-block scheme has no block size.
void check_blocks(const char* observer, const QuantScheme& scheme, const std::string& tensor);
/// The shape of a tensor with a scale a block: that of the first one seen, which others must have.
class BlockedShape {
 public:
  /// The blocked axis of x, from 0. Throws Internal for an axis that x does not have, Unsupported for another shape than before.
  int64_t take(const at::Tensor& x, const QuantScheme& scheme, const std::string& tensor);
  /// Throws Unsupported where both have seen shapes, and unlike ones.
  void merge(const BlockedShape& from, const std::string& tensor);
  /// Of the scales: none per tensor, of `channels` per channel, of the tensor with that axis divided per block.
  std::vector<int64_t> scale_sizes(const QuantScheme& scheme, int64_t channels) const;

 private:
  std::vector<int64_t> sizes_;
};
/// `value` as a float32, float16 or bfloat16 tensor.
at::Tensor as_float(const at::Tensor& value);
/// Takes `from`, of any device, into `range`, in place.
void merge_range(kernels::Range& range, const kernels::Range& from);

[[noreturn]] void fail_nothing_seen(const std::string& tensor);
[[noreturn]] void fail_non_finite(const std::string& tensor, int64_t count);
[[noreturn]] void fail_scheme(const char* observer, const std::string& tensor, const std::string& problem);
/// `other` as T, or Internal: only equal kinds merge.
[[noreturn]] void fail_kind(const std::string& tensor);
template <class T>
const T& same_kind(const Statistic& other, const std::string& tensor) {
  const T* same = dynamic_cast<const T*>(&other);
  if (!same) fail_kind(tensor);
  return *same;
}

/// The part of a scheme that decides about ranges, for a search of this kind.
search::Rule search_rule(search::Kind kind, const QuantScheme& scheme);
/// Scale and offset from the rows that a search found. `sizes`: of the scales. Throws Data for NaN or Inf seen.
QuantParams params_of_found(const at::Tensor& found, at::IntArrayRef sizes, const QuantScheme& scheme, const std::string& tensor);

}  // namespace ppq::observers
