#include "graph/patterns.h"

#include <algorithm>
#include <regex>
#include <set>
#include <string_view>

#include "ppq/error.h"

namespace ppq {
namespace {

constexpr std::string_view kNode = "node:";

std::vector<Node*> named(const Graph& graph, const std::string& pattern, const std::string& option) {
  std::vector<Node*> found;
  for (Node* node : graph.nodes())
    if (node->name == pattern || node->op_type == pattern) found.push_back(node);
  if (!found.empty()) return found;
  if (pattern.starts_with(kNode)) {
    for (Node* node : graph.nodes())
      if (node->name == pattern.substr(kNode.size())) found.push_back(node);
    return found;
  }
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

std::string pattern_of(const Graph& graph, const Node& node) {
  const auto nodes = graph.nodes();
  if (std::any_of(nodes.begin(), nodes.end(), [&](const Node* other) { return other->op_type == node.name; }))
    return std::string(kNode) + node.name;
  if (node.name.find(',') == std::string::npos) return node.name;
  std::string pattern;
  for (const char c : node.name) {
    if (std::string_view("\\^$.|?*+()[]{}").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c == ',' ? '.' : c;
  }
  return pattern;
}

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
