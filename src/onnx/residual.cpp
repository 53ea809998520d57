#include "onnx/residual.h"

#include "onnx/attributes.h"
#include "ppq/error.h"

namespace ppq {
namespace {

onnx::TensorProto rest_of(const onnx::TensorProto& tensor) {
  onnx::TensorProto rest;
  if (tensor.has_name()) rest.set_name(tensor.name());
  if (tensor.has_doc_string()) rest.set_doc_string(tensor.doc_string());
  *rest.mutable_metadata_props() = tensor.metadata_props();
  rest.mutable_unknown_fields()->MergeFrom(tensor.unknown_fields());
  return rest;
}

onnx::AttributeProto rest_of(const onnx::AttributeProto& attribute) {
  onnx::AttributeProto rest;
  if (attribute.has_doc_string()) rest.set_doc_string(attribute.doc_string());
  rest.mutable_unknown_fields()->MergeFrom(attribute.unknown_fields());
  if (attribute.has_t()) *rest.mutable_t() = rest_of(attribute.t());
  for (const auto& tensor : attribute.tensors()) *rest.add_tensors() = rest_of(tensor);
  if (rest.has_t() && rest.t().ByteSizeLong() == 0) rest.clear_t();
  return rest;
}

onnx::NodeProto rest_of(const onnx::NodeProto& node) {
  onnx::NodeProto rest;
  *rest.mutable_device_configurations() = node.device_configurations();
  rest.mutable_unknown_fields()->MergeFrom(node.unknown_fields());
  for (const auto& attribute : node.attribute()) {
    onnx::AttributeProto attribute_rest = rest_of(attribute);
    if (attribute_rest.ByteSizeLong() == 0) continue;
    attribute_rest.set_name(attribute.name());
    *rest.add_attribute() = std::move(attribute_rest);
  }
  return rest;
}

void collect(const onnx::GraphProto& graph, std::vector<onnx::GraphProto>& all) {
  all.push_back(graph_residual(graph));
  for (const auto& node : graph.node())
    for (const auto& attribute : node.attribute()) {
      if (!attribute.ref_attr_name().empty()) continue;
      if (type_of(attribute) == onnx::AttributeProto::GRAPH) collect(attribute.g(), all);
      if (type_of(attribute) == onnx::AttributeProto::GRAPHS)
        for (const auto& body : attribute.graphs()) collect(body, all);
    }
}

template <class Proto>
Proto extra_of(const Graph& graph, const char* type) {
  Proto proto;
  for (const Opaque& extra : graph.extras)
    if (extra.type == type && !proto.ParseFromString(extra.bytes))
      throw Error(ErrorKind::Internal, "graph " + graph.name, std::string("its extra ") + type + " is damaged");
  return proto;
}

template <class Proto>
void keep(const Proto& residual, Graph& graph, const char* type) {
  if (residual.ByteSizeLong() > 0) graph.extras.push_back({type, residual.SerializeAsString()});
}

}  // namespace

onnx::GraphProto graph_residual(const onnx::GraphProto& graph) {
  onnx::GraphProto rest;
  *rest.mutable_quantization_annotation() = graph.quantization_annotation();
  *rest.mutable_metadata_props() = graph.metadata_props();
  *rest.mutable_value_info() = graph.value_info();
  *rest.mutable_input() = graph.input();
  *rest.mutable_output() = graph.output();
  rest.mutable_unknown_fields()->MergeFrom(graph.unknown_fields());
  for (const auto& node : graph.node()) {
    onnx::NodeProto node_rest = rest_of(node);
    if (node_rest.ByteSizeLong() == 0) continue;
    node_rest.set_name(node.name());
    *rest.add_node() = std::move(node_rest);
  }
  for (const auto& initializer : graph.initializer()) {
    onnx::TensorProto tensor_rest = rest_of(initializer);
    if (tensor_rest.has_doc_string() || tensor_rest.metadata_props_size() || !tensor_rest.unknown_fields().empty())
      *rest.add_initializer() = std::move(tensor_rest);
  }
  return rest;
}

std::vector<onnx::GraphProto> graph_residuals(const onnx::GraphProto& graph) {
  std::vector<onnx::GraphProto> all;
  collect(graph, all);
  return all;
}

onnx::ModelProto model_residual(const onnx::ModelProto& model) {
  onnx::ModelProto rest;
  *rest.mutable_training_info() = model.training_info();
  *rest.mutable_functions() = model.functions();
  *rest.mutable_configuration() = model.configuration();
  rest.mutable_unknown_fields()->MergeFrom(model.unknown_fields());
  return rest;
}

onnx::GraphProto graph_residual_of(const Graph& graph) { return extra_of<onnx::GraphProto>(graph, "GraphProto"); }
onnx::ModelProto model_residual_of(const Graph& graph) { return extra_of<onnx::ModelProto>(graph, "ModelProto"); }
void keep_residual(const onnx::GraphProto& residual, Graph& graph) { keep(residual, graph, "GraphProto"); }
void keep_residual(const onnx::ModelProto& residual, Graph& graph) { keep(residual, graph, "ModelProto"); }

}  // namespace ppq
