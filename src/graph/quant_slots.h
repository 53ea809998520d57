#pragma once

#include <unordered_map>
#include <vector>

#include "ppq/graph.h"

namespace ppq {

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

/// Which slots refer to a TensorQuant: one walk over the graph serves any number of replacements. Slots are changed through
/// this only while it is in use.
class QuantSlots {
 public:
  explicit QuantSlots(const Graph& graph);
  /// Makes every slot that refers to `from` refer to `to`.
  void replace(TensorQuantPtr from, TensorQuantPtr to);
  /// Makes one slot refer to `to`.
  void set(const Slot& slot, TensorQuantPtr to);

 private:
  std::unordered_map<const TensorQuant*, std::vector<Slot>> slots_;
};

/// The TensorQuant at the producer of `value`, or null.
TensorQuantPtr producer_quant(const Value& value);

}  // namespace ppq
