#include <algorithm>
#include <filesystem>
#include <limits>

#include "core/file.h"
#include "onnx/checks.h"
#include "onnx/residual.h"
#include "onnx/writer.h"
#include "ppq/error.h"
#include "ppq/onnx.h"

namespace ppq {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kMaxMessage = std::numeric_limits<int32_t>::max();
/// Room for everything but tensors in a message that must stay below kMaxMessage.
constexpr size_t kReserve = size_t{64} << 20;

/// Puts large tensors into the data file, one after the other.
class ExternalSink : public TensorSink {
 public:
  ExternalSink(AtomicFile& file, std::string location, size_t threshold)
      : file_(file), location_(std::move(location)), threshold_(threshold) {}

  void store(onnx::TensorProto& proto, const void* data, size_t bytes) override {
    if (bytes < threshold_) return TensorSink::store(proto, data, bytes);
    static constexpr char kZeros[kAlignment] = {};
    file_.write(kZeros, (kAlignment - file_.position() % kAlignment) % kAlignment);
    proto.set_data_location(onnx::TensorProto::EXTERNAL);
    add(proto, "location", location_);
    add(proto, "offset", std::to_string(file_.position()));
    add(proto, "length", std::to_string(bytes));
    file_.write(data, bytes);
  }

 private:
  static void add(onnx::TensorProto& proto, const char* key, const std::string& value) {
    auto* entry = proto.add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  }

  AtomicFile& file_;
  std::string location_;
  size_t threshold_;
};

void check_size(size_t bytes, const std::string& where) {
  if (bytes > kMaxMessage)
    throw Error(ErrorKind::Resource, where,
                "is larger than protobuf can write: got " + std::to_string(bytes) + " bytes, expected less than 2147483648",
                "write it to a file with its weights outside (lower external_tensor_threshold)");
}

/// What nodes compute, and in sub-graphs what comes into them, has the shape that the graph around gives it.
void forget_shapes(Graph& graph, bool main) {
  for (Value* value : graph.values())
    if (!value->is_constant() && !(main && value->is_graph_input())) value->shape.reset();
  for (const Node* node : graph.nodes())
    for (const auto& [name, attribute] : node->attributes) {
      if (const auto* body = std::get_if<std::shared_ptr<Graph>>(&attribute)) forget_shapes(**body, false);
      if (const auto* bodies = std::get_if<std::vector<std::shared_ptr<Graph>>>(&attribute))
        for (const auto& body : *bodies) forget_shapes(*body, false);
    }
}

/// With the shapes that nodes compute from those of inputs: a file may declare others, unseen until constants are folded. What it declares
/// stays where none is known.
std::unique_ptr<Graph> with_computed_shapes(const Graph& graph) {
  auto copy = graph.clone();
  forget_shapes(*copy, true);
  infer_shapes(*copy);
  for (Value* value : copy->outputs())
    if (!value->shape) value->shape = graph.find_value(value->name())->shape;
  return copy;
}

/// Before anything is written: the graph as onnx takes it, null where that is the graph itself. The data of large weights is not
/// looked at.
std::unique_ptr<Graph> valid(const Graph& graph, const std::string& path) {
  if (std::any_of(graph.extras.begin(), graph.extras.end(), [](const Opaque& extra) { return extra.type == kRefusedSource; }))
    return nullptr;
  const std::string fault = fault_of(light_model(graph));
  if (fault.empty()) return nullptr;
  auto computed = with_computed_shapes(graph);
  if (fault_of(light_model(*computed)).empty()) return computed;
  throw Error(ErrorKind::Model, path, "onnx would refuse what was written: " + fault,
              "onnx.checker with full_check says whether the model that was given has the fault; if not, please report it");
}

std::string serialize(const onnx::ModelProto& model, const std::string& where) {
  check_size(model.ByteSizeLong(), where);
  return model.SerializeAsString();
}

}  // namespace

void write_onnx(const Graph& given, const std::string& path, const WriteOptions& options) {
  const auto computed = valid(given, path);
  const Graph& graph = computed ? *computed : given;
  const size_t bytes = tensor_bytes(graph);
  if (bytes <= std::min(options.external_above, kMaxMessage - kReserve)) {
    TensorSink sink;
    write_file(path, serialize(to_model(graph, sink), path));
    return;
  }
  const std::string data_path = path + ".data";
  AtomicFile data(data_path);
  ExternalSink sink(data, std::filesystem::path(data_path).filename().string(), options.external_tensor_threshold);
  const std::string model = serialize(to_model(graph, sink), path);
  AtomicFile file(path);
  file.write(model);
  data.commit();
  file.commit();
}

std::string write_onnx_bytes(const Graph& graph) {
  const std::string where = "graph " + graph.name;
  check_size(tensor_bytes(graph), where);
  TensorSink sink;
  return serialize(to_model(graph, sink), where);
}

}  // namespace ppq
