// Pattern:  nodes whose inputs are all constants, and shape arithmetic (passes/shape_values.cpp) that declared shapes decide
// Rewrite:  their results become constants, to a fixpoint; each round lets shape inference see the new constants. Where
//           only the shape input of a Reshape is in question, dimensions that x has at that place become 0 (copy) and one
//           other unknown dimension -1 (infer), so a symbolic batch folds too, and a folded batch of 1 still runs as 2.
// Does not fire for graph outputs, random numbers, nodes with sub-graphs, operators that are not known here, and results that are
// more than 8 times as large as what they are computed from: above 1 MiB where that is seen before (ConstantOfShape, Expand, Tile),
// above 64 MiB where it comes out on the way.

#include <ATen/ATen.h>

#include <algorithm>

#include "ops/memory_bound.h"
#include "ops/op.h"
#include "passes/cleanup/rewrite.h"
#include "passes/cleanup/shape_values.h"
#include "passes/passes.h"
#include "ppq/error.h"
#include "ppq/onnx.h"

namespace ppq::passes {
namespace {

constexpr int64_t kAlwaysSmall = 1 << 20;  ///< bytes
constexpr int64_t kMostMade = 64 << 20;
constexpr int64_t kMaxGrowth = 8;
constexpr int kMaxRounds = 32;

/// Product of a list of sizes; saturates.
int64_t element_count(const std::vector<int64_t>& sizes) {
  double count = 1;
  for (int64_t size : sizes) count *= static_cast<double>(std::max<int64_t>(size, 0));
  return count > 1e15 ? int64_t{1} << 50 : static_cast<int64_t>(count);
}

/// Elements of the result, known before it is computed; 0 where it is not (then it is no larger than a few inputs).
int64_t expected_elements(const Node& node) {
  if (const auto sizes = static_sizes(node.output())) return element_count(*sizes);
  if (node.is("ConstantOfShape")) return element_count(ops::to_ints(node.constant_input(0)));
  if (node.is("Expand")) {
    return std::max(element_count(ops::to_ints(node.constant_input(1))), node.constant_input(0).numel());
  }
  if (node.is("Tile")) return element_count({element_count(ops::to_ints(node.constant_input(1))), node.constant_input(0).numel()});
  return 0;
}

class FoldConstants : public Pass {
 public:
  const char* name() const override { return "fold-constants"; }

  size_t run(Graph& graph, PassContext&) override {
    const Pinned pinned(graph);
    size_t changes = 0;
    for (int round = 0; round < kMaxRounds; ++round) {
      const size_t before = changes;
      changes += fold_shapes(graph, pinned);
      changes += fold_nodes(graph);
      if (changes == before) break;
      if (has_open_shapes(graph)) infer_shapes(graph);
    }
    return changes;
  }

 private:
  static bool has_open_shapes(const Graph& graph) {
    const auto values = graph.values();
    return std::any_of(values.begin(), values.end(), [](const Value* v) { return !v->is_constant() && !static_sizes(v); });
  }

  /// Folds what declared shapes decide: shapes of Reshape first, while it is still visible where their elements come from.
  static size_t fold_shapes(Graph& graph, const Pinned& pinned) {
    const ShapeValues known(graph);
    size_t changes = 0;
    for (Node* node : graph.nodes()) changes += fold_reshape(graph, node, known);
    for (Node* node : graph.nodes()) {
      Value* result = node->output();
      if (!result || result->is_graph_output() || (result->uses().empty() && !pinned(result))) continue;
      const ShapeValue* value = known.find(result);
      if (!value || !value->known()) continue;
      graph.make_constant(result, value->tensor());
      graph.remove_node(node);
      ++changes;
    }
    return changes;
  }

  static size_t fold_reshape(Graph& graph, Node* node, const ShapeValues& known) {
    if (!node->is("Reshape") || !node->input(0) || !node->input(1) || node->input(1)->is_constant()) return 0;
    const ShapeValue* shape = known.find(node->input(1));
    if (!shape || node->attributes.get_int("allowzero", 0)) return 0;
    const auto sizes = constant_shape(*node->input(0), *shape);
    if (!sizes) return 0;
    const std::string base = node->name.empty() ? node->output()->name() : node->name;
    graph.set_input(node, 1, graph.add_constant(graph.unique_name(base + "_shape"), at::tensor(*sizes, at::kLong)));
    return 1;
  }

  /// The shape as constants, 0 and -1; nullopt where too little is known.
  static std::optional<std::vector<int64_t>> constant_shape(const Value& x, const ShapeValue& shape) {
    std::vector<int64_t> sizes;
    size_t inferred = 0;
    for (size_t i = 0; i < shape.elements.size(); ++i) {
      const ShapeElement& element = shape.elements[i];
      const bool from_a_shape = element.source != nullptr;
      if (element.is_dim(x, i) && (!element.number || (i == 0 && from_a_shape))) {
        sizes.push_back(0);
      } else if (element.number) {
        // A dimension of size 0 would read as "copy".
        if (from_a_shape && *element.number == 0) return std::nullopt;
        inferred += *element.number == -1;
        sizes.push_back(*element.number);
      } else {
        ++inferred;
        sizes.push_back(-1);
      }
    }
    return inferred <= 1 ? std::optional(sizes) : std::nullopt;
  }

  static size_t fold_nodes(Graph& graph) {
    size_t changes = 0;
    for (Node* node : graph.nodes()) {
      if (!is_foldable(*node)) continue;
      const auto results = compute(*node, graph.opset(node->domain));
      if (results.empty()) continue;
      for (size_t i = 0; i < results.size(); ++i) {
        if (node->output(i)) graph.make_constant(node->output(i), results[i]);
      }
      graph.remove_node(node);
      ++changes;
    }
    return changes;
  }

  static int64_t input_bytes(const Node& node) {
    int64_t bytes = 0;
    for (const Value* value : node.inputs())
      if (value) bytes += static_cast<int64_t>(value->constant().nbytes());
    return bytes;
  }

  static bool is_foldable(const Node& node) {
    if (is_random(node) || !sub_graphs(node).empty() || node.inputs().empty()) return false;
    for (const Value* value : node.inputs())
      if (value && !value->constant().defined()) return false;
    for (const Value* value : node.outputs()) {
      if (value && value->is_graph_output()) return false;
    }
    const int64_t expected = expected_elements(node) * 4;
    return node.output() && (expected <= kAlwaysSmall || expected <= input_bytes(node) * kMaxGrowth);
  }

  /// The node's results on the CPU; empty where it cannot be computed (running the graph will say why).
  static std::vector<at::Tensor> compute(const Node& node, int64_t opset) {
    const ops::OpRow* row = ops::find_op(node, opset);
    if (!row) return {};
    std::vector<at::Tensor> inputs, outputs(node.outputs().size());
    for (size_t i = 0; i < node.inputs().size(); ++i) inputs.push_back(node.constant_input(i));
    try {
      const ops::TensorBound bound(static_cast<size_t>(std::max(kMostMade, input_bytes(node) * kMaxGrowth)));
      row->make({node, opset})(inputs, outputs);
      for (size_t i = 0; i < outputs.size(); ++i) {
        if (!node.output(i)) continue;
        if (!outputs[i].defined()) return {};
        outputs[i] = outputs[i].contiguous();
      }
    } catch (const std::exception&) {
      return {};
    }
    return outputs;
  }
};

}  // namespace

std::unique_ptr<Pass> make_fold_constants() { return std::make_unique<FoldConstants>(); }

}  // namespace ppq::passes
