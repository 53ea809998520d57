#include "graph/patterns.h"

#include <regex>
#include <set>

#include "ppq/error.h"

namespace ppq {
namespace {

std::vector<Node*> named(const Graph& graph, const std::string& pattern, const std::string& option) {
  std::vector<Node*> found;
  for (Node* node : graph.nodes())
    if (node->name == pattern || node->op_type == pattern) found.push_back(node);
  if (!found.empty()) return found;
  try {
    const std::regex expression(pattern);
    for (Node* node : graph.nodes())
      if (std::regex_match(node->name, expression) || std::regex_match(node->op_type, expression)) found.push_back(node);
  } catch (const std::regex_error& error) {
    throw Error(ErrorKind::Usage, option, "'" + pattern + "' is no regular expression: " + error.what());
  }
  return found;
}

}  // namespace

bool names_a_node(const Graph& graph, const std::string& pattern, const std::string& option) {
  return !named(graph, pattern, option).empty();
}

std::vector<Node*> match_nodes(const Graph& graph, const std::string& pattern, const std::string& option) {
  auto found = named(graph, pattern, option);
  if (!found.empty()) return found;
  std::set<std::string> names;
  for (const Node* node : graph.nodes()) names.insert(node->name), names.insert(node->op_type);
  throw Error(ErrorKind::Usage, option, "'" + pattern + "' matches no node name and no op type",
              did_you_mean(pattern, {names.begin(), names.end()}));
}

}  // namespace ppq
