#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ppq/graph.h"
#include "ppq/tensors.h"

namespace ppq {

/// Reads a model and fixes the input shapes given with --input-shape. Throws Usage for names that are no inputs.
std::unique_ptr<Graph> read_model(const std::string& path, const std::vector<std::pair<std::string, std::vector<int64_t>>>& shapes);

/// "model" of "some/folder/model.onnx".
std::string stem(const std::string& path);

/// Zeros of the declared shapes, unknown dimensions 1.
Tensors zero_inputs(const Graph& graph);

}  // namespace ppq
