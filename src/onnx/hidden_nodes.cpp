#include "onnx/hidden_nodes.h"

#include <onnx/defs/schema.h>
#include <onnx/shape_inference/implementation.h>

#include <unordered_map>
#include <unordered_set>

#include "onnx/bounded_schemas.h"
#include "onnx/types.h"
#include "ppq/error.h"

namespace ppq {
namespace {

constexpr const char* kHiddenDomain = "ppq.hidden";
constexpr int64_t kMostDimensions = 64;  ///< of a tensor of LibTorch
constexpr int kMostRounds = 8;

/// Of vectors, by name.
using Lengths = std::unordered_map<std::string, int64_t>;

void add_lengths(const onnx::GraphProto& graph, Lengths& lengths) {
  for (const auto* infos : {&graph.input(), &graph.output(), &graph.value_info()})
    for (const auto& info : *infos) {
      const auto shape = shape_of(info.type());
      if (shape && shape->size() == 1 && (*shape)[0].known()) lengths[info.name()] = (*shape)[0].value;
    }
  for (const auto& node : graph.node())
    for (const auto& attribute : node.attribute()) {
      if (attribute.has_g()) add_lengths(attribute.g(), lengths);
      for (const auto& body : attribute.graphs()) add_lengths(body, lengths);
    }
}

Lengths lengths_in(const onnx::GraphProto& graph) {
  Lengths lengths;
  add_lengths(graph, lengths);
  return lengths;
}

void import_hidden_domain(onnx::ModelProto& model) {
  auto* opset = model.add_opset_import();
  opset->set_domain(kHiddenDomain);
  opset->set_version(1);
}

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
  /// `model` is changed.
  explicit HiddenNodes(onnx::ModelProto& model) : model_(model) {
    hide(*model.mutable_graph());
    if (!hidden_.empty()) import_hidden_domain(model);
  }

  /// Infers, again while that tells of more lengths.
  void settle() {
    for (int round = 0; round < kMostRounds && !hidden_.empty(); ++round) {
      onnx::ModelProto copy = model_;
      try {
        onnx::shape_inference::InferShapes(copy, &bounded_schemas(), onnx::ShapeInferenceOptions(false, 0, true));
      } catch (const std::exception&) {
        return;  // what the real one will say too
      }
      lengths_ = lengths_in(copy.graph());
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
          break;
        }
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
  std::unordered_set<std::string> constants_;
  Lengths lengths_;
  std::vector<std::pair<onnx::NodeProto*, std::string>> hidden_;
};

}  // namespace

void check_rank_lengths(const onnx::ModelProto& model) {
  onnx::ModelProto copy = model;
  HiddenNodes(copy).settle();
}

}  // namespace ppq
