#pragma once

#include <cstdint>

#include "ppq/graph.h"

namespace ppq {

/// Multiply-accumulates of one sample in a layer (Conv, ConvTranspose, Gemm, MatMul), by its definition: a symbolic batch counts once.
/// 0 of other operations, -1 where shapes are not known.
int64_t macs_of(const Node& node);
/// Elements of `value` in one sample; -1 where its shape is not known.
int64_t elements_of(const Value* value);

/// MACs of a network, and of those of its layers that do not compute on activations of at most `bits` bits: their data is wider, or
/// float. Layers of unknown shape are left out.
struct MacCount {
  int64_t all = 0, wide = 0;
  double share() const { return all > 0 ? static_cast<double>(wide) / static_cast<double>(all) : 0; }
};
MacCount count_macs(const Graph& graph, int bits);

}  // namespace ppq
