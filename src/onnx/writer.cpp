#include "onnx/writer.h"

#include <unordered_map>
#include <unordered_set>

#include "onnx/attributes.h"
#include "onnx/checks.h"
#include "onnx/residual.h"
#include "onnx/types.h"
#include "ppq/error.h"

namespace ppq {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;
constexpr int64_t kFirstIrWithoutInputs = 4;

void write_pairs(const Pairs& pairs, google::protobuf::RepeatedPtrField<onnx::StringStringEntryProto>& entries) {
  for (const auto& [key, value] : pairs) {
    auto* entry = entries.Add();
    entry->set_key(key);
    entry->set_value(value);
  }
}

template <class Protos>
auto by_name(const Protos& protos) {
  std::unordered_map<std::string, const typename Protos::value_type*> map;
  for (const auto& proto : protos) map.emplace(proto.name(), &proto);
  return map;
}

/// True where `type` still says what the value's own fields say.
bool agrees(const onnx::TypeProto& type, const Value& value) {
  if (!type.has_tensor_type()) return value.opaque_type.has_value() || type.value_case() == onnx::TypeProto::VALUE_NOT_SET;
  if (value.opaque_type || dtype_of(type) != value.dtype) return false;
  const auto declared = shape_of(type);
  return !declared || declared == value.shape;
}

class Writer {
 public:
  /// Without data, weights of more than `light_bytes` become inputs of the main graph.
  Writer(TensorSink& sink, size_t light_bytes, bool initializers_are_inputs)
      : sink_(sink), light_bytes_(light_bytes), initializers_are_inputs_(initializers_are_inputs) {}

  void write(const Graph& graph, onnx::GraphProto& proto, bool main) {
    const onnx::GraphProto rest = graph_residual_of(graph);
    proto.set_name(graph.name);
    if (!graph.doc.empty()) proto.set_doc_string(graph.doc);
    *proto.mutable_metadata_props() = rest.metadata_props();
    proto.mutable_unknown_fields()->MergeFrom(rest.unknown_fields());
    write_ends(graph, rest, proto);
    write_constants(graph, rest, proto, main);
    const auto node_rests = by_name(rest.node());
    for (const Node* node : graph.nodes()) {
      const auto it = node_rests.find(node->name);
      write_node(*node, it == node_rests.end() ? onnx::NodeProto() : *it->second, *proto.add_node());
    }
    write_value_info(graph, rest, proto);
    for (const auto& annotation : rest.quantization_annotation())
      if (graph.find_value(annotation.tensor_name())) *proto.add_quantization_annotation() = annotation;
  }

 private:
  static void write_ends(const Graph& graph, const onnx::GraphProto& rest, onnx::GraphProto& proto) {
    const auto inputs = by_name(rest.input()), outputs = by_name(rest.output());
    const auto write = [](const Value& value, const auto& declared, onnx::ValueInfoProto& info) {
      const auto it = declared.find(value.name());
      if (it != declared.end()) info = *it->second;
      info.set_name(value.name());
      if (it == declared.end() || !(value.is_constant() || agrees(it->second->type(), value))) write_type(value, *info.mutable_type());
      if (value.doc.empty())
        info.clear_doc_string();
      else
        info.set_doc_string(value.doc);
    };
    for (const Value* value : graph.inputs()) write(*value, inputs, *proto.add_input());
    for (const Value* value : graph.outputs()) write(*value, outputs, *proto.add_output());
  }

  void write_constants(const Graph& graph, const onnx::GraphProto& rest, onnx::GraphProto& proto, bool main) {
    const auto rests = by_name(rest.initializer());
    for (const Value* value : graph.values()) {
      if (!value->is_constant()) continue;
      const bool skip = main && value->constant().defined() && value->constant().nbytes() > light_bytes_;
      if ((skip || (main && initializers_are_inputs_)) && !value->is_graph_input()) {
        auto* input = proto.add_input();
        input->set_name(value->name());
        write_type(*value, *input->mutable_type());
      }
      if (skip) continue;
      if (value->opaque_constant && !value->constant().defined() && value->opaque_constant->type == "SparseTensorProto") {
        auto* tensor = proto.add_sparse_initializer();
        tensor->ParseFromString(value->opaque_constant->bytes);
        tensor->mutable_values()->set_name(value->name());
        continue;
      }
      auto* tensor = proto.add_initializer();
      write_constant(*value, *tensor);
      if (const auto it = rests.find(value->name()); it != rests.end()) tensor->MergeFrom(*it->second);
      tensor->set_name(value->name());
    }
  }

  void write_constant(const Value& value, onnx::TensorProto& proto) {
    if (value.constant().defined()) return write_tensor(value.constant(), proto, sink_);
    proto.ParseFromString(value.opaque_constant->bytes);
    if (!proto.has_raw_data()) return;
    const std::string data = std::move(*proto.mutable_raw_data());
    proto.clear_raw_data();
    sink_.store(proto, data.data(), data.size());
  }

