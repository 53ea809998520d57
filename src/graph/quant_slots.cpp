#include "graph/quant_slots.h"

namespace ppq {

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

QuantSlots::QuantSlots(const Graph& graph) {
  for (const Slot& slot : quant_slots(graph)) slots_[slot.quant().get()].push_back(slot);
}

void QuantSlots::replace(TensorQuantPtr from, TensorQuantPtr to) {
  const auto found = slots_.find(from.get());
  if (from == to || found == slots_.end()) return;
  const std::vector<Slot> moved = std::move(found->second);
  slots_.erase(found);
  auto& joined = slots_[to.get()];
  for (const Slot& slot : moved) {
    if (slot.quant() != from) continue;  // set to another one since
    slot.quant() = to;
    joined.push_back(slot);
  }
}

void QuantSlots::set(const Slot& slot, TensorQuantPtr to) {
  slots_[to.get()].push_back(slot);
  slot.quant() = std::move(to);
}

TensorQuantPtr producer_quant(const Value& value) {
  return value.producer() ? value.producer()->quant_of_output(value.producer_index()) : nullptr;
}

}  // namespace ppq
