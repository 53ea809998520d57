#pragma once

#include <memory>
#include <vector>

#include "ppq/graph.h"

namespace ppq {

/// A graph of its own made of `nodes` (in execution order, without sub-graphs): constants come along, other values that they
/// read from elsewhere become its inputs in the order they are first read, `outputs` its outputs. Dispatch and quantization
/// of the nodes are copied (a TensorQuant that several slots share stays shared).
std::unique_ptr<Graph> extract(const Graph& graph, const std::vector<const Node*>& nodes, const std::vector<const Value*>& outputs);

}  // namespace ppq
