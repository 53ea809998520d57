// Pattern:  nodes none of whose outputs anybody reads, and values that nobody writes or reads.
// Rewrite:  they go, until nothing changes.
// Does not fire for graph inputs, graph outputs, and what sub-graphs read by name.

#include <algorithm>

#include "passes/cleanup/rewrite.h"
#include "passes/passes.h"

namespace ppq::passes {
namespace {

class RemoveDeadCode : public Pass {
 public:
  const char* name() const override { return "remove-dead-code"; }

  size_t run(Graph& graph, PassContext&) override {
    size_t changes = 0, removed = 0;
    // A removed node with a sub-graph may release what that read, hence the loop.
    do {
      removed = sweep(graph);
      changes += removed;
    } while (removed);
    return changes;
  }

 private:
  static size_t sweep(Graph& graph) {
    const Pinned pinned(graph);
    size_t changes = 0;
    auto nodes = graph.nodes();
    std::reverse(nodes.begin(), nodes.end());
    for (Node* node : nodes) {
      const bool dead = std::all_of(node->outputs().begin(), node->outputs().end(),
                                    [&](const Value* v) { return !v || (v->uses().empty() && !pinned(v)); });
      if (!dead) continue;
      graph.remove_node(node);
      ++changes;
    }
    for (Value* value : graph.values()) {
      if (value->producer() || !value->uses().empty() || value->is_graph_input() || value->is_outer() || pinned(value)) continue;
      graph.remove_value(value);
      ++changes;
    }
    return changes;
  }
};

}  // namespace

std::unique_ptr<Pass> make_remove_dead_code() { return std::make_unique<RemoveDeadCode>(); }

}  // namespace ppq::passes
