#include "graph/extract.h"

#include <unordered_map>

#include "ppq/quant.h"

namespace ppq {

std::unique_ptr<Graph> extract(const Graph& graph, const std::vector<const Node*>& nodes, const std::vector<const Value*>& outputs) {
  auto part = std::make_unique<Graph>();
  part->name = graph.name;
  part->ir_version = graph.ir_version;
  part->opsets = graph.opsets;
  std::unordered_map<const Value*, Value*> values;
  auto describe = [&](const Value* from, Value* to) {
    to->dtype = from->dtype;
    to->shape = from->shape;
    return values[from] = to;
  };
  auto read = [&](const Value* value) -> Value* {
    if (!value) return nullptr;
    if (const auto known = values.find(value); known != values.end()) return known->second;
    if (value->constant().defined()) return values[value] = part->add_constant(value->name(), value->constant());
    Value* input = describe(value, part->add_value(value->name()));
    if (value->opaque_constant) {
      input->opaque_constant = value->opaque_constant;
    } else {
      part->add_input(input);
    }
    return input;
  };
  std::unordered_map<const TensorQuant*, TensorQuantPtr> quants;
  auto copy = [&](const std::vector<TensorQuantPtr>& slots) {
    std::vector<TensorQuantPtr> result;
    for (const TensorQuantPtr& slot : slots) {
      TensorQuantPtr& known = quants[slot.get()];
      if (slot && !known) known = std::make_shared<TensorQuant>(*slot);
      result.push_back(slot ? known : nullptr);
    }
    return result;
  };
  for (const Node* node : nodes) {
    std::vector<Value*> in, out;
    for (const Value* value : node->inputs()) in.push_back(read(value));
    for (const Value* value : node->outputs()) out.push_back(value ? describe(value, part->add_value(value->name())) : nullptr);
    Node* twin = part->add_node(node->op_type, node->name, std::move(in), std::move(out));
    twin->domain = node->domain;
    twin->overload = node->overload;
    twin->attributes = node->attributes;
    twin->dispatch = node->dispatch;
    twin->quantized = node->quantized;
    twin->input_quant = copy(node->input_quant);
    twin->output_quant = copy(node->output_quant);
  }
  for (const Value* value : outputs) part->add_output(read(value));
  return part;
}

}  // namespace ppq
