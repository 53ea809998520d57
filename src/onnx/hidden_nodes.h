#pragma once

#include "onnx/proto.h"

namespace ppq {

/// Throws Model where an operator takes the rank of its result from the length of a shape, and that length is known and above 64: onnx
/// would make that many dimensions.
void check_rank_lengths(const onnx::ModelProto& model);

}  // namespace ppq
