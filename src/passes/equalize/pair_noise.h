#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "calibration/channel_moments.h"
#include "passes/equalize/noise_model.h"
#include "passes/equalize/pairs.h"
#include "ppq/pass.h"

namespace ppq::passes {

/// The rounding noise that a pair's scales move: of the upstream weights, of the activations that the downstream layers read,
/// and of their weights, as it arrives behind the downstream layers. Rounding errors count as independent and uniform (step²/12
/// each); an output of a layer whose channels another depthwise layer reads alone counts by what that one makes of it. With
/// bias correction, an error's mean does not count. Weights with a scale a channel make no noise that scales could move.
/// Empty where `moments` does not know what flows into a layer.
std::vector<NoiseTerm> noise_of(const EqualizationPair& pair, const std::vector<EqualizationPair>& all,
                                const std::unordered_map<std::string, ChannelMoments>& moments, const PassContext& context);

}  // namespace ppq::passes
