#include "onnx/inference.h"

#include <onnx/defs/schema.h>
#include <onnx/shape_inference/implementation.h>

#include <unordered_map>
#include <unordered_set>

#include "core/log.h"
#include "onnx/types.h"
#include "ppq/error.h"

namespace ppq {
namespace {

using Infos = google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>;
using Types = std::unordered_map<std::string, onnx::TypeProto>;

constexpr const char* kHiddenDomain = "ppq.hidden";
constexpr int64_t kMostDimensions = 64;  ///< of a tensor of LibTorch
constexpr int kMostRounds = 8;

/// The inputs by whose length a node's result gets its rank.
std::vector<int> shape_inputs(const onnx::NodeProto& node) {
  if (!node.domain().empty() && node.domain() != "ai.onnx") return {};
  const std::string& type = node.op_type();
  if (type == "ConstantOfShape") return {0};
  if (type == "Expand" || type == "Reshape" || type == "AffineGrid") return {1};
  return type == "Col2Im" ? std::vector<int>{1, 2} : std::vector<int>();
}

/// Nodes whose shapes are computed, out of sight of inference until the lengths of these shapes are known to be none that matter.
class HiddenNodes {
 public:
  explicit HiddenNodes(onnx::ModelProto& model) : model_(model) {
    for (const auto& initializer : model.graph().initializer()) constants_.insert(initializer.name());
    hide(*model.mutable_graph());
    if (hidden_.empty()) return;
    auto* opset = model_.add_opset_import();
    opset->set_domain(kHiddenDomain);
    opset->set_version(1);
  }
  ~HiddenNodes() {
    if (!any_) return;
    for (auto& [node, domain] : hidden_) node->set_domain(domain);
    auto* opsets = model_.mutable_opset_import();
    for (int i = opsets->size() - 1; i >= 0; --i)
      if (opsets->Get(i).domain() == kHiddenDomain) opsets->DeleteSubrange(i, 1);
  }
  HiddenNodes(const HiddenNodes&) = delete;

  /// Infers, again while that tells of more lengths.
  void settle() {
    for (int round = 0; round < kMostRounds && !hidden_.empty(); ++round) {
      onnx::ModelProto copy = model_;
      try {
        onnx::shape_inference::InferShapes(copy, onnx::OpSchemaRegistry::Instance(), onnx::ShapeInferenceOptions(false, 0, true));
      } catch (const std::exception&) {
        return;  // what the real one will say too
      }
      lengths_.clear();
      look(copy.graph());
      if (show([&](const onnx::NodeProto& node) { return known(node); })) continue;
      // Of those that are left no length is known, and none will be.
      show([](const onnx::NodeProto&) { return true; });
    }
  }

 private:
  void hide(onnx::GraphProto& graph) {
    for (const auto& initializer : graph.initializer()) constants_.insert(initializer.name());
    for (auto& node : *graph.mutable_node()) {
      for (auto& attribute : *node.mutable_attribute()) {
        if (attribute.has_g()) hide(*attribute.mutable_g());
        for (auto& body : *attribute.mutable_graphs()) hide(body);
      }
      if (node.op_type() == "Constant" && node.output_size()) constants_.insert(node.output(0));
      for (const int i : shape_inputs(node))
        if (i < node.input_size() && !constants_.count(node.input(i))) {
          hidden_.emplace_back(&node, node.domain());
          node.set_domain(kHiddenDomain);
          any_ = true;
          break;
        }
    }
  }

  void look(const onnx::GraphProto& graph) {
    for (const auto* infos : {&graph.input(), &graph.output(), &graph.value_info()})
      for (const auto& info : *infos) {
        const auto shape = shape_of(info.type());
        if (shape && shape->size() == 1 && (*shape)[0].known()) lengths_[info.name()] = (*shape)[0].value;
      }
    for (const auto& node : graph.node())
      for (const auto& attribute : node.attribute()) {
        if (attribute.has_g()) look(attribute.g());
        for (const auto& body : attribute.graphs()) look(body);
      }
  }

  bool known(const onnx::NodeProto& node) const {
    onnx::NodeProto bare;
    bare.set_op_type(node.op_type());
    bool all = true;
    for (const int i : shape_inputs(bare)) {
      if (i >= node.input_size()) continue;
      const auto length = lengths_.find(node.input(i));
      if (length != lengths_.end() && length->second > kMostDimensions)
        throw Error(ErrorKind::Model, "node " + node.name() + " (" + node.op_type() + ")",
                    "a shape of too many dimensions: got " + std::to_string(length->second) + " in " + node.input(i) +
                        ", expected at most " + std::to_string(kMostDimensions));
      all &= length != lengths_.end() || constants_.count(node.input(i));
    }
    return all;
  }

  template <class Wanted>
  bool show(const Wanted& wanted) {
    const size_t before = hidden_.size();
    std::erase_if(hidden_, [&](auto& item) {
      if (!wanted(*item.first)) return false;
      item.first->set_domain(item.second);
      return true;
    });
    return hidden_.size() < before;
  }

  onnx::ModelProto& model_;
  bool any_ = false;
  std::unordered_set<std::string> constants_;
  std::unordered_map<std::string, int64_t> lengths_;  ///< of vectors
  std::vector<std::pair<onnx::NodeProto*, std::string>> hidden_;
};

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
  HiddenNodes hidden(model);
  hidden.settle();
  onnx::shape_inference::InferShapes(model, onnx::OpSchemaRegistry::Instance(), options);
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
