#include "onnx/build.h"

#include <unordered_map>

#include "onnx/attributes.h"
#include "onnx/residual.h"
#include "onnx/types.h"
#include "ppq/error.h"

namespace ppq {
namespace {

std::vector<std::pair<std::string, std::string>> pairs_of(const google::protobuf::RepeatedPtrField<onnx::StringStringEntryProto>& entries) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& entry : entries) pairs.emplace_back(entry.key(), entry.value());
  return pairs;
}

/// A graph under construction and the ones around it.
struct Scope {
  Graph& graph;
  Scope* parent;

  /// The value of that name; taken from the graphs around when this one has none. Null where nothing defines it.
  Value* find(const std::string& name) {
    if (Value* value = graph.find_value(name)) return value;
    Value* outer = parent ? parent->find(name) : nullptr;
    if (!outer) return nullptr;
    Value* value = graph.add_outer_value(name);
    value->dtype = outer->dtype, value->shape = outer->shape, value->opaque_type = outer->opaque_type;
    return value;
  }
};

class Builder {
 public:
  Builder(ExternalFiles& files, std::vector<onnx::GraphProto> residuals) : files_(files), residuals_(std::move(residuals)) {}

  void build(const onnx::GraphProto& proto, std::vector<Initializer> initializers, int inputs, Graph& graph, Scope* parent) {
    keep_residual(residuals_.at(next_residual_++), graph);
    graph.name = proto.name();
    graph.doc = proto.doc_string();
    Scope scope{graph, parent};
    add_initializers(std::move(initializers), graph);
    add_inputs(proto, inputs, graph);
    // All outputs of nodes first, so that no name of this graph is looked for outside.
    std::vector<std::vector<Value*>> outputs;
    for (const auto& node : proto.node()) {
      auto& list = outputs.emplace_back();
      for (const auto& name : node.output()) list.push_back(name.empty() ? nullptr : graph.add_value(name));
    }
    for (const auto& info : proto.value_info())
      if (Value* value = graph.find_value(info.name()); value && !value->is_constant() && !value->is_graph_input()) read_type(info, *value);
    for (const auto& info : proto.output())
      if (Value* value = graph.find_value(info.name()); value && !value->is_constant() && !value->is_graph_input()) read_type(info, *value);
    for (int i = 0; i < proto.node_size(); ++i) add_node(proto.node(i), std::move(outputs[static_cast<size_t>(i)]), scope);
    for (const auto& info : proto.output()) graph.add_output(scope.find(info.name()));
  }

 private:
  static void add_initializers(std::vector<Initializer> initializers, Graph& graph) {
    for (Initializer& initializer : initializers) {
      if (initializer.data.tensor.defined()) {
        graph.add_constant(initializer.name, std::move(initializer.data.tensor));
        continue;
      }
      Value* value = graph.add_value(initializer.name);
      value->dtype = initializer.dtype;
      value->shape = std::move(initializer.shape);
      value->opaque_constant = std::move(initializer.data.opaque);
    }
  }

  static void add_inputs(const onnx::GraphProto& proto, int count, Graph& graph) {
    for (int i = 0; i < count; ++i) {
      const auto& info = proto.input(i);
      Value* value = graph.find_value(info.name());
      if (!value) {
        value = graph.add_value(info.name());
        read_type(info, *value);
      } else if (contradict(shape_of(info.type()), value->shape) ||
                 (info.type().has_tensor_type() && dtype_of(info.type()) != value->dtype)) {
        const auto shape = shape_of(info.type());
        throw Error(ErrorKind::Model, "initializer " + info.name(),
                    std::string("has another type than the graph input of its name: got ") + name_of(value->dtype) + " " +
                        to_string(*value->shape) + ", expected " + name_of(dtype_of(info.type())) + " " +
                        (shape ? to_string(*shape) : "of any shape"),
                    "export the model again");
      }
      constexpr size_t kMostDimensions = 64;  // of a tensor of LibTorch
      if (value->shape && value->shape->size() > kMostDimensions)
        throw Error(
            ErrorKind::Model, "input " + info.name(),
            "too many dimensions: got " + std::to_string(value->shape->size()) + ", expected at most " + std::to_string(kMostDimensions),
            "export the model again");
      value->doc = info.doc_string();
      graph.add_input(value);
    }
  }

  void add_node(const onnx::NodeProto& proto, std::vector<Value*> outputs, Scope& scope) {
    const std::string where = "node " + proto.name();
    std::vector<Value*> inputs;
    for (const auto& name : proto.input()) inputs.push_back(name.empty() ? nullptr : scope.find(name));
    Node* node = scope.graph.add_node(proto.op_type(), proto.name(), std::move(inputs), std::move(outputs));
    node->domain = proto.domain();
    node->overload = proto.overload();
    node->doc = proto.doc_string();
    node->metadata = pairs_of(proto.metadata_props());
    for (const auto& attribute : proto.attribute()) {
      if (node->attributes.has(attribute.name()))
        throw Error(ErrorKind::Model, where, "attribute " + attribute.name() + " is given twice", "export the model again");
      const auto read_graph = [&](const onnx::GraphProto& body) {
        return with_error_context(ErrorKind::Model, where, [&] { return subgraph(body, scope); });
      };
      node->attributes.set(attribute.name(), read_attribute(attribute, files_, read_graph, where + ", attribute " + attribute.name()));
    }
  }

  std::shared_ptr<Graph> subgraph(const onnx::GraphProto& proto, Scope& scope) {
    auto graph = std::make_shared<Graph>();
    build(proto, read_initializers(proto, files_), proto.input_size(), *graph, &scope);
    return graph;
  }

  ExternalFiles& files_;
  std::vector<onnx::GraphProto> residuals_;
  size_t next_residual_ = 0;
};

}  // namespace

std::unique_ptr<Graph> build_graph(const onnx::ModelProto& model, BuildInput input, ExternalFiles& files) {
  auto graph = std::make_unique<Graph>();
  graph->ir_version = model.ir_version();
  for (const auto& opset : model.opset_import()) graph->opsets.emplace_back(opset.domain(), opset.version());
  graph->producer_name = model.producer_name();
  graph->producer_version = model.producer_version();
  graph->model_domain = model.domain();
  graph->model_doc = model.doc_string();
  graph->model_version = model.model_version();
  graph->metadata = pairs_of(model.metadata_props());
  Builder(files, std::move(input.residuals)).build(model.graph(), std::move(input.initializers), input.inputs, *graph, nullptr);
  keep_residual(model_residual(model), *graph);
  return graph;
}

}  // namespace ppq
