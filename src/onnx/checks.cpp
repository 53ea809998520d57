#include "onnx/checks.h"

#include <onnx/checker.h>
#include <onnx/defs/schema.h>
#include <onnx/inliner/inliner.h>
#include <onnx/shape_inference/implementation.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "onnx/inference.h"
#include "onnx/parse.h"
#include "onnx/writer.h"
#include "ppq/error.h"
#include "ppq/onnx.h"

namespace ppq {
namespace {

constexpr const char* kUncheckedDomain = "ppq.unchecked";
constexpr double kMaxInlinedNodes = 2e5, kMaxGrowth = 100;
constexpr int kMaxCallDepth = 100;

std::string one_line(std::string text) {
  std::string line;
  for (const char c : text) line += c == '\n' ? ' ' : c;
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

std::string domain_of(const std::string& domain) { return domain == "ai.onnx" ? "" : domain; }

/// Hides from the checker what it refuses though models in use have it: operators without a schema (they get another
/// domain) and inputs and outputs of unknown rank (they get one).
class Leniency {
 public:
  explicit Leniency(onnx::ModelProto& model) : model_(model), inputs_(model.graph().input()), outputs_(model.graph().output()) {
    for (auto* infos : {model.mutable_graph()->mutable_input(), model.mutable_graph()->mutable_output()})
      for (auto& info : *infos) {
        auto& type = *info.mutable_type();
        if (type.value_case() == onnx::TypeProto::VALUE_NOT_SET) type.mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
        if (type.has_tensor_type()) type.mutable_tensor_type()->mutable_shape();
      }
    for (const auto& opset : model.opset_import()) opsets_[domain_of(opset.domain())] = static_cast<int>(opset.version());
    hide(*model.mutable_graph());
    if (hidden_.empty()) return;
    auto* opset = model_.add_opset_import();
    opset->set_domain(kUncheckedDomain);
    opset->set_version(1);
  }
  ~Leniency() {
    model_.mutable_graph()->mutable_input()->Swap(&inputs_);
    model_.mutable_graph()->mutable_output()->Swap(&outputs_);
    for (auto& [node, domain] : hidden_) node->set_domain(domain);
    if (!hidden_.empty()) model_.mutable_opset_import()->RemoveLast();
  }
  Leniency(const Leniency&) = delete;

 private:
  void hide(onnx::GraphProto& graph) {
    for (auto& node : *graph.mutable_node()) {
      for (auto& attribute : *node.mutable_attribute()) {
        if (attribute.has_g()) hide(*attribute.mutable_g());
        for (auto& body : *attribute.mutable_graphs()) hide(body);
      }
      const auto opset = opsets_.find(domain_of(node.domain()));
      if (opset != opsets_.end() && onnx::OpSchemaRegistry::Schema(node.op_type(), opset->second, opset->first)) continue;
      if (is_function(node)) continue;
      hidden_.emplace_back(&node, node.domain());
      node.set_domain(kUncheckedDomain);
    }
  }
  bool is_function(const onnx::NodeProto& node) const {
    return std::any_of(model_.functions().begin(), model_.functions().end(), [&](const auto& function) {
      return function.name() == node.op_type() && domain_of(function.domain()) == domain_of(node.domain());
    });
  }

  onnx::ModelProto& model_;
  google::protobuf::RepeatedPtrField<onnx::ValueInfoProto> inputs_, outputs_;
  std::unordered_map<std::string, int> opsets_;
  std::vector<std::pair<onnx::NodeProto*, std::string>> hidden_;
};

/// What calls of functions become: functions that call each other twice a level grow without bound, and long chains of calls fill the
/// stack of whoever follows them.
class Calls {
 public:
  explicit Calls(const onnx::ModelProto& model, const std::string& where) : where_(where) {
    for (const auto& function : model.functions()) functions_[{function.domain(), function.name(), function.overload()}] = &function;
  }

  struct Size {
    double nodes = 0;
    int depth = 0;  ///< of calls within calls
  };
  template <class Nodes>
  Size of(const Nodes& nodes, int depth = 0) {
    check_depth(depth);
    Size size;
    const auto add = [&](const Size& part) {
      size.nodes += part.nodes;
      size.depth = std::max(size.depth, part.depth);
    };
    for (const auto& node : nodes) {
      size.nodes += 1;
      for (const auto& attribute : node.attribute()) {
        if (attribute.has_g()) add(of(attribute.g().node(), depth));
        for (const auto& body : attribute.graphs()) add(of(body.node(), depth));
      }
      add(called(node, depth));
    }
    return size;
  }

 private:
  void check_depth(int depth) const {
    if (depth > kMaxCallDepth)
      throw Error(ErrorKind::Model, where_,
                  "its functions call each other in a circle, or deeper than " + std::to_string(kMaxCallDepth) + " calls",
                  "export the model without functions");
  }

  Size called(const onnx::NodeProto& node, int depth) {
    const auto key = std::make_tuple(node.domain(), node.op_type(), node.overload());
    const auto function = functions_.find(key);
    if (function == functions_.end()) return {};
    auto known = sizes_.find(key);
    if (known == sizes_.end()) {
      Size size = of(function->second->node(), depth + 1);
      ++size.depth;
      known = sizes_.emplace(key, size).first;
    }
    check_depth(depth + known->second.depth);
    return known->second;
  }

  using Key = std::tuple<std::string, std::string, std::string>;
  const std::string& where_;
  std::map<Key, const onnx::FunctionProto*> functions_;
  std::map<Key, Size> sizes_;
};

}  // namespace

void run_checker(onnx::ModelProto& model, const std::string& where, bool strict) {
  try {
    if (strict) {
      onnx::checker::check_model(model, /*full_check=*/true);
    } else {
      const Leniency leniency(model);
      onnx::checker::check_model(model);
    }
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(ErrorKind::Model, where, "is not a valid model: " + one_line(error.what()),
                "onnx.checker.check_model says the same: export the model again");
  }
}

std::string fault_of(onnx::ModelProto model) {
  try {
    {
      const Leniency leniency(model);
      onnx::checker::check_model(model);
    }
    const onnx::ShapeInferenceOptions strict(/*check_type_val=*/true, /*strict_mode_val=*/1, /*data_prop_val=*/false);
    infer_within_bounds(model, strict);
    return "";
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    return one_line(error.what());
  }
}

void check_calls(const onnx::ModelProto& model, const std::string& where) {
  if (model.functions_size() == 0) return;
  Calls calls(model, where);
  double own = model.graph().node_size();
  for (const auto& function : model.functions()) {
    own += function.node_size();
    calls.of(function.node());  // those that nothing calls too
  }
  const double most = std::max(kMaxInlinedNodes, kMaxGrowth * own);
  if (const double nodes = calls.of(model.graph().node()).nodes; nodes > most)
    throw Error(ErrorKind::Resource, where,
                "its functions become too many nodes: got " + std::to_string(nodes) + ", expected at most " + std::to_string(most));
}

void inline_functions(onnx::ModelProto& model, const std::string& where) {
  if (model.functions_size() == 0) return;
  try {
    onnx::inliner::InlineLocalFunctions(model);
  } catch (const std::exception& error) {
    throw Error(ErrorKind::Model, where, "its functions cannot be inlined: " + one_line(error.what()),
                "export the model without functions");
  }
}

void check_onnx(const Graph& graph) {
  onnx::ModelProto model = light_model(graph);
  run_checker(model, "graph " + graph.name, true);
}

}  // namespace ppq
