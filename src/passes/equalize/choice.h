#pragma once

#include "passes/equalize/rescale.h"
#include "ppq/pass.h"

namespace ppq::passes {

/// Every `step`-th calibration sample from `first`, at most 8 of them spread over all.
DatasetPtr trial_samples(const DatasetPtr& all, size_t first, size_t step);
/// The setting's own equalization, stopping at Clip.
EqualizationVariant plain_equalization(const QuantizationSetting& setting);
/// Through Clip, Pad and Flatten, for the least rounding noise, until nothing moves. Needs samples.
EqualizationVariant least_noise_equalization(const QuantizationSetting& setting);

/// Which equalization leaves the least error at the outputs, by trial on copies, and which pairs of it are better left alone;
/// equalize_layers.cpp says how. Fills in what the pass's record shows.
EqualizationVariant choose_equalization(const Graph& graph, const PassContext& context);

}  // namespace ppq::passes
