#include "graph/split_output.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "ppq/error.h"

namespace ppq {
namespace {

std::vector<int64_t> numbers_of(const at::Tensor& constant) {
  const at::Tensor flat = constant.to(at::kLong).reshape({-1}).contiguous();
  return {flat.const_data_ptr<int64_t>(), flat.const_data_ptr<int64_t>() + flat.numel()};
}

/// What a step of the join does, in numbers; nullopt where it is none, or not known before the network runs.
std::optional<std::vector<int64_t>> numbers_of(const Node& node) {
  if (node.is("Identity")) return std::vector<int64_t>();
  if (node.is("Concat")) return std::vector<int64_t>{node.attributes.get_int("axis", 0)};
  if (node.is("Flatten")) return std::vector<int64_t>{node.attributes.get_int("axis", 1)};
  if (node.is("Transpose")) return node.attributes.get_ints("perm");
  if (node.is("Reshape") && (!node.constant_input(1).defined() || node.attributes.get_int("allowzero", 0) != 0)) return std::nullopt;
  if (!node.is("Reshape") && !node.is("Squeeze") && !node.is("Unsqueeze")) return std::nullopt;
  if (!node.input(1)) return node.attributes.get_ints("axes");
  return node.constant_input(1).defined() ? std::optional(numbers_of(node.constant_input(1))) : std::nullopt;
}

/// Which values a join goes through.
class Join {
 public:
  explicit Join(const Value& end) {
    struct Open {
      const Node* node;
      size_t next;
    };
    std::vector<Open> open;
    std::unordered_set<const Node*> seen;
    const auto enter = [&](const Value* value) {
      const Node* node = value ? inside(*value) : nullptr;
      if (!node && value && std::find(parts.begin(), parts.end(), value) == parts.end()) parts.push_back(value);
      if (node && seen.insert(node).second) open.push_back({node, 0});
    };
    enter(&end);
    while (!open.empty()) {
      const Node& node = *open.back().node;
      const size_t inputs = node.is("Concat") ? node.inputs().size() : 1, next = open.back().next++;
      if (next < inputs) {
        enter(node.input(next));
      } else {
        nodes.push_back(&node);
        open.pop_back();
      }
    }
  }

  std::vector<const Value*> parts;
  std::vector<const Node*> nodes;  ///< in order of execution

 private:
  /// The node that makes `value`, where it is a Concat or moves what one makes.
  const Node* inside(const Value& value) {
    std::vector<const Node*> movers;
    for (const Value* at = &value; at && at->producer();) {
      const Node* node = at->producer();
      if (!numbers_of(*node)) return nullptr;
      if (node->is("Concat") || inside_.count(node)) {
        inside_.insert(movers.begin(), movers.end());
        return value.producer();
      }
      movers.push_back(node);
      at = node->input(0);
    }
    return nullptr;
  }

  std::unordered_set<const Node*> inside_;
};

bool can_be_output(const Value& part) { return part.producer() && part.dtype != DataType::Undefined; }

void check_part(const Value& part, const std::string& output, const std::string& option) {
  if (can_be_output(part)) return;
  const char* what = part.is_constant() ? "is a constant" : part.is_graph_input() ? "is an input of the network" : "has no known type";
  throw Error(ErrorKind::Unsupported, option,
              "part '" + part.name() + "' of output '" + output + "' " + what + ", and cannot be an output");
}

}  // namespace

std::vector<const Node*> joined_by(const Value& value) {
  Join join(value);
  const bool known = std::all_of(join.parts.begin(), join.parts.end(), [](const Value* part) { return can_be_output(*part); });
  return known ? std::move(join.nodes) : std::vector<const Node*>();
}

OutputSplit split_output(Graph& graph, const std::string& name, const std::string& option) {
  std::vector<std::string> names;
  for (const Value* value : graph.outputs()) names.push_back(value->name());
  if (std::find(names.begin(), names.end(), name) == names.end())
    throw Error(ErrorKind::Usage, option, "the model has no output '" + name + "'", did_you_mean(name, names));
  Value* output = graph.find_value(name);
  const Join join(*output);
  if (join.nodes.empty())
    throw Error(ErrorKind::Usage, option,
                "no Concat makes output '" + name + "'" +
                    (output->producer() ? ": it comes from '" + output->producer()->name + "' (" + output->producer()->op_type + ")" : ""));
  OutputSplit split{name, {}, {}};
  std::vector<Value*> parts;
  for (const Value* part : join.parts) {
    check_part(*part, name, option);
    split.parts.push_back(part->name());
    parts.push_back(graph.find_value(part->name()));
  }
  for (const Node* node : join.nodes) {
    OutputSplit::Step step{node->op_type, {}, node->output()->name(), *numbers_of(*node)};
    for (size_t i = 0; i < (node->is("Concat") ? node->inputs().size() : 1); ++i) step.inputs.push_back(node->input(i)->name());
    split.steps.push_back(std::move(step));
  }
  graph.replace_output(output, parts);
  return split;
}

}  // namespace ppq
