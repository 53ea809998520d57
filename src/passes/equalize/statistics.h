#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <unordered_map>

#include "calibration/channel_moments.h"
#include "ppq/pass.h"

namespace ppq::passes {

/// How far the channels in front of a Clip(0, b) reach.
struct ClipReach {
  double bound = 0;
  at::Tensor most;  ///< float64 [C], at least b/64: no value is expected above it, on other samples either
  at::Tensor cut;   ///< bool [C]: the bound takes a share of the channel that matters
};

/// What samples show of the float network, by name of the value.
struct EqualizationStatistics {
  std::unordered_map<std::string, ClipReach> clips;         ///< what flows into each Clip
  std::unordered_map<std::string, ChannelMoments> moments;  ///< what flows into each layer, and out of it with `including_act`
};

/// From all samples of the context. Half of them predict the largest values of the other half, and the other way round: by
/// how much a tensor's channels exceed what is expected of them, all its channels are given more room.
EqualizationStatistics equalization_statistics(const Graph& graph, const PassContext& context);

/// The same of one half of the samples alone, for candidates that the other will judge, and of all, from one sweep.
struct StatisticsOfHalves {
  EqualizationStatistics fitting, all;
};
StatisticsOfHalves equalization_statistics_of_halves(const Graph& graph, const PassContext& context);

}  // namespace ppq::passes
