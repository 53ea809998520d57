#include "onnx/attributes.h"

#include "ppq/error.h"

namespace ppq {
namespace {

using onnx::AttributeProto;

Opaque whole(const AttributeProto& proto) { return {"AttributeProto", proto.SerializeAsString()}; }

struct AttributeWriter {
  AttributeProto& proto;
  TensorSink& sink;
  const GraphWriter& write_graph;

  void operator()(int64_t value) const { proto.set_type(AttributeProto::INT), proto.set_i(value); }
  void operator()(float value) const { proto.set_type(AttributeProto::FLOAT), proto.set_f(value); }
  void operator()(const std::string& value) const { proto.set_type(AttributeProto::STRING), proto.set_s(value); }
  void operator()(const at::Tensor& value) const {
    proto.set_type(AttributeProto::TENSOR);
    write_tensor(value, *proto.mutable_t(), sink);
  }
  void operator()(const std::shared_ptr<Graph>& value) const {
    proto.set_type(AttributeProto::GRAPH);
    write_graph(*value, *proto.mutable_g());
  }
  void operator()(const std::vector<int64_t>& values) const {
    proto.set_type(AttributeProto::INTS);
    proto.mutable_ints()->Assign(values.begin(), values.end());
  }
  void operator()(const std::vector<float>& values) const {
    proto.set_type(AttributeProto::FLOATS);
    proto.mutable_floats()->Assign(values.begin(), values.end());
  }
  void operator()(const std::vector<std::string>& values) const {
    proto.set_type(AttributeProto::STRINGS);
    for (const auto& value : values) proto.add_strings(value);
  }
  void operator()(const std::vector<at::Tensor>& values) const {
    proto.set_type(AttributeProto::TENSORS);
    for (const auto& value : values) write_tensor(value, *proto.add_tensors(), sink);
  }
  void operator()(const std::vector<std::shared_ptr<Graph>>& values) const {
    proto.set_type(AttributeProto::GRAPHS);
    for (const auto& value : values) write_graph(*value, *proto.add_graphs());
  }
  void operator()(const Opaque& value) const { proto.ParseFromString(value.bytes); }
};

}  // namespace

AttributeProto::AttributeType type_of(const AttributeProto& proto) {
  if (proto.type() != AttributeProto::UNDEFINED) return proto.type();
  if (proto.has_f()) return AttributeProto::FLOAT;
  if (proto.has_i()) return AttributeProto::INT;
  if (proto.has_s()) return AttributeProto::STRING;
  if (proto.has_t()) return AttributeProto::TENSOR;
  if (proto.has_g()) return AttributeProto::GRAPH;
  if (proto.floats_size()) return AttributeProto::FLOATS;
  if (proto.ints_size()) return AttributeProto::INTS;
  if (proto.strings_size()) return AttributeProto::STRINGS;
  if (proto.tensors_size()) return AttributeProto::TENSORS;
  if (proto.graphs_size()) return AttributeProto::GRAPHS;
  return AttributeProto::UNDEFINED;
}

AttrValue read_attribute(const AttributeProto& proto, ExternalFiles& files, const GraphReader& read_graph, const std::string& where) {
  if (!proto.ref_attr_name().empty()) return whole(proto);
  switch (type_of(proto)) {
    case AttributeProto::INT:
      return proto.i();
    case AttributeProto::FLOAT:
      return proto.f();
    case AttributeProto::STRING:
      return proto.s();
    case AttributeProto::INTS:
      return std::vector<int64_t>(proto.ints().begin(), proto.ints().end());
    case AttributeProto::FLOATS:
      return std::vector<float>(proto.floats().begin(), proto.floats().end());
    case AttributeProto::STRINGS:
      return std::vector<std::string>(proto.strings().begin(), proto.strings().end());
    case AttributeProto::GRAPH:
      return read_graph(proto.g());
    case AttributeProto::GRAPHS: {
      std::vector<std::shared_ptr<Graph>> graphs;
      for (const auto& graph : proto.graphs()) graphs.push_back(read_graph(graph));
      return graphs;
    }
    case AttributeProto::TENSOR: {
      TensorData data = read_tensor(proto.t(), files, where);
      if (data.tensor.defined()) return data.tensor;
      return whole(proto);
    }
    case AttributeProto::TENSORS: {
      std::vector<at::Tensor> tensors;
      for (const auto& tensor : proto.tensors()) {
        TensorData data = read_tensor(tensor, files, where);
        if (!data.tensor.defined()) return whole(proto);
        tensors.push_back(data.tensor);
      }
      return tensors;
    }
    case AttributeProto::SPARSE_TENSOR:
    case AttributeProto::SPARSE_TENSORS:
    case AttributeProto::TYPE_PROTO:
    case AttributeProto::TYPE_PROTOS:
      return whole(proto);
    default:
      throw Error(ErrorKind::Model, where, "attribute has no type and no value", "export the model again");
  }
}

void write_attribute(const std::string& name, const AttrValue& value, AttributeProto& proto, TensorSink& sink,
                     const GraphWriter& write_graph) {
  std::visit(AttributeWriter{proto, sink, write_graph}, value);
  proto.set_name(name);
}

}  // namespace ppq
