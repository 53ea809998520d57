// Pattern:  x -> node that provably returns x: Identity, Dropout at inference, Cast to the same type, Transpose without
//           permutation, Reshape to the shape x has, Pad by nothing, Slice of everything, Concat of one, x + 0, x · 1, …
//           (passes/no_op.cpp has the proofs)
// Rewrite:  the node goes; what read its output reads x. A graph output keeps its name: x takes it.
// Does not fire from graph input straight to graph output, and where a sub-graph reads the name that would go.

#include <algorithm>

#include "passes/cleanup/no_op.h"
#include "passes/cleanup/rewrite.h"
#include "passes/passes.h"

namespace ppq::passes {
namespace {

/// What was known of the node's output holds for the value that takes its place.
void keep_shape(Value* kept, const std::optional<Shape>& gone) {
  if (kept->is_constant() || !gone) return;
  if (!kept->shape) kept->shape = gone;
  if (kept->shape->size() != gone->size()) return;
  for (size_t i = 0; i < gone->size(); ++i) {
    Dim& dim = (*kept->shape)[i];
    if (!dim.known() && ((*gone)[i].known() || dim.symbol.empty())) dim = (*gone)[i];
  }
}

class RemoveIdentity : public Pass {
 public:
  const char* name() const override { return "remove-identity"; }

  size_t run(Graph& graph, PassContext&) override {
    const Pinned pinned(graph);
    size_t changes = 0;
    for (Node* node : graph.nodes()) {
      if (!node->input(0) || !node->output() || !is_no_op(*node, graph.opset())) continue;
      const Value* result = node->output();
      const bool kept_by_body = std::any_of(node->outputs().begin(), node->outputs().end(),
                                            [&](const Value* output) { return output && pinned.captured(output); });
      if (kept_by_body || (result->is_graph_output() && pinned.captured(node->input(0)))) continue;
      if (node->outputs().size() > 1) graph.set_outputs(node, {node->output()});
      Value* kept = node->input(0);
      const std::optional<Shape> shape = result->shape;
      if (!graph.bypass(node)) continue;
      keep_shape(kept, shape);
      ++changes;
    }
    return changes;
  }
};

}  // namespace

std::unique_ptr<Pass> make_remove_identity() { return std::make_unique<RemoveIdentity>(); }

}  // namespace ppq::passes
