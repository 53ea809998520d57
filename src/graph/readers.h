#pragma once

#include <unordered_set>
#include <vector>

#include "ppq/graph.h"

namespace ppq {

/// The sub-graphs of a node: branches of If, bodies of Loop and Scan.
std::vector<const Graph*> sub_graphs(const Node& node);

/// Values that must stay as they are, name and all, whatever reads them inside the graph: graph outputs, and what sub-graphs
/// read by name, at any depth, which `Value::uses` does not show. One walk over the nodes; values added later are not pinned,
/// and pinned ones must not be removed while it is in use.
class Pinned {
 public:
  explicit Pinned(const Graph& graph);
  bool operator()(const Value* value) const { return value->is_graph_output() || captured(value); }
  /// Read by a sub-graph.
  bool captured(const Value* value) const { return captured_.count(value) > 0; }

 private:
  std::unordered_set<const Value*> captured_;
};

/// The one node that reads `value`, through one input, where nothing else keeps the value; else null. So a rewrite may change
/// or drop the value.
Node* only_reader(const Value* value, const Pinned& pinned);

}  // namespace ppq
