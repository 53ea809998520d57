#pragma once

#include "passes/equalize/rescale.h"
#include "ppq/pass.h"

namespace ppq::passes {

/// The setting's own equalization, stopping at Clip.
EqualizationVariant plain_equalization(const QuantizationSetting& setting);
/// Through Clip, Pad and Flatten, for the least rounding noise, until nothing moves. Needs samples.
EqualizationVariant least_noise_equalization(const QuantizationSetting& setting);

struct EqualizationChoice {
  EqualizationVariant variant;
  EqualizationStatistics statistics;  ///< what was seen of the samples to choose
};
/// Which equalization leaves the least error at the outputs, by trial on copies, and which pairs of it are better left alone;
/// equalize_layers.cpp says how. Fills in what the pass's record shows.
EqualizationChoice choose_equalization(const Graph& graph, const PassContext& context);

}  // namespace ppq::passes
