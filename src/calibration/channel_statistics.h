#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "ppq/pass.h"

namespace ppq::passes {

/// What the samples show of a value in front of a bound, channel by channel (dimension 1): float64 [C] each.
struct ChannelStatistics {
  at::Tensor low, high;  ///< smallest and largest value
  at::Tensor clipped;    ///< share of the power of positive values that the bound takes: Σ(x-b)² over x > b / Σx² over x > 0
};

struct BoundedValue {
  const Value* value;
  double bound;
};

/// Runs the float network over the calibration samples once and reads `values`, by name; no activation is kept.
std::unordered_map<std::string, ChannelStatistics> channel_statistics(const Graph& graph, const std::vector<BoundedValue>& values,
                                                                      const PassContext& context);

}  // namespace ppq::passes
