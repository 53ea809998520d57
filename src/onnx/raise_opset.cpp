#include "onnx/raise_opset.h"

#include <ATen/ATen.h>
#include <onnx/defs/schema.h>

#include <algorithm>
#include <set>

#include "ppq/error.h"

namespace ppq {
namespace {

using onnx::AttributeProto;
using onnx::OpSchema;

class Raise {
 public:
  Raise(Graph& graph, int64_t from, int64_t to) : graph_(graph), from_(from), to_(to) {}

  void run() {
    for (Node* node : graph_.nodes())
      if (node->domain.empty() || node->domain == "ai.onnx") raise(*node);
  }

 private:
  [[noreturn]] void fail(const Node& node, const std::string& why) const {
    throw Error(ErrorKind::Unsupported, "node " + node.name,
                node.op_type + " of opset " + std::to_string(from_) + " cannot be said in opset " + std::to_string(to_) + ": " + why,
                "export the model with opset " + std::to_string(to_));
  }

  bool within(int64_t version) const { return from_ < version && version <= to_; }

  void raise(Node& node) {
    for (const auto& [name, value] : node.attributes)
      if (std::holds_alternative<std::shared_ptr<Graph>>(value) || std::holds_alternative<std::vector<std::shared_ptr<Graph>>>(value))
        fail(node, "it has a graph of its own");
    move_attributes(node);
    const OpSchema *old = schema(node, from_), *now = schema(node, to_);
    if (!old || !now) fail(node, "it is not there any more");
    if (old->SinceVersion() == now->SinceVersion()) return;
    if (now->Deprecated()) fail(node, "it is not there any more");
    changed_meaning(node);
    for (const auto& [name, value] : node.attributes)
      if (!now->attributes().count(name)) fail(node, "it has no attribute '" + name + "' any more");
    for (const auto& [name, attribute] : old->attributes()) {
      const auto later = now->attributes().find(name);
      if (later == now->attributes().end() || node.attributes.has(name)) continue;
      if (attribute.default_value.SerializeAsString() != later->second.default_value.SerializeAsString())
        fail(node, "'" + name + "' is something else now where it is not given");
    }
    for (const auto& [name, attribute] : now->attributes())
      if (attribute.required && !node.attributes.has(name)) fail(node, "it needs an attribute '" + name + "'");
    if (static_cast<int>(node.inputs().size()) < now->min_input() || static_cast<int>(node.inputs().size()) > now->max_input() ||
        static_cast<int>(node.outputs().size()) > now->max_output())
      fail(node, "it takes other inputs, or gives other outputs");
  }

  const OpSchema* schema(const Node& node, int64_t opset) const {
    return onnx::OpSchemaRegistry::Schema(node.op_type, static_cast<int>(opset), "");
  }

  void append(Node& node, size_t index, const char* name, const at::Tensor& constant) {
    std::vector<Value*> inputs = node.inputs();
    inputs.resize(std::max(inputs.size(), index + 1));
    inputs[index] = graph_.add_constant(graph_.unique_name(node.name + "_" + name), constant);
    graph_.set_inputs(&node, inputs);
  }

  /// Integers of attribute `name` become input `index`.
  void move(Node& node, const char* name, size_t index) {
    const std::vector<int64_t> values = node.attributes.get_ints(name);
    if (!node.attributes.has(name)) return;
    append(node, index, name, at::tensor(values, at::kLong));
    node.attributes.erase(name);
  }

  void move_attributes(Node& node) {
    static const std::set<std::string> kReductions = {"ReduceMean", "ReduceMax",    "ReduceMin",       "ReduceProd",     "ReduceL1",
                                                      "ReduceL2",   "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"};
    if (within(13) && (node.is("Squeeze") || node.is("Unsqueeze") || node.is("ReduceSum"))) move(node, "axes", 1);
    if (within(18) && kReductions.count(node.op_type)) move(node, "axes", 1);
    if (within(13) && node.is("Split")) move(node, "split", 1);
    if (within(18) && node.is("Split") && node.inputs().size() < 2)
      node.attributes.set("num_outputs", static_cast<int64_t>(node.outputs().size()));
    if (within(11) && node.is("Clip")) {
      const at::ScalarType type =
          node.output() && has_scalar_type(node.output()->dtype) ? to_scalar_type(node.output()->dtype) : at::kFloat;
      size_t index = 1;
      for (const char* name : {"min", "max"}) {
        if (node.attributes.has(name)) append(node, index, name, at::scalar_tensor(node.attributes.get_float(name, 0), type));
        node.attributes.erase(name);
        ++index;
      }
    }
    if (within(11) && node.is("Pad")) {
      const at::ScalarType type =
          node.output() && has_scalar_type(node.output()->dtype) ? to_scalar_type(node.output()->dtype) : at::kFloat;
      move(node, "pads", 1);
      if (node.attributes.has("value")) append(node, 2, "value", at::scalar_tensor(node.attributes.get_float("value", 0), type));
      node.attributes.erase("value");
    }
  }

  /// Operators whose signature says nothing of what changed.
  void changed_meaning(const Node& node) const {
    // Before 13 the axes from `axis` on were one.
    if (within(13) && (node.is("Softmax") || node.is("LogSoftmax") || node.is("Hardmax"))) {
      const Value* x = node.input(0);
      const int64_t axis = node.attributes.get_int("axis", 1);
      const bool known = x && x->shape;
      if (!known || (axis != -1 && axis != std::ssize(*x->shape) - 1)) fail(node, "'axis' means one axis now");
      if (!node.attributes.has("axis")) fail(node, "'axis' is something else now where it is not given");
    }
    if (within(11) && node.is("Resize")) fail(node, "places are counted otherwise");
    if (within(14) && node.is("BatchNormalization") && node.outputs().size() > 1) fail(node, "its further outputs mean something else");
    if (within(9) && node.is("BatchNormalization")) fail(node, "it was computed for training");
  }

  Graph& graph_;
  int64_t from_, to_;
};

}  // namespace

void raise_opset(Graph& graph, int64_t opset) {
  const int64_t from = graph.opset();
  if (from >= opset) return;
  Raise(graph, from, opset).run();
  for (auto& [domain, version] : graph.opsets)
    if (domain.empty() || domain == "ai.onnx") version = opset;
  // FP8 and opset 19 came with it.
  if (opset >= 19) graph.ir_version = std::max<int64_t>(graph.ir_version, 9);
}

}  // namespace ppq
