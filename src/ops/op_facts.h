#pragma once

#include <string_view>
#include <unordered_set>

#include "ppq/graph.h"

namespace ppq {

/// What an operator makes of the elements of its data inputs.
enum class OpKind {
  Layer,        ///< products with a weight, summed in an accumulator, as the passes know to quantize and rewrite them
  Activation,   ///< a function of each element of input 0, as it stands behind a layer
  Movement,     ///< the elements of input 0 moved, selected or repeated, zeros among them: both sides have one quantization
  Computation,  ///< new numbers, or elements of several inputs
  Description,  ///< shapes, places or numbers that are no elements of its inputs
};

/// What only some operators have.
struct OpTraits {
  /// Layer: the axis of output channels in the weight at `input`.
  int (*weight_axis)(const Node& node, size_t input) = nullptr;
  /// Layer: the axis of channels in the output, 1 or -1 (the last one).
  int channel_axis = 0;
  /// s > 0 times a channel of input 0 is s times that channel of the output: equalization looks through it.
  bool scale_free = false;
  /// Two runs give different numbers, or may (Dropout in training).
  bool random = false;
  /// Movement: only where this holds; null: always.
  bool (*moves_if)(const Node& node) = nullptr;
};

/// What the passes know of an operator; stands in its row, beside its kernel. One letter an input and an output, the last one
/// for all that follow:
///   d  data, which an integer kernel takes as integers       w  a layer's weight, where it is constant (MatMul: of either side)
///   b  a layer's bias                                        l  a limit, rounded with the scale of input 0 (Clip's bounds)
///   f  stays in float or is no data (conditions, indices)    s  shapes, axes, starts, counts
struct OpFacts {
  constexpr OpFacts(OpKind what, std::string_view input_letters, std::string_view output_letters, OpTraits other = {})
      : kind(what), inputs(input_letters), outputs(output_letters), traits(other) {}
  OpKind kind;
  std::string_view inputs, outputs;
  OpTraits traits;
};

/// The facts of a node's operator, whatever its version; of one without a kernel here: it computes, and all is data.
const OpFacts& op_facts(const Node& node);

/// What an input or output of an operation carries.
enum class Socket {
  Quantizable,   ///< data that an integer kernel takes as integers
  Float,         ///< data that stays as it is: conditions, bounds, indices
  ShapeOrIndex,  ///< shapes, axes, starts, counts
};
Socket input_socket(const Node& node, size_t index);
Socket output_socket(const Node& node, size_t index);
/// Whether the elements of input `index` become elements of the outputs (Reshape's data yes, its shape no).
bool carries_value(const Node& node, size_t index);

/// A layer: an operation with a weight, computed in an accumulator (Conv, ConvTranspose, Gemm, MatMul).
bool is_computing(const Node& node);
/// A layer over matrices: output channels lie on the last axis of its output.
bool is_matrix_product(const Node& node);
bool is_activation(const Node& node);
/// Operations that only move, select or repeat elements: output and input have one quantization.
bool is_passive(const Node& node);
bool is_scale_free(const Node& node);
bool is_random(const Node& node);

/// Input `index` is where a layer has its weight (MatMul: either side), or its bias (Gemm: a constant row; else an operand).
bool is_weight(const Node& node, size_t index);
bool is_bias(const Node& node, size_t index);
/// A layer that has a constant bias or could be given one (no MatMul, no Gemm with another operand there).
bool takes_bias(const Node& node);
/// A bound that follows the data's scale: Clip's limits, Pad's value.
bool is_limit(const Node& node, size_t index);
/// The axis of output channels in a layer's weight; 0 for what is no weight.
int weight_channel_axis(const Node& node, size_t input = 1);
/// The axis of channels in the output, of `rank` dimensions, of a layer.
int64_t output_channel_axis(const Node& node, int64_t rank);

/// Float element types, or not known.
bool may_be_float(const Value& value);
/// Values that are known to have no elements; none where a graph input has a size of 0, by which exporters mean an unknown one.
std::unordered_set<const Value*> empty_values(const Graph& graph);

}  // namespace ppq
