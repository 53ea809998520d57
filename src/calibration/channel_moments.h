#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "ppq/pass.h"

namespace ppq::passes {

/// What the samples show of a value, channel by channel (dimension 1): float64 [C] each.
struct ChannelMoments {
  at::Tensor magnitude;  ///< largest absolute value
  at::Tensor mean;
  at::Tensor square;  ///< mean of squares
};

/// Runs the float network over the calibration samples once and reads `values`, by name; no activation is kept.
std::unordered_map<std::string, ChannelMoments> channel_moments(const Graph& graph, const std::vector<const Value*>& values,
                                                                const PassContext& context);

}  // namespace ppq::passes