  void write_node(const Node& node, const onnx::NodeProto& rest, onnx::NodeProto& proto) {
    for (const Value* value : node.inputs()) proto.add_input(value ? value->name() : "");
    for (const Value* value : node.outputs()) proto.add_output(value ? value->name() : "");
    proto.set_name(node.name);
    proto.set_op_type(node.op_type);
    if (!node.domain.empty()) proto.set_domain(node.domain);
    if (!node.overload.empty()) proto.set_overload(node.overload);
    if (!node.doc.empty()) proto.set_doc_string(node.doc);
    write_pairs(node.metadata, *proto.mutable_metadata_props());
    *proto.mutable_device_configurations() = rest.device_configurations();
    proto.mutable_unknown_fields()->MergeFrom(rest.unknown_fields());
    const auto attribute_rests = by_name(rest.attribute());
    for (const auto& [name, value] : node.attributes) {
      auto* attribute = proto.add_attribute();
      write_attribute(name, value, *attribute, sink_, [&](const Graph& body, onnx::GraphProto& to) { write(body, to, false); });
      if (const auto it = attribute_rests.find(name); it != attribute_rests.end()) merge(*it->second, *attribute);
    }
  }

  static void merge(const onnx::AttributeProto& rest, onnx::AttributeProto& attribute) {
    if (rest.has_doc_string()) attribute.set_doc_string(rest.doc_string());
    attribute.mutable_unknown_fields()->MergeFrom(rest.unknown_fields());
    if (rest.has_t() && attribute.has_t()) attribute.mutable_t()->MergeFrom(rest.t());
    if (rest.tensors_size() == attribute.tensors_size())
      for (int i = 0; i < rest.tensors_size(); ++i) attribute.mutable_tensors(i)->MergeFrom(rest.tensors(i));
  }

  /// The file's value_info, as far as its values are still there and still of that type.
  static void write_value_info(const Graph& graph, const onnx::GraphProto& rest, onnx::GraphProto& proto) {
    for (const auto& declared : rest.value_info()) {
      const Value* value = graph.find_value(declared.name());
      if (!value) continue;
      auto* info = proto.add_value_info();
      *info = declared;
      const bool same_dtype =
          !declared.type().has_tensor_type() || value->dtype == DataType::Undefined || dtype_of(declared.type()) == value->dtype;
      if (!same_dtype || contradict(shape_of(declared.type()), value->shape)) write_type(*value, *info->mutable_type());
    }
  }

  TensorSink& sink_;
  size_t light_bytes_;
  bool initializers_are_inputs_;
};

onnx::ModelProto write_model(const Graph& graph, TensorSink& sink, size_t light_bytes) {
  onnx::ModelProto model = model_residual_of(graph);
  model.set_ir_version(graph.ir_version);
  for (const auto& [domain, version] : graph.opsets) {
    auto* opset = model.add_opset_import();
    opset->set_domain(domain);
    opset->set_version(version);
  }
  if (!graph.producer_name.empty()) model.set_producer_name(graph.producer_name);
  if (!graph.producer_version.empty()) model.set_producer_version(graph.producer_version);
  if (!graph.model_domain.empty()) model.set_domain(graph.model_domain);
  if (!graph.model_doc.empty()) model.set_doc_string(graph.model_doc);
  if (graph.model_version != 0) model.set_model_version(graph.model_version);
  write_pairs(graph.metadata, *model.mutable_metadata_props());
  Writer(sink, light_bytes, graph.ir_version < kFirstIrWithoutInputs).write(graph, *model.mutable_graph(), true);
  return model;
}

size_t attribute_bytes(const AttrValue& value) {
  if (auto* tensor = std::get_if<at::Tensor>(&value)) return tensor->nbytes();
  size_t bytes = 0;
  if (auto* tensors = std::get_if<std::vector<at::Tensor>>(&value))
    for (const auto& tensor : *tensors) bytes += tensor.nbytes();
  if (auto* graph = std::get_if<std::shared_ptr<Graph>>(&value)) bytes += tensor_bytes(**graph);
  if (auto* graphs = std::get_if<std::vector<std::shared_ptr<Graph>>>(&value))
    for (const auto& graph : *graphs) bytes += tensor_bytes(*graph);
  if (auto* opaque = std::get_if<Opaque>(&value)) bytes += opaque->bytes.size();
  return bytes;
}

}  // namespace

onnx::ModelProto to_model(const Graph& graph, TensorSink& sink) { return write_model(graph, sink, std::numeric_limits<size_t>::max()); }

onnx::ModelProto light_model(const Graph& graph) {
  TensorSink sink;
  return write_model(graph, sink, kLightBytes);
}

size_t tensor_bytes(const Graph& graph) {
  size_t bytes = 0;
  for (const Value* value : graph.values()) {
    if (value->constant().defined())
      bytes += value->constant().nbytes();
    else if (value->opaque_constant)
      bytes += value->opaque_constant->bytes.size();
  }
  for (const Node* node : graph.nodes())
    for (const auto& [name, value] : node->attributes) bytes += attribute_bytes(value);
  return bytes;
}

}  // namespace ppq
