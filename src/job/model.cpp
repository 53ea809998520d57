#include "job/model.h"

#include <ATen/ATen.h>

#include <filesystem>

#include "ppq/dataset.h"
#include "ppq/error.h"
#include "ppq/onnx.h"

namespace ppq {

std::unique_ptr<Graph> read_model(const std::string& path, const std::vector<std::pair<std::string, std::vector<int64_t>>>& shapes) {
  auto graph = read_onnx(path);
  if (shapes.empty()) return graph;
  const auto specs = input_specs(*graph);
  std::vector<std::string> names;
  for (const InputSpec& spec : specs) names.push_back(spec.name);
  for (const auto& [given, sizes] : shapes) {
    if (given.empty() && names.size() != 1)
      throw Error(ErrorKind::Usage, "--input-shape", "the model has " + std::to_string(names.size()) + " inputs: write name:sizes",
                  did_you_mean("", names));
    Value* value = given.empty() ? graph->find_value(names[0]) : graph->find_value(given);
    if (!value || !value->is_graph_input())
      throw Error(ErrorKind::Usage, "--input-shape", "the model has no input '" + given + "'", did_you_mean(given, names));
    if (value->shape && value->shape->size() != sizes.size())
      throw Error(ErrorKind::Usage, "--input-shape",
                  "wrong rank for " + value->name() + ": got " + to_string(sizes) + ", expected " + to_string(*value->shape));
    Shape shape;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (value->shape && (*value->shape)[i].known() && (*value->shape)[i].value != sizes[i] && i > 0)
        throw Error(ErrorKind::Usage, "--input-shape",
                    "does not fit " + value->name() + ": got " + to_string(sizes) + ", expected " + to_string(*value->shape));
      shape.push_back({sizes[i], ""});
    }
    value->shape = shape;
  }
  infer_shapes(*graph);
  return graph;
}

std::string stem(const std::string& path) { return std::filesystem::path(path).stem().string(); }

Tensors zero_inputs(const Graph& graph) {
  Tensors inputs;
  for (const InputSpec& spec : input_specs(graph)) {
    std::vector<int64_t> sizes;
    for (const Dim& dim : spec.shape) sizes.push_back(dim.known() ? dim.value : 1);
    inputs.push_back(at::zeros(sizes, at::TensorOptions().dtype(to_scalar_type(spec.dtype))));
  }
  return inputs;
}

}  // namespace ppq
