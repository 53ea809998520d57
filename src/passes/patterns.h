#pragma once

#include <string>
#include <vector>

#include "ppq/graph.h"

namespace ppq::passes {

/// Nodes that `pattern` names: a node name, an op type, or a regular expression over either (whole string). A pattern that
/// matches nothing throws Usage with the nearest names.
std::vector<Node*> match_nodes(const Graph& graph, const std::string& pattern, const std::string& option);

}  // namespace ppq::passes
