#pragma once

#include <functional>
#include <vector>

#include "ppq/graph.h"

namespace ppq::passes {

/// One place that refers to a TensorQuant: input or output `index` of `node`.
struct Slot {
  Node* node;
  size_t index;
  bool output;
  TensorQuantPtr& quant() const { return output ? node->output_quant[index] : node->input_quant[index]; }
  Value* value() const { return output ? node->output(index) : node->input(index); }
  bool is_constant() const { return value()->is_constant(); }
};

/// Every slot with a TensorQuant, in execution order, inputs before outputs.
std::vector<Slot> quant_slots(const Graph& graph);
/// Makes every slot that refers to `from` refer to `to`.
void replace_quant(const Graph& graph, const TensorQuantPtr& from, const TensorQuantPtr& to);
/// The TensorQuant at the producer of `value`, or null.
TensorQuantPtr producer_quant(const Value& value);

}  // namespace ppq::passes
