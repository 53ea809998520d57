#pragma once

#include <cstddef>

#include "ppq/pass.h"

namespace ppq::passes {

/// Noise over signal at the float outputs of the simulated `quantized` network against `plain` run in float, over the
/// first `most` calibration samples (pooled over outputs, each weighted alike).
double output_error(const Graph& quantized, const Graph& plain, const PassContext& context, size_t most);
/// The same of two float networks, over all calibration samples.
double float_change(const Graph& changed, const Graph& plain, const PassContext& context);

}  // namespace ppq::passes
