#pragma once

#include <cstdint>

#include "ppq/graph.h"

namespace ppq {

/// Says the graph in a later opset of ONNX's own domain: attributes that became inputs move, everything else must mean the same there.
/// Nothing changes where the graph's opset is as late already. Throws Unsupported, naming the node, where an operator changed its meaning;
/// the graph is not whole then.
void raise_opset(Graph& graph, int64_t opset);

}  // namespace ppq
