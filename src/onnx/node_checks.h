#pragma once

#include "onnx/proto.h"

namespace ppq {

// What onnx's checker and shape inference do not look at and rely on.

/// Throws Model for attributes that onnx divides by or makes room for: heads and blocks that are not positive, axes beyond any rank, more
/// parts than outputs. Functions too.
void check_attributes(const onnx::ModelProto& model);

/// Throws Model where an input is left empty that the operator needs, as can come of a call of a function.
void check_inputs(const onnx::ModelProto& model);

}  // namespace ppq
