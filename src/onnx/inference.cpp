#include "onnx/inference.h"

#include <onnx/defs/schema.h>
#include <onnx/shape_inference/implementation.h>

#include <unordered_map>
#include <unordered_set>

#include "core/log.h"
#include "onnx/bounded_schemas.h"
#include "onnx/hidden_nodes.h"
#include "onnx/types.h"
#include "ppq/error.h"

namespace ppq {
namespace {

using Infos = google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>;
using Types = std::unordered_map<std::string, onnx::TypeProto>;

void run_inference(onnx::ModelProto& model) {
  try {
    infer_within_bounds(model, onnx::ShapeInferenceOptions(false, 0, true));
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    log_debug(std::string("shape inference: ") + error.what());
  }
}

/// Outputs of nodes that onnx does not know: what the file declares is all there is.
std::unordered_set<std::string> unknown_outputs(const onnx::ModelProto& model) {
  std::unordered_map<std::string, int> opsets;
  for (const auto& opset : model.opset_import())
    opsets[opset.domain() == "ai.onnx" ? "" : opset.domain()] = static_cast<int>(opset.version());
  std::unordered_set<std::string> names;
  for (const auto& node : model.graph().node()) {
    const std::string domain = node.domain() == "ai.onnx" ? "" : node.domain();
    const auto version = opsets.find(domain);
    if (version != opsets.end() && onnx::OpSchemaRegistry::Schema(node.op_type(), version->second, domain)) continue;
    names.insert(node.output().begin(), node.output().end());
  }
  return names;
}

bool complete(const onnx::TypeProto& type) {
  return !type.has_tensor_type() ? type.value_case() != onnx::TypeProto::VALUE_NOT_SET : type.tensor_type().has_shape();
}

}  // namespace

void infer_within_bounds(onnx::ModelProto& model, const onnx::ShapeInferenceOptions& options) {
  check_rank_lengths(model);
  onnx::shape_inference::InferShapes(model, &bounded_schemas(), options);
}

std::set<std::string> infer_types(onnx::ModelProto& model) {
  auto& graph = *model.mutable_graph();
  const auto unknown = unknown_outputs(model);
  const Infos declared = graph.value_info(), declared_outputs = graph.output();
  // A declared shape may be stale (a batch size of the exporter's sample): the nodes go first, the file fills the gaps.
  graph.clear_value_info();
  for (const auto& info : declared)
    if (unknown.count(info.name())) *graph.add_value_info() = info;
  for (auto& output : *graph.mutable_output())
    if (!unknown.count(output.name()) && output.type().has_tensor_type()) output.mutable_type()->mutable_tensor_type()->clear_shape();
  run_inference(model);

  const auto inferred_types = [&] {
    Types types;
    for (const auto& info : graph.value_info()) types.emplace(info.name(), info.type());
    for (const auto& info : graph.output()) types.emplace(info.name(), info.type());
    return types;
  };
  std::set<std::string> contradicted;
  bool added = false;
  const Types types = inferred_types();
  std::unordered_map<std::string, onnx::ValueInfoProto*> present;
  for (auto& info : *graph.mutable_value_info()) present.emplace(info.name(), &info);
  for (const auto* list : {&declared, &declared_outputs})
    for (const auto& info : *list) {
      const auto it = types.find(info.name());
      if (it == types.end() || !complete(it->second)) {
        if (!complete(info.type())) continue;
        added = true;
        if (const auto place = present.find(info.name()); place != present.end())
          *place->second = info;
        else if (list == &declared)
          *graph.add_value_info() = info;
      } else if (contradict(shape_of(info.type()), shape_of(it->second))) {
        contradicted.insert(info.name());
        log_warning("value " + info.name() + ": the file declares shape " + to_string(*shape_of(info.type())) + ", its node computes " +
                    to_string(*shape_of(it->second)) + "; the computed one is used");
      }
    }
  for (int i = 0; i < graph.output_size(); ++i)
    if (!contradicted.count(graph.output(i).name()) && complete(declared_outputs.Get(i).type()))
      *graph.mutable_output(i) = declared_outputs.Get(i);
  if (added) run_inference(model);
  return contradicted;
}

}  // namespace ppq
