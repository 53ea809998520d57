#include "onnx/normalize.h"

#include <onnx/defs/schema.h>

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "ppq/error.h"

namespace ppq {
namespace {

constexpr int64_t kMinOpset = 7;

/// Names that a graph defines itself, each with who defines it.
using Definitions = std::unordered_map<std::string, std::string>;
/// Names of the graphs around a sub-graph, innermost last.
using Scopes = std::vector<const Definitions*>;

Definitions definitions_of(const onnx::GraphProto& graph, const std::string& where) {
  Definitions names;
  const auto define = [&](const std::string& name, const std::string& definer) {
    const auto [it, fresh] = names.try_emplace(name, definer);
    if (!fresh)
      throw Error(ErrorKind::Model, where, "value " + name + " is defined twice: by " + it->second + " and by " + definer,
                  "every value needs a name of its own: export the model again");
  };
  std::unordered_set<std::string> inputs;
  for (const auto& input : graph.input()) {
    if (input.name().empty()) throw Error(ErrorKind::Model, where, "a graph input has no name", "export the model again");
    define(input.name(), "a graph input");
    inputs.insert(input.name());
  }
  // An initializer that is also an input is the input's default (all of them, in IR 3).
  std::unordered_set<std::string> initializers;
  const auto define_initializer = [&](const std::string& name) {
    if (!initializers.insert(name).second)
      throw Error(ErrorKind::Model, where, "value " + name + " is defined twice: by two initializers", "export the model again");
    if (!inputs.count(name)) define(name, "an initializer");
  };
  for (const auto& initializer : graph.initializer()) define_initializer(initializer.name());
  for (const auto& initializer : graph.sparse_initializer()) define_initializer(initializer.values().name());
  for (int i = 0; i < graph.node_size(); ++i)
    for (const auto& output : graph.node(i).output())
      if (!output.empty()) define(output, describe(graph.node(i), i));
  return names;
}

template <class Body>
void for_each_subgraph(onnx::NodeProto& node, const Body& body) {
  for (auto& attribute : *node.mutable_attribute()) {
    if (attribute.has_g()) body(*attribute.mutable_g(), attribute.name());
    for (auto& graph : *attribute.mutable_graphs()) body(graph, attribute.name());
  }
}

[[noreturn]] void undefined_value(const std::string& reader, const std::string& name, const Definitions& names) {
  std::vector<std::string> candidates;
  for (const auto& [defined, definer] : names) candidates.push_back(defined);
  const auto near = nearest_names(name, candidates, 1);
  throw Error(ErrorKind::Model, reader, "reads value " + name + ", which nothing defines",
              near.empty() ? "the file is incomplete: export the model again" : "the nearest name is " + near[0]);
}

/// Orders `graph` and returns the names it takes from around it.
std::set<std::string> order(onnx::GraphProto& graph, const std::string& where, Scopes& scopes) {
  const Definitions names = definitions_of(graph, where);
  const auto is_outer = [&](const std::string& name) {
    return std::any_of(scopes.begin(), scopes.end(), [&](const Definitions* scope) { return scope->count(name) > 0; });
  };
  std::set<std::string> captured;
  const int count = graph.node_size();
  std::unordered_map<std::string, int> producer;
  for (int i = 0; i < count; ++i)
    for (const auto& output : graph.node(i).output())
      if (!output.empty()) producer.emplace(output, i);

  std::vector<std::vector<int>> readers(static_cast<size_t>(count));
  std::vector<int> waiting(static_cast<size_t>(count), 0);
  bool sorted = true;
  for (int i = 0; i < count; ++i) {
    auto& node = *graph.mutable_node(i);
    const std::string reader = describe(node, i);
    std::set<std::string> reads(node.input().begin(), node.input().end());
    scopes.push_back(&names);
    for_each_subgraph(
        node, [&](onnx::GraphProto& body, const std::string& attribute) { reads.merge(order(body, reader + ", " + attribute, scopes)); });
    scopes.pop_back();
    for (const auto& name : reads) {
      if (name.empty()) continue;
      if (!names.count(name)) {
        if (!is_outer(name)) undefined_value(reader, name, names);
        captured.insert(name);
      } else if (const auto it = producer.find(name); it != producer.end()) {
        readers[static_cast<size_t>(it->second)].push_back(i);
        ++waiting[static_cast<size_t>(i)];
        sorted &= it->second < i;
      }
    }
  }
  for (const auto& output : graph.output())
    if (!names.count(output.name())) {
      if (!is_outer(output.name())) undefined_value(where + ", graph output", output.name(), names);
      captured.insert(output.name());
    }
  if (sorted) return captured;

  std::set<int> ready;
  for (int i = 0; i < count; ++i)
    if (waiting[static_cast<size_t>(i)] == 0) ready.insert(i);
  google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
  while (!ready.empty()) {
    const int i = *ready.begin();
    ready.erase(ready.begin());
    nodes.Add()->Swap(graph.mutable_node(i));
    for (const int reader : readers[static_cast<size_t>(i)])
      if (--waiting[static_cast<size_t>(reader)] == 0) ready.insert(reader);
  }
  if (nodes.size() != count) {
    std::string stuck;
    for (int i = 0, listed = 0; i < count && listed < 5; ++i)
      if (waiting[static_cast<size_t>(i)] > 0) stuck += (listed++ ? ", " : "") + describe(graph.node(i), i);
    throw Error(ErrorKind::Model, where, "nodes form a cycle: " + stuck, "the file is damaged: export the model again");
  }
  graph.mutable_node()->Swap(&nodes);
  return captured;
}

}  // namespace

std::string describe(const onnx::NodeProto& node, int index) {
  if (!node.name().empty()) return "node " + node.name();
  return "node #" + std::to_string(index) + " (" + node.op_type() + ")";
}

void check_versions(const onnx::ModelProto& model, const std::string& where) {
  if (!model.has_ir_version()) throw Error(ErrorKind::Model, where, "is not an ONNX model: it has no IR version", "give a .onnx file");
  if (model.ir_version() < 3 || model.ir_version() > onnx::IR_VERSION)
    throw Error(ErrorKind::Unsupported, where,
                "IR version: got " + std::to_string(model.ir_version()) + ", expected 3 to " + std::to_string(onnx::IR_VERSION),
                "save the model again with a current onnx");
  std::set<std::string> domains;
  for (const auto& opset : model.opset_import()) {
    const std::string domain = opset.domain() == "ai.onnx" ? "" : opset.domain();
    if (!domains.insert(domain).second)
      throw Error(ErrorKind::Model, where, "imports the opset of domain '" + domain + "' twice", "export the model again");
    const auto& known = onnx::OpSchemaRegistry::DomainToVersionRange::Instance().Map();
    if (domain.empty() && (opset.version() < kMinOpset || opset.version() > known.at("").second))
      throw Error(ErrorKind::Unsupported, where,
                  "opset: got " + std::to_string(opset.version()) + ", expected " + std::to_string(kMinOpset) + " to " +
                      std::to_string(known.at("").second),
                  "convert the model with onnx.version_converter.convert_version");
  }
  if (domains.empty()) throw Error(ErrorKind::Model, where, "imports no opset", "export the model again");
}

void order_nodes(onnx::GraphProto& graph, const std::string& where) {
  Scopes scopes;
  order(graph, where, scopes);
}

void name_nodes(onnx::GraphProto& graph) {
  std::unordered_map<std::string, int> uses;
  for (const auto& node : graph.node()) ++uses[node.name()];
  std::unordered_map<std::string, int> next;
  std::unordered_set<std::string> given;
  for (auto& node : *graph.mutable_node()) {
    for_each_subgraph(node, [](onnx::GraphProto& body, const std::string&) { name_nodes(body); });
    // The first of several nodes with one name keeps it.
    if (!node.name().empty() && given.insert(node.name()).second) continue;
    const std::string base = node.name().empty() ? node.op_type() : node.name();
    std::string name = node.name().empty() ? base : "";
    while (name.empty() || uses.count(name) || given.count(name)) name = base + "_" + std::to_string(++next[base]);
    given.insert(name);
    node.set_name(name);
  }
}

}  // namespace ppq
