#pragma once

#include <set>
#include <string>

#include "ppq/platform.h"

namespace ppq::platforms {

using Types = std::set<std::string>;
Types operator+(Types types, const Types& others);

/// What only moves, selects or repeats elements: PPQ's list, as it was meant, and what it forgot.
Types moving_types();
/// What PPQ quantizes for onnxruntime, without data movement.
Types onnxruntime_types();
/// The same for TensorRT and OpenVINO.
Types tensorrt_types();
/// What PPQ quantizes for OpenPPL on CUDA; the FP8 targets and MetaX take their types from it.
Types ppl_cuda_types();
/// What PPQ quantizes for NXP.
Types nxp_types();
/// What SNPE and QNN compute in integers on Hexagon.
Types hexagon_types();

/// Softplus or Tanh of a Mish, x · tanh(softplus(x)): alone these types stay float.
bool in_mish(const Node& node);

}  // namespace ppq::platforms
