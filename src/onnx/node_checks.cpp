#include "onnx/node_checks.h"

#include <onnx/defs/schema.h>

#include <limits>
#include <unordered_map>

#include "onnx/normalize.h"
#include "ppq/error.h"

namespace ppq {
namespace {

constexpr int64_t kMostDimensions = 64;  ///< of a tensor of LibTorch
constexpr int64_t kMostBlock = 1 << 15, kMostHeads = std::numeric_limits<int32_t>::max();

struct Bounds {
  int64_t least, most;
};

/// Of an attribute that must be bounded; nullptr of others.
const Bounds* bounds_of(const std::string& type, const std::string& attribute) {
  static const std::unordered_map<std::string, Bounds> all = {
      {"Attention.q_num_heads", {1, kMostHeads}},     {"Attention.kv_num_heads", {1, kMostHeads}},
      {"RotaryEmbedding.num_heads", {0, kMostHeads}}, {"GroupNormalization.num_groups", {1, kMostHeads}},
      {"DepthToSpace.blocksize", {1, kMostBlock}},    {"SpaceToDepth.blocksize", {1, kMostBlock}},
  };
  static const Bounds axis = {-kMostDimensions, kMostDimensions};
  if (attribute == "axis") return &axis;
  const auto found = all.find(type + "." + attribute);
  return found == all.end() ? nullptr : &found->second;
}

std::string place_of(const onnx::NodeProto& node, int index) {
  return describe(node, index) + (node.name().empty() ? "" : " (" + node.op_type() + ")");
}

void check(const onnx::NodeProto& node, const onnx::AttributeProto& attribute, int index) {
  if (!node.domain().empty() && node.domain() != "ai.onnx") return;
  if (attribute.type() != onnx::AttributeProto::INT && !attribute.has_i()) return;
  const Bounds* bounds = bounds_of(node.op_type(), attribute.name());
  Bounds parts = {1, 0};
  if (node.op_type() == "Split" && attribute.name() == "num_outputs") bounds = &(parts = {1, node.output_size()});
  if (node.op_type() == "Scan" && attribute.name() == "num_scan_inputs") bounds = &(parts = {1, node.input_size()});
  if (!bounds || (attribute.i() >= bounds->least && attribute.i() <= bounds->most)) return;
  throw Error(ErrorKind::Model, place_of(node, index),
              "attribute " + attribute.name() + ": got " + std::to_string(attribute.i()) + ", expected " + std::to_string(bounds->least) +
                  " to " + std::to_string(bounds->most),
              "export the model again");
}

template <class Nodes, class Visit>
void for_each_node(const Nodes& nodes, const Visit& visit) {
  for (int i = 0; i < nodes.size(); ++i) {
    visit(nodes.Get(i), i);
    for (const auto& attribute : nodes.Get(i).attribute()) {
      if (attribute.has_g()) for_each_node(attribute.g().node(), visit);
      for (const auto& body : attribute.graphs()) for_each_node(body.node(), visit);
    }
  }
}

}  // namespace

void check_attributes(const onnx::ModelProto& model) {
  const auto visit = [](const onnx::NodeProto& node, int index) {
    for (const auto& attribute : node.attribute()) check(node, attribute, index);
  };
  for_each_node(model.graph().node(), visit);
  for (const auto& function : model.functions()) for_each_node(function.node(), visit);
}

void check_inputs(const onnx::ModelProto& model) {
  std::unordered_map<std::string, int> opsets;
  for (const auto& opset : model.opset_import())
    opsets[opset.domain() == "ai.onnx" ? "" : opset.domain()] = static_cast<int>(opset.version());
  for_each_node(model.graph().node(), [&](const onnx::NodeProto& node, int index) {
    const std::string domain = node.domain() == "ai.onnx" ? "" : node.domain();
    const auto opset = opsets.find(domain);
    const auto* schema = opset == opsets.end() ? nullptr : onnx::OpSchemaRegistry::Schema(node.op_type(), opset->second, domain);
    if (!schema) return;
    for (size_t i = 0; i < schema->inputs().size(); ++i) {
      const bool given = static_cast<int>(i) < node.input_size() && !node.input(static_cast<int>(i)).empty();
      if (!given && schema->inputs()[i].GetOption() == onnx::OpSchema::Single)
        throw Error(ErrorKind::Model, place_of(node, index),
                    "input " + std::to_string(i) + " (" + schema->inputs()[i].GetName() + ") is missing", "export the model again");
    }
  });
}

}  // namespace ppq
