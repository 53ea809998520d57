#pragma once

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

#include "ppq/graph.h"

namespace ppq {

/// What samples show of a quantized activation: of its values in the float network, and in the simulated one.
struct Survey {
  /// Smallest and largest value of each channel, float64 [C] (one channel where it is not known where channels lie). Undefined: no
  /// values were seen.
  at::Tensor low, high, simulated_low, simulated_high;
  /// Smallest and largest float value of each sample; of a batch where its samples cannot be told apart.
  std::vector<std::pair<double, double>> samples;

  /// Smallest and largest float value.
  std::pair<double, double> range() const;
};

/// Channels by what became of them.
struct ChannelCounts {
  int64_t all = 0;
  int64_t constant = 0;   ///< one value in all samples, in the float network already
  int64_t vanished = 0;   ///< they vary, but simulated they do not: less than a step of the tensor's scale
  int64_t saturated = 0;  ///< they reach more than 4 times as far as the quantized range
};
/// `minimum` and `maximum`: the quantized range. Nothing is counted where it is not one range, or where channels are not known.
ChannelCounts count_channels(const Survey& survey, const std::vector<double>& minimum, const std::vector<double>& maximum);

/// The axis of channels of `value`: that of the layer that computes it, seen through activations; -1 where no layer does.
int64_t channel_axis(const Value& value);

/// What one batch of `samples` samples shows, on the tensors' device, which nobody waits for.
class BatchSurvey {
 public:
  BatchSurvey() = default;
  /// Float and simulated values of one shape, with channels along `axis` (below 0, or where it does not exist: one channel).
  BatchSurvey(const at::Tensor& value, const at::Tensor& simulated, int64_t axis, size_t samples);
  /// Takes it into a survey of all batches, in order. Those of other numbers of channels than the first's are left out.
  void add_to(Survey& survey) const;

 private:
  at::Tensor channels_;  ///< float32 [4, C]: low, high, simulated low, simulated high
  at::Tensor samples_;   ///< float32 [samples, 2]
};

}  // namespace ppq
