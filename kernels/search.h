#pragma once

#include <vector>

#include "kernels/kernels.h"
#include "kernels/search_rules.h"

namespace ppq::kernels {

/// One tensor whose range is to be found, channel by channel.
struct RangeSearch {
  search::Rule rule;
  Histogram histogram;  ///< for kMinMax and kLeast only its minimum, maximum and nonfinite need be there; not for kMean
  /// How many values were exactly zero, and how many there were, an int64 tensor of two; undefined where that does not matter.
  at::Tensor zeros;
  /// kMean: float64 [4, channels], low end, high end and non-finite count summed over samples, and their number.
  /// kLeast: float64 [candidates, channels], their errors.
  at::Tensor sums;
  int64_t channels() const { return rule.kind == search::kMean ? sums.size(1) : histogram.minimum.numel(); }
  at::Device device() const { return rule.kind == search::kMean ? sums.device() : histogram.minimum.device(); }
};
/// The ranges of all searches, whose tensors lie on one device: float64 [channels of all, 3] there, a row (low, high, NaN and
/// Inf seen) for each channel (kLeast: number of the candidate, largest magnitude, NaN and Inf seen); 0 and 0 for channels
/// without a finite value under kinds that search bins. On CUDA one launch (one more for PPQ's searches), whatever the number
/// of tensors; on the CPU channels are shared out over the threads. Both give the same bits.
at::Tensor search_ranges(const std::vector<RangeSearch>& searches);

}  // namespace ppq::kernels
