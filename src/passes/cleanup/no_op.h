#pragma once

#include <cstdint>

#include "ppq/graph.h"

namespace ppq::passes {

/// True when output 0 of `node` is provably its input 0, in shape, element type and every element, and no other output is
/// read. `opset` is ai.onnx's.
bool is_no_op(const Node& node, int64_t opset);

}  // namespace ppq::passes
