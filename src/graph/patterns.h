#pragma once

#include <string>
#include <vector>

#include "ppq/graph.h"

namespace ppq {

/// Nodes that `pattern` names: a node name, an op type, "node:" and a name (that is an op type too), or a regular expression over names
/// and op types (whole string). A pattern that matches nothing throws Usage with the nearest names.
std::vector<Node*> match_nodes(const Graph& graph, const std::string& pattern, const std::string& option);

/// A pattern for this node alone, as lists with commas can hold it.
std::string pattern_of(const Graph& graph, const Node& node);

/// Whether `pattern` names any node of this graph, which may be a part of the one that the user meant.
bool names_a_node(const Graph& graph, const std::string& pattern, const std::string& option);

}  // namespace ppq
