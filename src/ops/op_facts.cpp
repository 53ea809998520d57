#include "ops/op_facts.h"

#include <algorithm>
#include <unordered_map>

#include "ops/op.h"

namespace ppq {
namespace {

using Facts = std::unordered_map<std::string_view, OpFacts>;  // by operator

/// By domain. Rows of one operator state the same facts (the table's test sees to it), so any of them will do.
std::unordered_map<std::string_view, Facts> collect() {
  std::unordered_map<std::string_view, Facts> all;
  for (const ops::OpRow& row : ops::all_ops()) all[row.domain].emplace(row.type, row.facts);
  return all;
}

char letter(std::string_view letters, size_t index) { return letters.empty() ? 'd' : letters[std::min(index, letters.size() - 1)]; }

/// One number a column, or one for all.
bool is_row(const at::Tensor& tensor) { return tensor.defined() && tensor.numel() == (tensor.dim() == 0 ? 1 : tensor.size(-1)); }

Socket socket_of(char letter) {
  switch (letter) {
    case 'f':
    case 'l':
      return Socket::Float;
    case 's':
      return Socket::ShapeOrIndex;
    default:
      return Socket::Quantizable;
  }
}

}  // namespace

const OpFacts& op_facts(const Node& node) {
  static const auto all = collect();
  static constexpr OpFacts kUnknown{OpKind::Computation, "d", "d"};
  const auto domain = all.find(node.domain == "ai.onnx" ? std::string_view() : std::string_view(node.domain));
  if (domain == all.end()) return kUnknown;
  const auto found = domain->second.find(node.op_type);
  return found == domain->second.end() ? kUnknown : found->second;
}

Socket input_socket(const Node& node, size_t index) { return socket_of(letter(op_facts(node).inputs, index)); }
Socket output_socket(const Node& node, size_t index) { return socket_of(letter(op_facts(node).outputs, index)); }

bool carries_value(const Node& node, size_t index) {
  return op_facts(node).kind != OpKind::Description && input_socket(node, index) == Socket::Quantizable;
}

bool is_computing(const Node& node) { return op_facts(node).kind == OpKind::Layer; }
bool is_matrix_product(const Node& node) { return is_computing(node) && op_facts(node).traits.channel_axis == -1; }
bool is_activation(const Node& node) { return op_facts(node).kind == OpKind::Activation; }

bool is_passive(const Node& node) {
  const OpFacts& facts = op_facts(node);
  return facts.kind == OpKind::Movement && (!facts.traits.moves_if || facts.traits.moves_if(node));
}

bool is_scale_free(const Node& node) { return op_facts(node).traits.scale_free; }
bool is_random(const Node& node) { return op_facts(node).traits.random; }

bool is_weight(const Node& node, size_t index) { return letter(op_facts(node).inputs, index) == 'w'; }
bool is_bias(const Node& node, size_t index) {
  return letter(op_facts(node).inputs, index) == 'b' && (!is_matrix_product(node) || is_row(node.constant_input(index)));
}
bool takes_bias(const Node& node) {
  const size_t place = op_facts(node).inputs.find('b');
  if (place == std::string_view::npos) return false;
  return !node.input(place) || (is_bias(node, place) && node.constant_input(place).defined());
}
bool is_limit(const Node& node, size_t index) { return letter(op_facts(node).inputs, index) == 'l'; }

int weight_channel_axis(const Node& node, size_t input) {
  return is_weight(node, input) ? op_facts(node).traits.weight_axis(node, input) : 0;
}

int64_t output_channel_axis(const Node& node, int64_t rank) {
  const int axis = op_facts(node).traits.channel_axis;
  return axis < 0 ? rank + axis : axis;
}

bool may_be_float(const Value& value) {
  return value.dtype == DataType::Undefined || value.dtype == DataType::Float || value.dtype == DataType::Float16 ||
         value.dtype == DataType::BFloat16;
}

std::unordered_set<const Value*> empty_values(const Graph& graph) {
  std::unordered_set<const Value*> empty;
  for (const Value* value : graph.values()) {
    if (!value->shape || std::none_of(value->shape->begin(), value->shape->end(), [](const Dim& dim) { return dim.value == 0; })) continue;
    if (value->is_graph_input() && !value->is_constant()) return {};
    empty.insert(value);
  }
  return empty;
}

}  // namespace ppq
