#pragma once

#include <string>
#include <vector>

#include "ppq/graph.h"

namespace ppq {

/// An output that a network no longer gives: its parts, and what joins them to it.
struct OutputSplit {
  struct Step {
    std::string op;                   ///< Concat, Transpose, Reshape, Flatten, Squeeze, Unsqueeze or Identity
    std::vector<std::string> inputs;  ///< parts, or results of steps before
    std::string output;
    /// Axis of Concat and Flatten, order of Transpose, sizes of Reshape (0: as before, -1: the rest), axes of Squeeze and Unsqueeze.
    std::vector<int64_t> numbers;
  };
  std::string output;
  std::vector<std::string> parts;  ///< tensors that are outputs now, in order
  std::vector<Step> steps;         ///< the last one gives `output`
};

/// The Concats that make a value, with what moves its elements behind and between them, in order of execution: what they join are its
/// parts. Empty where no Concat makes it, or where a part is no tensor that the network computes.
std::vector<const Node*> joined_by(const Value& value);

/// Ends the network before them: the parts are outputs in place of output `name`. Nodes that nobody reads any more stay. Throws Usage
/// where there is no such output or no Concat makes it, Unsupported where a part is no tensor that the network computes; `option` is what
/// errors call the place.
OutputSplit split_output(Graph& graph, const std::string& name, const std::string& option);

}  // namespace ppq
