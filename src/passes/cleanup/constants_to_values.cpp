// Pattern:  Constant -> v
// Rewrite:  v becomes a constant of the graph (an initializer), under its name.
// Does not fire for strings and sparse tensors (LibTorch has no such tensors), and where v is a graph output.

#include <ATen/ATen.h>

#include "passes/cleanup/rewrite.h"
#include "passes/passes.h"

namespace ppq::passes {
namespace {

/// The tensor a Constant node holds, whichever of its attributes carries it; undefined where it cannot be held.
at::Tensor constant_of(const Node& node) {
  for (const auto& [name, value] : node.attributes) {
    if (const auto* tensor = std::get_if<at::Tensor>(&value)) return *tensor;
    if (const auto* number = std::get_if<float>(&value)) return at::scalar_tensor(*number, at::kFloat);
    if (const auto* number = std::get_if<int64_t>(&value)) return at::scalar_tensor(*number, at::kLong);
    if (const auto* numbers = std::get_if<std::vector<float>>(&value)) return at::tensor(*numbers, at::kFloat);
    if (const auto* numbers = std::get_if<std::vector<int64_t>>(&value)) return at::tensor(*numbers, at::kLong);
  }
  return {};
}

class ConstantsToValues : public Pass {
 public:
  const char* name() const override { return "constants-to-values"; }

  size_t run(Graph& graph, PassContext&) override {
    size_t changes = 0;
    for (Node* node : graph.nodes()) {
      if (!node->is("Constant") || node->outputs().size() != 1 || !node->output()) continue;
      Value* value = node->output();
      const at::Tensor tensor = constant_of(*node);
      if (value->is_graph_output() || !tensor.defined()) continue;
      graph.make_constant(value, tensor);
      graph.remove_node(node);
      ++changes;
    }
    return changes;
  }
};

}  // namespace

std::unique_ptr<Pass> make_constants_to_values() { return std::make_unique<ConstantsToValues>(); }

}  // namespace ppq::passes
