#pragma once

#include <string>
#include <vector>

#include "ppq/graph.h"

namespace ppq {

/// Nodes that `pattern` names: a node name, an op type, or a regular expression over either (whole string). A pattern that
/// matches nothing throws Usage with the nearest names.
std::vector<Node*> match_nodes(const Graph& graph, const std::string& pattern, const std::string& option);

/// Whether `pattern` names any node of this graph, which may be a part of the one that the user meant.
bool names_a_node(const Graph& graph, const std::string& pattern, const std::string& option);

}  // namespace ppq
