#include "passes/cleanup/rewrite.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>

namespace ppq::passes {

std::optional<std::vector<int64_t>> static_sizes(const Value* value) {
  if (!value || !value->shape) return std::nullopt;
  std::vector<int64_t> sizes;
  for (const Dim& dim : *value->shape) {
    if (!dim.known()) return std::nullopt;
    sizes.push_back(dim.value);
  }
  return sizes;
}

int64_t rank_of(const Value* value) { return value && value->shape ? static_cast<int64_t>(value->shape->size()) : -1; }

void put_constant(Graph& graph, Node* node, size_t index, at::Tensor tensor, const std::string& name, const Pinned& pinned) {
  Value* present = node->input(index);
  if (present && present->is_constant() && !present->is_graph_input() && only_reader(present, pinned)) {
    present->set_constant(std::move(tensor));
    return;
  }
  graph.set_input(node, index, graph.add_constant(graph.unique_name(name), std::move(tensor)));
}

void absorb_reader(Graph& graph, Node* first, Node* second) {
  Value* between = first->output(0);
  Value* result = second->output(0);
  graph.remove_node(second);
  graph.set_outputs(first, {result});
  graph.remove_value(between);
}

Node* put_in_place(Graph& graph, const std::vector<Node*>& nodes, const std::string& type, const std::vector<Value*>& inputs,
                   const Pinned& pinned) {
  Node* last = nodes.back();
  const std::string name = last->name;
  Value* result = last->output();
  const std::vector<Node*> order = graph.nodes();
  const auto place = std::find(order.begin(), order.end(), last);
  Node* next = place + 1 == order.end() ? nullptr : place[1];
  std::set<Value*> constants;
  for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
    Value* output = (*node)->output();
    for (Value* value : (*node)->inputs())
      if (value && value->is_constant() && !value->is_graph_input() && !pinned(value)) constants.insert(value);
    graph.remove_node(*node);
    if (output != result) graph.remove_value(output);
  }
  Node* node = graph.add_node(type, name, inputs, {result}, next);
  for (Value* value : constants)
    if (value->uses().empty()) graph.remove_value(value);
  return node;
}

at::Tensor float_constant(const Node& node, size_t index) {
  const at::Tensor tensor = node.constant_input(index);
  return tensor.defined() && tensor.is_floating_point() ? tensor : at::Tensor();
}

at::ScalarType data_type(const Node& node, size_t index) {
  const Value* data = node.input(0);
  const bool known = data && has_scalar_type(data->dtype) && at::isFloatingType(to_scalar_type(data->dtype));
  return known ? to_scalar_type(data->dtype) : node.constant_input(index).scalar_type();
}

bool fits(const at::Tensor& values, at::ScalarType type) {
  constexpr double kMostLost = 1e-4;  // noise over signal; float16 loses 1e-7 where it is not at its ends
  if (type == at::kFloat || type == at::kDouble) return true;
  const at::Tensor rounded = values.to(type).to(at::kDouble);
  if (!at::isfinite(rounded).all().item<bool>()) return !at::isfinite(values).all().item<bool>();
  return (rounded - values).square().sum().item<double>() <= kMostLost * values.square().sum().item<double>();
}

bool is_per_channel(const at::Tensor& tensor, int64_t rank, int64_t axis, int64_t channels) {
  if (tensor.dim() > rank) return false;
  for (int64_t i = 0; i < tensor.dim(); ++i) {
    const int64_t place = rank - tensor.dim() + i;
    if (tensor.size(i) != 1 && (place != axis || tensor.size(i) != channels)) return false;
  }
  return true;
}

at::Tensor per_channel(const at::Tensor& tensor, int64_t channels) {
  return tensor.to(at::kDouble).reshape({-1}).expand({channels}).contiguous();
}

}  // namespace ppq::passes
