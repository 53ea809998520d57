#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <unordered_map>
#include <unordered_set>

#include "onnx/normalize.h"
#include "onnx/types.h"
#include "ppq/error.h"

namespace ppq {
namespace {

Shape to_shape(const google::protobuf::RepeatedField<int64_t>& dims) {
  Shape shape;
  for (const int64_t dim : dims) shape.push_back({dim, ""});
  return shape;
}

size_t bytes_of(const Initializer& initializer) {
  if (initializer.data.tensor.defined()) return initializer.data.tensor.nbytes();
  return initializer.data.opaque ? initializer.data.opaque->bytes.size() : 0;
}

}  // namespace

std::vector<Initializer> read_initializers(const onnx::GraphProto& graph, ExternalFiles& files) {
  std::vector<Initializer> all;
  for (const auto& proto : graph.initializer()) {
    if (proto.name().empty())
      throw Error(ErrorKind::Model, "graph " + graph.name(), "initializer " + std::to_string(all.size()) + " has no name",
                  "export the model again");
    Initializer& initializer = all.emplace_back();
    initializer.name = proto.name();
    initializer.data = read_tensor(proto, files, "initializer " + proto.name());
    initializer.dtype = static_cast<DataType>(proto.data_type());
    initializer.shape = to_shape(proto.dims());
  }
  for (const auto& proto : graph.sparse_initializer()) {
    const std::string where = "sparse initializer " + proto.values().name();
    if (proto.values().name().empty()) throw Error(ErrorKind::Model, where, "has no name", "export the model again");
    onnx::SparseTensorProto copy = proto;
    load_external_data(*copy.mutable_values(), files, where);
    load_external_data(*copy.mutable_indices(), files, where);
    Initializer& initializer = all.emplace_back();
    initializer.name = proto.values().name();
    initializer.data.opaque = Opaque{"SparseTensorProto", copy.SerializeAsString()};
    initializer.dtype = static_cast<DataType>(proto.values().data_type());
    initializer.shape = to_shape(proto.dims());
  }
  return all;
}

void load_all_external_data(google::protobuf::Message& message, ExternalFiles& files) {
  if (auto* tensor = dynamic_cast<onnx::TensorProto*>(&message)) {
    load_external_data(*tensor, files, tensor->name().empty() ? "tensor of an attribute" : "tensor " + tensor->name());
    return;
  }
  const auto* reflection = message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const auto* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      load_all_external_data(*reflection->MutableMessage(&message, field), files);
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i)
      load_all_external_data(*reflection->MutableRepeatedMessage(&message, field, i), files);
  }
}

void lighten(onnx::GraphProto& graph, const std::vector<Initializer>& initializers, size_t max_bytes) {
  std::unordered_set<std::string> inputs;
  for (const auto& input : graph.input()) inputs.insert(input.name());
  std::unordered_map<std::string, const Initializer*> large;
  for (const auto& initializer : initializers)
    if (bytes_of(initializer) > max_bytes) large.emplace(initializer.name, &initializer);
  auto* protos = graph.mutable_initializer();
  int kept = 0;
  for (int i = 0; i < protos->size(); ++i) {
    const auto it = large.find(protos->Get(i).name());
    if (it == large.end()) {
      protos->SwapElements(i, kept++);
      continue;
    }
    if (inputs.count(it->first)) continue;
    auto* input = graph.add_input();
    input->set_name(it->first);
    write_type(it->second->dtype, it->second->shape, *input->mutable_type());
  }
  protos->DeleteSubrange(kept, protos->size() - kept);
}

}  // namespace ppq
