#pragma once

#include <vector>

#include "onnx/proto.h"
#include "ppq/graph.h"

namespace ppq {

/// `extras` of a graph whose file onnx refuses, as it came: what is written of it need not be better.
inline constexpr const char* kRefusedSource = "RefusedSource";

/// What the IR has no place for is carried through as messages that hold only that: a GraphProto with the metadata,
/// quantization annotations and value_info of the graph and, by name, the rest of its nodes, inputs, outputs and
/// initializers; a ModelProto with training info, functions and device configurations. Fields of later IR versions that
/// this build does not know travel in them too.
onnx::GraphProto graph_residual(const onnx::GraphProto& graph);
/// Those of a graph and all its sub-graphs, each before its sub-graphs, in file order.
std::vector<onnx::GraphProto> graph_residuals(const onnx::GraphProto& graph);
onnx::ModelProto model_residual(const onnx::ModelProto& model);

/// The residual in `graph.extras`; an empty message where there is none.
onnx::GraphProto graph_residual_of(const Graph& graph);
onnx::ModelProto model_residual_of(const Graph& graph);
void keep_residual(const onnx::GraphProto& residual, Graph& graph);
void keep_residual(const onnx::ModelProto& residual, Graph& graph);

}  // namespace ppq
