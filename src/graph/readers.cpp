#include "graph/readers.h"

namespace ppq {

std::vector<const Graph*> sub_graphs(const Node& node) {
  std::vector<const Graph*> bodies;
  for (const auto& [key, attribute] : node.attributes) {
    if (const auto* body = std::get_if<std::shared_ptr<Graph>>(&attribute)) bodies.push_back(body->get());
    if (const auto* several = std::get_if<std::vector<std::shared_ptr<Graph>>>(&attribute))
      for (const auto& body : *several) bodies.push_back(body.get());
  }
  return bodies;
}

Pinned::Pinned(const Graph& graph) {
  for (const Node* node : graph.nodes())
    for (const Graph* body : sub_graphs(*node))
      for (const std::string& name : body->outer_names())
        if (const Value* value = graph.find_value(name)) captured_.insert(value);
}

Node* only_reader(const Value* value, const Pinned& pinned) {
  if (!value || value->uses().size() != 1 || pinned(value)) return nullptr;
  return value->uses()[0].node;
}

}  // namespace ppq
