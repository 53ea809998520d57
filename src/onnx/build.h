#pragma once

#include <memory>
#include <set>
#include <vector>

#include "onnx/normalize.h"

namespace ppq {

/// What a graph is built from beside its message.
struct BuildInput {
  std::vector<Initializer> initializers;
  int inputs = 0;                           ///< the first so many inputs of the message are the file's own
  std::vector<onnx::GraphProto> residuals;  ///< of the graph and its sub-graphs (see graph_residuals)
};

/// Builds the IR of a normalized model (ordered, named, types inferred).
std::unique_ptr<Graph> build_graph(const onnx::ModelProto& model, BuildInput input, ExternalFiles& files);

}  // namespace ppq
