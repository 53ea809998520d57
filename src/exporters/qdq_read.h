#pragma once

#include <string>
#include <vector>

#include "ppq/graph.h"

namespace ppq {

/// What became of a model's QuantizeLinear and DequantizeLinear.
struct PairsRead {
  size_t applied = 0;             ///< pairs and stored parameters that were taken out
  std::vector<std::string> left;  ///< nodes of both types that stay: scales found at run time or a block, 4 bits, integers that others read
};

/// Whether a model has any of them.
bool has_pairs(const Graph& graph);

/// Takes the QuantizeLinear and DequantizeLinear out of a model, of whatever tool, and puts what they say onto the slots around them: the
/// float network, which simulates to the bit what the model computes. Stored integers become the floats that they stand for. A tensor keeps
/// the name that it has before the pair, unless that one was made up from the name behind it (x_raw, x_QuantizeLinear_Input). What moves or
/// bounds elements has one quantization on both sides, wherever the file rounds.
PairsRead take_out_pairs(Graph& graph);
/// Both sides of what moves or bounds elements have one quantization, where one side has none yet: rounding changes no number there.
void spread_over_moves(Graph& graph);

}  // namespace ppq
