#pragma once

#include <string>
#include <vector>

#include "ppq/graph.h"

namespace ppq {

/// An operator that an exporter wrote out in smaller ones.
struct Composite {
  std::string type;          ///< "LayerNormalization", "RMSNormalization" or "Gelu"
  std::vector<Node*> nodes;  ///< in execution order; the last one gives the output
  Value *input = nullptr, *output = nullptr;
  bool approximate = false;  ///< Gelu: by tanh
  // Normalizations.
  int64_t axis = -1;                        ///< the first normalized one, counted from the end
  double epsilon = 0;                       ///< added to the variance
  Value *scale = nullptr, *bias = nullptr;  ///< constants over the normalized axes; null where there is none
};

/// The types of composites that are known.
const std::vector<std::string>& composite_types();

/// Those of a graph, in execution order; they share no node, and nobody outside reads what lies inside.
/// - Normalizations over the last axes: mean, difference, its square by Pow or Mul, variance, Sqrt, and Div or a product with the
///   reciprocal, then what scales and shifts; also x·k + (bias − mean·k) with k = scale / deviation.
/// - Gelu by Erf or Tanh, in whatever order its factors stand: a chain of elementwise operators with scalars counts by what it computes.
std::vector<Composite> find_composites(const Graph& graph);

}  // namespace ppq
