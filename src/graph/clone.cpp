#include "ppq/graph.h"

namespace ppq {
namespace {

AttrValue clone_attribute(const AttrValue& value) {
  if (auto* body = std::get_if<std::shared_ptr<Graph>>(&value)) return std::shared_ptr<Graph>((*body)->clone());
  if (auto* bodies = std::get_if<std::vector<std::shared_ptr<Graph>>>(&value)) {
    std::vector<std::shared_ptr<Graph>> copies;
    for (const auto& body : *bodies) copies.push_back(body->clone());
    return copies;
  }
  return value;
}

}  // namespace

std::unique_ptr<Graph> Graph::clone() const {
  auto copy = std::make_unique<Graph>();
  copy->name = name, copy->doc = doc, copy->ir_version = ir_version, copy->opsets = opsets;
  copy->producer_name = producer_name, copy->producer_version = producer_version;
  copy->model_domain = model_domain, copy->model_doc = model_doc, copy->model_version = model_version;
  copy->metadata = metadata, copy->extras = extras;

  std::unordered_map<const Value*, Value*> values;
  for (const auto& value : values_) {
    Value* v = copy->add_value(value->name_);
    v->dtype = value->dtype, v->shape = value->shape, v->constant_ = value->constant_;
    v->opaque_constant = value->opaque_constant, v->doc = value->doc, v->opaque_type = value->opaque_type;
    v->is_outer_ = value->is_outer_;
    values[value.get()] = v;
  }
  for (const Value* v : constants_) copy->constants_.push_back(values.at(v));
  for (const Value* v : inputs_) copy->add_input(values.at(v));
  for (const Value* v : outputs_) copy->add_output(values.at(v));

  auto mapped = [&](const std::vector<Value*>& from) {
    std::vector<Value*> to;
    for (Value* v : from) to.push_back(v ? values.at(v) : nullptr);
    return to;
  };
  std::unordered_map<const TensorQuant*, TensorQuantPtr> quants;
  auto mapped_quants = [&](const std::vector<TensorQuantPtr>& from) {
    std::vector<TensorQuantPtr> to;
    for (const auto& quant : from) {
      if (!quant) {
        to.push_back(nullptr);
        continue;
      }
      TensorQuantPtr& place = quants[quant.get()];
      if (!place) place = std::make_shared<TensorQuant>(*quant);
      to.push_back(place);
    }
    return to;
  };
  for (const auto& node : nodes_) {
    Node* n = copy->add_node(node->op_type, node->name, mapped(node->inputs_), mapped(node->outputs_));
    n->domain = node->domain, n->overload = node->overload, n->doc = node->doc, n->metadata = node->metadata;
    n->dispatch = node->dispatch, n->quantized = node->quantized;
    for (const auto& [key, value] : node->attributes) n->attributes.set(key, clone_attribute(value));
    n->input_quant = mapped_quants(node->input_quant);
    n->output_quant = mapped_quants(node->output_quant);
  }
  return copy;
}

}  // namespace ppq
