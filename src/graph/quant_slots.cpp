#include "graph/quant_slots.h"

namespace ppq::passes {

std::vector<Slot> quant_slots(const Graph& graph) {
  std::vector<Slot> slots;
  for (Node* node : graph.nodes()) {
    for (size_t i = 0; i < node->input_quant.size(); ++i)
      if (node->input_quant[i] && node->input(i)) slots.push_back({node, i, false});
    for (size_t i = 0; i < node->output_quant.size(); ++i)
      if (node->output_quant[i] && node->output(i)) slots.push_back({node, i, true});
  }
  return slots;
}

void replace_quant(const Graph& graph, const TensorQuantPtr& from, const TensorQuantPtr& to) {
  if (from == to) return;
  const TensorQuantPtr kept = from;  // `from` may be a slot that is overwritten here
  for (const Slot& slot : quant_slots(graph))
    if (slot.quant() == kept) slot.quant() = to;
}

TensorQuantPtr producer_quant(const Value& value) {
  return value.producer() ? value.producer()->quant_of_output(value.producer_index()) : nullptr;
}

}  // namespace ppq::passes
