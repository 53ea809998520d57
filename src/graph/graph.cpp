#include "ppq/graph.h"

#include <algorithm>

#include "graph/readers.h"
#include "ppq/error.h"

namespace ppq {

void Value::set_constant(at::Tensor tensor) {
  dtype = to_data_type(tensor.scalar_type());
  shape.emplace();
  for (int64_t size : tensor.sizes()) shape->push_back({size, ""});
  constant_ = tensor.contiguous();
}

at::Tensor Node::constant_input(size_t i) const {
  const Value* value = input(i);
  return value ? value->constant() : at::Tensor();
}

int64_t Graph::opset(std::string_view domain) const {
  if (domain == "ai.onnx") domain = "";
  for (const auto& [name, version] : opsets)
    if (name == domain || (domain.empty() && name == "ai.onnx")) return version;
  return 0;
}

std::vector<Node*> Graph::nodes() const {
  std::vector<Node*> all;
  all.reserve(nodes_.size());
  for (const auto& node : nodes_) all.push_back(node.get());
  return all;
}

std::vector<Value*> Graph::values() const {
  std::vector<Value*> all;
  all.reserve(values_.size());
  for (const auto& value : values_) all.push_back(value.get());
  return all;
}

Value* Graph::find_value(std::string_view value_name) const {
  auto it = by_name_.find(std::string(value_name));
  return it == by_name_.end() ? nullptr : it->second;
}

Node* Graph::find_node(std::string_view node_name) const {
  const auto it = nodes_by_name_.find(node_name);
  return it == nodes_by_name_.end() ? nullptr : it->second;
}

std::string Graph::unique_name(const std::string& base) const {
  const auto numbered = [&](size_t i) { return i ? base + "_" + std::to_string(i) : base; };
  const auto is_taken = [&](size_t i) { return find_value(numbered(i)) || find_node(numbered(i)); };
  if (!is_taken(0)) return base;
  // Numbers are given out one after the other: doubling, then halving, finds where they end.
  size_t taken = 0, free = 1;
  while (is_taken(free)) taken = free, free *= 2;
  while (free - taken > 1) {
    const size_t middle = taken + (free - taken) / 2;
    (is_taken(middle) ? taken : free) = middle;
  }
  return numbered(free);
}

Value* Graph::add_value(const std::string& value_name) {
  if (value_name.empty()) throw Error(ErrorKind::Internal, "graph " + name, "a value needs a name");
  auto value = std::make_unique<Value>();
  value->name_ = value_name;
  if (!by_name_.emplace(value_name, value.get()).second) throw Error(ErrorKind::Model, "value " + value_name, "defined twice");
  values_.push_back(std::move(value));
  return values_.back().get();
}

Value* Graph::add_constant(const std::string& value_name, at::Tensor tensor) {
  Value* value = add_value(value_name);
  value->set_constant(std::move(tensor));
  constants_.push_back(value);
  return value;
}

Value* Graph::add_outer_value(const std::string& value_name) {
  Value* value = add_value(value_name);
  value->is_outer_ = true;
  return value;
}

void Graph::add_input(Value* value) {
  value->is_input_ = true;
  inputs_.push_back(value);
}

void Graph::add_output(Value* value) {
  value->is_output_ = true;
  outputs_.push_back(value);
}

void Graph::remove_input(Value* value) {
  std::erase(inputs_, value);
  value->is_input_ = false;
}

void Graph::replace_output(Value* output, const std::vector<Value*>& values) {
  auto place = std::find(outputs_.begin(), outputs_.end(), output);
  if (place == outputs_.end()) throw Error(ErrorKind::Internal, "value " + output->name_, "is no output");
  place = outputs_.erase(place);
  output->is_output_ = std::find(outputs_.begin(), outputs_.end(), output) != outputs_.end();
  for (Value* value : values) {
    if (value->is_output_) continue;
    value->is_output_ = true;
    place = outputs_.insert(place, value) + 1;
  }
}

void Graph::link(Node* node) {
  // Refuse before anything is linked: a refused node must leave no trace.
  for (const Value* v : node->outputs_)
    if (v && (v->producer_ || v->is_constant()))
      throw Error(ErrorKind::Model, "value " + v->name_,
                  "is written by two nodes: " + (v->producer_ ? v->producer_->name : std::string("an initializer")) + " and " + node->name);
  for (size_t i = 0; i < node->inputs_.size(); ++i)
    if (Value* v = node->inputs_[i]) v->uses_.push_back({node, i});
  for (size_t i = 0; i < node->outputs_.size(); ++i)
    if (Value* v = node->outputs_[i]) {
      v->producer_ = node;
      v->producer_index_ = i;
    }
}

void Graph::unlink(Node* node) {
  for (Value* v : node->inputs_)
    if (v) std::erase_if(v->uses_, [&](const Use& use) { return use.node == node; });
  for (Value* v : node->outputs_)
    if (v) v->producer_ = nullptr;
}

Node* Graph::add_node(std::string op_type, std::string node_name, std::vector<Value*> inputs, std::vector<Value*> outputs, Node* before) {
  auto node = std::make_unique<Node>(std::move(node_name));
  node->op_type = std::move(op_type);
  node->inputs_ = std::move(inputs);
  node->outputs_ = std::move(outputs);
  link(node.get());
  nodes_by_name_.emplace(node->name, node.get());
  auto place = nodes_.end();
  if (before) place = std::find_if(nodes_.begin(), nodes_.end(), [&](auto& n) { return n.get() == before; });
  return nodes_.insert(place, std::move(node))->get();
}

void Graph::remove_node(Node* node) {
  unlink(node);
  const auto [first, last] = nodes_by_name_.equal_range(node->name);
  nodes_by_name_.erase(std::find_if(first, last, [&](const auto& entry) { return entry.second == node; }));
  std::erase_if(nodes_, [&](const auto& n) { return n.get() == node; });
}

void Graph::remove_value(Value* value) {
  if (value->producer_ || !value->uses_.empty() || value->is_input_ || value->is_output_)
    throw Error(ErrorKind::Internal, "value " + value->name_, "cannot be removed: it is still in use");
  by_name_.erase(value->name_);
  std::erase(constants_, value);
  std::erase_if(values_, [&](const auto& v) { return v.get() == value; });
}

void Graph::set_input(Node* node, size_t index, Value* value) {
  if (index >= node->inputs_.size()) node->inputs_.resize(index + 1, nullptr);
  if (Value* old = node->inputs_[index]) std::erase_if(old->uses_, [&](const Use& use) { return use.node == node && use.index == index; });
  node->inputs_[index] = value;
  if (value) value->uses_.push_back({node, index});
}

void Graph::set_inputs(Node* node, std::vector<Value*> inputs) {
  for (size_t i = 0; i < node->inputs_.size(); ++i) set_input(node, i, nullptr);
  node->inputs_.assign(inputs.size(), nullptr);
  for (size_t i = 0; i < inputs.size(); ++i) set_input(node, i, inputs[i]);
}

void Graph::set_outputs(Node* node, std::vector<Value*> outputs) {
  for (Value* v : node->outputs_)
    if (v) v->producer_ = nullptr;
  node->outputs_ = std::move(outputs);
  for (size_t i = 0; i < node->outputs_.size(); ++i)
    if (Value* v = node->outputs_[i]) {
      v->producer_ = node;
      v->producer_index_ = i;
    }
}

void Graph::replace_uses(Value* from, Value* to) {
  if (from == to) return;
  const std::vector<Use> uses = from->uses_;
  for (const Use& use : uses) set_input(use.node, use.index, to);
  if (from->is_output_) {
    std::replace(outputs_.begin(), outputs_.end(), from, to);
    from->is_output_ = false;
    to->is_output_ = true;
  }
}

void Graph::rename(Value* value, const std::string& new_name) {
  if (value->name_ == new_name) return;
  if (by_name_.count(new_name)) throw Error(ErrorKind::Internal, "value " + value->name_, "name " + new_name + " is taken");
  by_name_.erase(value->name_);
  value->name_ = new_name;
  by_name_.emplace(new_name, value);
}

void Graph::make_constant(Value* value, at::Tensor tensor) {
  if (Node* node = value->producer_) {
    node->outputs_[value->producer_index_] = nullptr;
    value->producer_ = nullptr;
  }
  value->set_constant(std::move(tensor));
  if (std::find(constants_.begin(), constants_.end(), value) == constants_.end()) constants_.push_back(value);
}

bool Graph::bypass(Node* node) {
  Value* in = node->input(0);
  Value* out = node->output(0);
  if (!in || !out) return false;
  if (out->is_output_) {
    // The graph output keeps its name, so the joined value takes it: impossible when `in` must keep its own.
    if (in->is_input_ || in->is_output_ || in->is_outer_ || in->is_constant()) return false;
    const std::string output_name = out->name_;
    const auto position = std::find(outputs_.begin(), outputs_.end(), out) - outputs_.begin();
    remove_node(node);
    out->is_output_ = false;
    const std::vector<Use> uses = out->uses_;
    for (const Use& use : uses) set_input(use.node, use.index, in);
    outputs_[position] = in;
    in->is_output_ = true;
    if (out->shape && !in->shape) in->shape = out->shape;
    remove_value_from_outputs(out, in);
    remove_value(out);
    rename(in, output_name);
    return true;
  }
  remove_node(node);
  replace_uses(out, in);
  remove_value(out);
  return true;
}

void Graph::remove_value_from_outputs(Value* from, Value* to) {
  for (Value*& output : outputs_)
    if (output == from) output = to;
}

void Graph::sort() {
  std::unordered_map<const Node*, size_t> waiting;
  std::vector<std::unique_ptr<Node>> sorted;
  sorted.reserve(nodes_.size());
  // A stable Kahn sweep: take nodes in their present order as soon as everything they read is there.
  for (const auto& node : nodes_) {
    size_t count = 0;
    for (Value* v : implicit_and_explicit_inputs(*node))
      if (v->producer_) ++count;
    waiting[node.get()] = count;
  }
  std::unordered_map<const Node*, size_t> index;
  for (size_t i = 0; i < nodes_.size(); ++i) index[nodes_[i].get()] = i;
  std::map<size_t, Node*> ready;
  for (const auto& node : nodes_)
    if (waiting[node.get()] == 0) ready.emplace(index[node.get()], node.get());
  std::unordered_map<const Value*, std::vector<Node*>> readers;
  for (const auto& node : nodes_)
    for (Value* v : implicit_and_explicit_inputs(*node)) readers[v].push_back(node.get());
  while (!ready.empty()) {
    Node* node = ready.begin()->second;
    const size_t at = ready.begin()->first;
    ready.erase(ready.begin());
    sorted.push_back(std::move(nodes_[at]));
    for (Value* out : node->outputs_)
      if (out)
        for (Node* reader : readers[out])
          if (--waiting[reader] == 0) ready.emplace(index[reader], reader);
  }
  if (sorted.size() != index.size()) {
    std::string cycle;
    for (auto& node : nodes_) {
      if (node) {
        if (cycle.size() < 200) cycle += (cycle.empty() ? "" : ", ") + node->name;
        sorted.push_back(std::move(node));
      }
    }
    nodes_ = std::move(sorted);
    throw Error(ErrorKind::Model, "graph " + name, "nodes form a cycle or read values that are never written: " + cycle);
  }
  nodes_ = std::move(sorted);
}

std::vector<Value*> Graph::implicit_and_explicit_inputs(const Node& node) const {
  std::vector<Value*> all;
  for (Value* v : node.inputs_)
    if (v) all.push_back(v);
  for (const Graph* body : sub_graphs(node))
    for (const std::string& outer : body->outer_names())
      if (Value* v = find_value(outer)) all.push_back(v);
  return all;
}

std::vector<std::string> Graph::outer_names() const {
  std::vector<std::string> names;
  for (const auto& value : values_)
    if (value->is_outer_) names.push_back(value->name_);
  for (const auto& node : nodes_)
    for (const Graph* body : sub_graphs(*node))
      for (const std::string& inner : body->outer_names())
        if (!by_name_.count(inner)) names.push_back(inner);
  return names;
}

}  // namespace ppq
