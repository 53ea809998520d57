#pragma once

#include "graph/readers.h"

namespace ppq {

/// True for the tensor between an operation and the activation fused into it: both refer to one quantization, which is
/// that of the activation's output. The target never forms this tensor in integers, so nothing rounds it.
bool is_fused_interior(const Value& value, const Pinned& pinned);

}  // namespace ppq
