#pragma once

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "passes/passes.h"
#include "ppq/executor.h"
#include "ppq/onnx.h"

namespace ppq::test {

using testing::ElementsAre;

/// A model of one graph in onnx's text form.
std::string model_text(const std::string& inputs, const std::string& outputs, const std::string& body, int opset = 15);
/// A model from onnx's text form. The graph inputs named in `constants` become random weights: normal, but 0.5 to 1.5 where
/// the name begins with "var".
std::unique_ptr<Graph> parse_model(const std::string& text, const std::vector<std::string>& constants = {});

/// Random inputs; unknown dimensions get `open` elements, integer inputs are zeros.
Tensors random_inputs(const Graph& graph, int64_t open = 2);

/// Operator types in execution order.
std::vector<std::string> types_of(const Graph& graph);
Node* node_of_type(const Graph& graph, const std::string& type);

/// Largest difference relative to the largest magnitude of the reference, over all outputs; infinite where shapes differ.
double relative_difference(const Tensors& results, const Tensors& reference);
Tensors run_float(const Graph& graph, const Tensors& inputs);

/// A model before and after a pass. Making it checks what every clean-up pass owes: links, onnx's checker, names and types of
/// inputs and outputs, and equal float results.
struct Rewritten {
  std::unique_ptr<Graph> before, after;
  size_t changes = 0;
  std::vector<std::string> types() const { return types_of(*after); }
};
Rewritten rewrite(std::unique_ptr<Graph> graph, std::unique_ptr<Pass> pass, double tolerance = 1e-5);

}  // namespace ppq::test
