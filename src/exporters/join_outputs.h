#pragma once

#include <string>
#include <vector>

#include "graph/split_output.h"

namespace ppq {

/// Python with numpy that makes `outputs["y"]` of the parts in the dictionary `outputs`, a line a step.
std::vector<std::string> join_lines(const OutputSplit& split);

/// The section of DEPLOY.md on outputs that the host joins; empty where there are none.
std::string join_guide(const Graph& graph, const std::vector<OutputSplit>& splits);

}  // namespace ppq
