#pragma once

#include "ppq/graph.h"
#include "ppq/platform.h"

namespace ppq {

/// The same format and numbers.
bool same_quantization(const TensorQuant& a, const TensorQuant& b);

/// What a table says tensor by tensor becomes one quantization again where the network rounds once: readers refer to their producer's where
/// both say the same, and so do both sides of an operator that only moves elements or, of the types of `activations`, bounds them.
void share_equal(Graph& graph, const std::set<std::string>& activations);

}  // namespace ppq
