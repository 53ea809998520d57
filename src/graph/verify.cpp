#include <algorithm>
#include <unordered_set>

#include "ppq/error.h"
#include "ppq/graph.h"

namespace ppq {
namespace {

[[noreturn]] void fault(const std::string& where, const std::string& what) {
  throw Error(ErrorKind::Internal, where, "graph is inconsistent: " + what);
}

}  // namespace

void Graph::verify() const {
  std::unordered_set<const Value*> known, available;
  for (const auto& value : values_) {
    known.insert(value.get());
    auto it = by_name_.find(value->name());
    if (it == by_name_.end() || it->second != value.get()) fault("value " + value->name(), "the name index misses it");
    if (value->is_graph_input() || value->is_constant() || value->is_outer()) available.insert(value.get());
  }
  if (by_name_.size() != values_.size()) fault("graph " + name, "the name index has strangers");
  std::unordered_set<std::string> names;
  for (const auto& node : nodes_) {
    if (!names.insert(node->name).second) fault("node " + node->name, "the name is used twice");
    for (const Value* v : implicit_and_explicit_inputs(*node)) {
      if (!known.count(v)) fault("node " + node->name, "an input belongs to another graph");
      if (!available.count(v)) fault("node " + node->name, "input " + v->name() + " is not computed before");
    }
    for (size_t i = 0; i < node->inputs_.size(); ++i) {
      const Value* v = node->inputs_[i];
      if (v && std::none_of(v->uses_.begin(), v->uses_.end(), [&](const Use& u) { return u.node == node.get() && u.index == i; }))
        fault("node " + node->name, "input " + v->name() + " does not know this use");
    }
    for (size_t i = 0; i < node->outputs_.size(); ++i) {
      const Value* v = node->outputs_[i];
      if (!v) continue;
      if (!known.count(v)) fault("node " + node->name, "an output belongs to another graph");
      if (v->producer_ != node.get() || v->producer_index_ != i)
        fault("node " + node->name, "output " + v->name() + " has another producer");
      available.insert(v);
    }
    if (node->input_quant.size() > node->inputs_.size() || node->output_quant.size() > node->outputs_.size())
      fault("node " + node->name, "more quantization slots than inputs or outputs");
  }
  for (const auto& value : values_)
    for (const Use& use : value->uses_)
      if (use.node->input(use.index) != value.get()) fault("value " + value->name(), "a use does not read it");
  for (const Value* v : outputs_)
    if (!available.count(v)) fault("value " + v->name(), "graph output is never computed");
}

}  // namespace ppq
