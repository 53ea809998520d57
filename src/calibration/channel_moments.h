#pragma once

#include <ATen/core/Tensor.h>

#include <limits>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels/kernels.h"
#include "observers/statistic.h"
#include "ppq/dataset.h"
#include "ppq/run_context.h"

namespace ppq {

/// What the samples show of a value, channel by channel (dimension 1): float64 [C] each.
struct ChannelMoments {
  at::Tensor magnitude;  ///< largest absolute value
  at::Tensor mean;
  at::Tensor square;  ///< mean of squares
};

/// What they show of one in front of a bound: float64 [C] each.
struct ChannelReach {
  at::Tensor low, high;  ///< smallest and largest value
  at::Tensor clipped;    ///< share of the power of positive values that the bound takes: Σ(x-b)² over x > b / Σx² over x > 0
};

/// Gathers both, the reach where a bound is given.
class MomentStatistic final : public Statistic {
 public:
  explicit MomentStatistic(double bound = std::numeric_limits<double>::infinity()) : bound_(bound) {}
  void observe(const at::Tensor& value, int64_t samples) override;
  bool steady() const override { return true; }
  void merge(const Statistic& other) override;

  /// Whether a tensor of at least two dimensions was seen; else there is nothing to ask for.
  bool seen() const { return sums_.defined(); }
  ChannelMoments moments() const;
  ChannelReach reach() const;

 private:
  double bound_;
  kernels::Range range_;
  at::Tensor sums_;   ///< float64 [4, C], as kernels::channel_sums
  at::Tensor count_;  ///< elements of a channel, float64
};

struct BoundedValue {
  const Value* value;
  double bound;
};

/// One sweep of the float network over the samples for the moments of `values`, by name.
std::unordered_map<std::string, ChannelMoments> channel_moments(const Graph& graph, const std::vector<const Value*>& values,
                                                                const DatasetPtr& samples, const RunContext& context);
/// The same for the reach of values in front of bounds.
std::unordered_map<std::string, ChannelReach> channel_reach(const Graph& graph, const std::vector<BoundedValue>& values,
                                                            const DatasetPtr& samples, const RunContext& context);

}  // namespace ppq
