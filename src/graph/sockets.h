#pragma once

#include "ppq/graph.h"

namespace ppq::passes {

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

/// Conv, ConvTranspose, Gemm, MatMul: operations with weights, computed in an accumulator.
bool is_computing(const Node& node);
/// Operations that only move, select or repeat elements: output and input have one quantization.
bool is_passive(const Node& node);
/// Float element types, or not known.
bool may_be_float(const Value& value);
/// The axis of output channels in the weight (input 1) of a computing operation.
int weight_channel_axis(const Node& node);
/// The only reader of `value` when it has exactly one use and is no graph output; else null.
Node* only_reader(const Value& value);

}  // namespace ppq::passes
