#include <algorithm>
#include <numeric>

#include "fuzz/mutations.h"

namespace ppq::fuzz {
namespace {

void collect(onnx::GraphProto& graph, std::vector<onnx::GraphProto*>& all) {
  all.push_back(&graph);
  for (auto& node : *graph.mutable_node())
    for (auto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g()) collect(*attribute.mutable_g(), all);
      for (auto& body : *attribute.mutable_graphs()) collect(body, all);
    }
}

std::vector<onnx::GraphProto*> graphs_of(onnx::ModelProto& model) {
  std::vector<onnx::GraphProto*> all;
  collect(*model.mutable_graph(), all);
  return all;
}

const std::vector<Mutation>& mutations() {
  static const std::vector<Mutation> all = [] {
    std::vector<Mutation> list;
    for (const auto& part : {value_mutations(), tensor_mutations(), wiring_mutations(), structure_mutations()})
      list.insert(list.end(), part.begin(), part.end());
    return list;
  }();
  return all;
}

const Mutation& some_mutation(Random& random) {
  static const int total =
      std::accumulate(mutations().begin(), mutations().end(), 0, [](int sum, const Mutation& m) { return sum + m.weight; });
  int place = static_cast<int>(random.below(static_cast<size_t>(total)));
  const auto it = std::find_if(mutations().begin(), mutations().end(), [&](const Mutation& m) { return (place -= m.weight) < 0; });
  return *it;
}

/// Whether a body hands its condition on, or has it as a constant: then the trip count alone ends the Loop.
bool keeps_condition(const onnx::GraphProto& body) {
  if (body.output_size() == 0 || body.input_size() < 2) return true;
  std::string name = body.output(0).name();
  for (int i = body.node_size() - 1; i >= 0; --i)
    for (const auto& output : body.node(i).output())
      if (output == name) {
        if (body.node(i).op_type() == "Constant") return true;
        if (body.node(i).op_type() != "Identity" || body.node(i).input_size() == 0) return false;
        name = body.node(i).input(0);
      }
  const auto& constants = body.initializer();
  return name == body.input(1).name() ||
         std::any_of(constants.begin(), constants.end(), [&](const auto& tensor) { return tensor.name() == name; });
}

/// The number of an initializer; -1 where it is none.
int64_t constant_of(const onnx::GraphProto& graph, const std::string& name) {
  for (const auto& tensor : graph.initializer())
    if (tensor.name() == name) {
      if (tensor.int64_data_size() == 1) return tensor.int64_data(0);
      if (tensor.raw_data().size() == sizeof(int64_t)) return *reinterpret_cast<const int64_t*>(tensor.raw_data().data());
    }
  return -1;
}

/// Whether a Loop may go on for long without being one that the program knows not to end.
bool is_open(const onnx::NodeProto& node, const onnx::GraphProto& main) {
  constexpr int64_t kFew = 1000, kEndless = int64_t{1} << 36;
  const int64_t trips = node.input_size() ? constant_of(main, node.input(0)) : -1;
  if (trips < 0 || (trips > kFew && trips <= kEndless)) return true;
  return std::any_of(node.attribute().begin(), node.attribute().end(),
                     [](const auto& attribute) { return attribute.has_g() && !keeps_condition(attribute.g()); });
}

bool has_open_loop(onnx::ModelProto& model) {
  const auto graphs = graphs_of(model);
  return std::any_of(graphs.begin(), graphs.end(), [&](const onnx::GraphProto* graph) {
    return std::any_of(graph->node().begin(), graph->node().end(),
                       [&](const auto& node) { return node.op_type() == "Loop" && is_open(node, model.graph()); });
  });
}

}  // namespace

onnx::GraphProto& Work::graph(Random& random) const { return random.one_in(2) ? *graphs[0] : *random.pick(graphs); }

onnx::NodeProto* Work::node(Random& random) const {
  auto& chosen = graph(random);
  return chosen.node_size() == 0 ? nullptr : chosen.mutable_node(static_cast<int>(random.below(static_cast<size_t>(chosen.node_size()))));
}

onnx::TensorProto* Work::tensor(Random& random) const {
  auto& chosen = graph(random);
  std::vector<onnx::TensorProto*> all;
  for (auto& tensor : *chosen.mutable_initializer()) all.push_back(&tensor);
  for (auto& node : *chosen.mutable_node())
    for (auto& attribute : *node.mutable_attribute())
      if (attribute.has_t()) all.push_back(attribute.mutable_t());
  return all.empty() ? nullptr : random.pick(all);
}

std::string some_name(const onnx::GraphProto& graph, Random& random) {
  std::vector<const std::string*> names;
  for (const auto& input : graph.input()) names.push_back(&input.name());
  for (const auto& tensor : graph.initializer()) names.push_back(&tensor.name());
  for (const auto& node : graph.node())
    for (const auto& name : node.output()) names.push_back(&name);
  return names.empty() ? "" : *random.pick(names);
}

Mutant make_mutant(const std::vector<Seed>& seeds, const Recipe& recipe) {
  constexpr size_t kBytes = 12, kTries = 20;
  Mutant mutant;
  onnx::ModelProto model;
  model.ParseFromString(seeds[recipe.seed].model);
  std::vector<uint64_t> for_bytes;
  for (const uint64_t change : recipe.changes) {
    Random random(change);
    if (random.one_in(kBytes)) {
      for_bytes.push_back(random.next());
      continue;
    }
    Work work{model, graphs_of(model), mutant.data, seeds};
    for (size_t i = 0; i < kTries; ++i) {
      const std::string text = some_mutation(random).make(work, random);
      if (text.empty()) continue;
      mutant.changes.push_back(text);
      break;
    }
  }
  mutant.open_loop = has_open_loop(model);
  mutant.model = model.SerializeAsString();
  for (const uint64_t change : for_bytes) {
    Random random(change);
    mutant.changes.push_back(spoil_bytes(mutant.model, random));
  }
  return mutant;
}

}  // namespace ppq::fuzz
