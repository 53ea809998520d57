#include "core/words.h"
#include "executor/program.h"
#include "graph/readers.h"
#include "ppq/error.h"

namespace ppq {
namespace {

void collect(const Graph& graph, const Graph& root, std::vector<std::string>& missing) {
  for (const Node* node : graph.nodes()) {
    const int64_t opset = root.opset(node->domain);
    if (!is_control_flow(*node) && !ops::find_op(*node, opset))
      missing.push_back(node->name + " (" + (node->domain.empty() ? "" : node->domain + ".") + node->op_type + ", opset " +
                        std::to_string(opset) + ")");
    for (const Graph* body : sub_graphs(*node)) collect(*body, root, missing);
  }
}

}  // namespace

std::vector<std::string> unsupported_nodes(const Graph& graph) {
  std::vector<std::string> missing;
  collect(graph, graph, missing);
  return missing;
}

void check_supported(const Graph& graph) {
  const auto missing = unsupported_nodes(graph);
  if (missing.empty()) return;
  constexpr size_t kMaxShown = 20;
  throw Error(ErrorKind::Unsupported, "model",
              std::to_string(missing.size()) + " node(s) have an operator that is not known: " + listed(missing, kMaxShown),
              "`ppq_torch list ops` shows the operators; cut the model before these nodes");
}

}  // namespace ppq
