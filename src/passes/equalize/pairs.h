#pragma once

#include <optional>
#include <vector>

#include "graph/readers.h"

namespace ppq::passes {

/// Layers whose output channels can be scaled if their readers' input channels are scaled back: every path from an upstream
/// layer leads through `relays` to a downstream one, and every downstream layer reads upstream ones only.
struct EqualizationPair {
  std::vector<Node*> upstream, downstream;
  std::vector<Node*> relays;  ///< between them, in no particular order
  int64_t channels = 0;
};

struct EqualizationSearch {
  bool through_add = false;      ///< opt_level 2: Add and Sub of two computed tensors
  bool through_clip = false;     ///< Clip(0, b): not scale-free, the caller minds b
  bool through_flatten = false;  ///< Flatten and Reshape to [N, C·H·W] in front of a Gemm, Pad of space with zeros, ReduceMean over space
};
/// Pairs in graph order. Not a pair: a tensor on the way is a graph output or read by a sub-graph, a reader takes it as weight or bias,
/// weights are computed at run time, a path ends in another operation or at a graph input, the user fixed a quantization on the way.
std::vector<EqualizationPair> find_equalization_pairs(const Graph& graph, const EqualizationSearch& search);

/// The upper bound of a Clip from 0, infinite where it has none; nullopt for other operations and bounds.
std::optional<double> clip_bound(const Node& node);

/// The weight as one row an output channel: [Cout, …] (groups in channel order).
at::Tensor output_rows(const Node& node);
/// The weight as one row an input channel of `channels`: [C, …]. A Gemm after Flatten has several columns a channel.
at::Tensor input_rows(const Node& node, int64_t channels);
/// Multiplies output channels (weight and bias) by scale [Cout]; divides input channels by scale [C]. Float32, one rounding
/// each. Constants must have no other reader (see own_parameters).
void scale_outputs(Node& node, const at::Tensor& scale);
void scale_inputs(Node& node, const at::Tensor& scale);
/// Copies of weight and bias for a node that shares them with others (nodes, sub-graphs, graph outputs).
void own_parameters(Graph& graph, Node& node, const Pinned& pinned);
/// Input channels of a layer's data.
int64_t input_channels(const Node& node);
int64_t output_channels(const Node& node);

}  // namespace ppq::passes
