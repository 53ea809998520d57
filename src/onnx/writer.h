#pragma once

#include "onnx/tensors.h"
#include "ppq/graph.h"

namespace ppq {

/// The model that `graph` is; tensor data goes to `sink`.
onnx::ModelProto to_model(const Graph& graph, TensorSink& sink);
/// The same without the data of large weights, which become graph inputs: for the checker and shape inference.
onnx::ModelProto light_model(const Graph& graph);
/// Bytes of all tensors of the graph: constants and attributes, sub-graphs too.
size_t tensor_bytes(const Graph& graph);

}  // namespace ppq
