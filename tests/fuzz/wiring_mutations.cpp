#include "fuzz/mutations.h"

namespace ppq::fuzz {
namespace {

std::string rewire(Work& work, Random& random) {
  auto& graph = work.graph(random);
  if (graph.node_size() == 0) return "";
  auto& node = *graph.mutable_node(static_cast<int>(random.below(static_cast<size_t>(graph.node_size()))));
  if (node.input_size() == 0 || random.one_in(5)) {
    node.add_input(some_name(graph, random));
    return node.op_type() + " reads one more";
  }
  const int i = static_cast<int>(random.below(static_cast<size_t>(node.input_size())));
  if (random.one_in(6)) {
    node.mutable_input()->DeleteSubrange(i, 1);
    return node.op_type() + " without input " + std::to_string(i);
  }
  // A node that comes later makes a cycle.
  node.set_input(i, random.one_in(6) ? "" : random.one_in(12) ? "nowhere" : some_name(graph, random));
  return node.op_type() + " reads '" + node.input(i) + "'";
}

std::string change_outputs(Work& work, Random& random) {
  auto& graph = work.graph(random);
  if (graph.node_size() == 0) return "";
  auto& node = *graph.mutable_node(static_cast<int>(random.below(static_cast<size_t>(graph.node_size()))));
  switch (random.below(4)) {
    case 0:
      if (node.output_size() == 0) return "";
      node.mutable_output()->RemoveLast();
      return node.op_type() + " gives one less";
    case 1:
      node.add_output("more_" + std::to_string(random.below(1000)));
      return node.op_type() + " gives one more";
    case 2:
      node.add_output(some_name(graph, random));
      return node.op_type() + " gives a name that is taken";
    default:
      if (node.output_size() == 0) return "";
      node.set_output(0, "");
      return node.op_type() + " gives nothing";
  }
}

std::string change_ends(Work& work, Random& random) {
  auto& graph = work.graph(random);
  auto* list = random.one_in(3) ? graph.mutable_input() : graph.mutable_output();
  if (random.one_in(3)) {
    list->Add()->set_name(some_name(graph, random));
    return "one more end";
  }
  if (list->empty()) return "";
  const int i = static_cast<int>(random.below(static_cast<size_t>(list->size())));
  const std::string name = list->Get(i).name();
  if (random.one_in(3)) {
    list->Mutable(i)->set_name(random.one_in(2) ? "" : some_name(graph, random));
    return name + " under another name";
  }
  list->DeleteSubrange(i, 1);
  return name + " is no end";
}

std::string rename(Work& work, Random& random) {
  auto *node = work.node(random), *other = work.node(random);
  if (!node) return "";
  const std::string names[] = {"", other->name(), std::string(100000, 'n'), std::string("\xff\xfe", 2), "../../x", "a\nb"};
  node->set_name(random.pick(names));
  return node->op_type() + " named '" + node->name().substr(0, 8) + "'";
}

std::string change_operator(Work& work, Random& random) {
  constexpr const char* kTypes[] = {"Conv",
                                    "Gemm",
                                    "MatMul",
                                    "Reshape",
                                    "Resize",
                                    "Concat",
                                    "Slice",
                                    "Softmax",
                                    "BatchNormalization",
                                    "Split",
                                    "Pad",
                                    "If",
                                    "Loop",
                                    "Scan",
                                    "Expand",
                                    "Tile",
                                    "Range",
                                    "ConstantOfShape",
                                    "OneHot",
                                    "Clip",
                                    "Gather",
                                    "Add",
                                    "MaxPool",
                                    "ConvTranspose",
                                    "LSTM",
                                    "TopK",
                                    "Where",
                                    "Einsum",
                                    "Identity",
                                    "Dropout",
                                    "QuantizeLinear",
                                    "DequantizeLinear",
                                    "Constant",
                                    "Cast",
                                    "Sum",
                                    "SequenceConstruct",
                                    "NoSuchOperator"};
  auto* node = work.node(random);
  if (!node) return "";
  const std::string before = node->op_type();
  if (random.one_in(8)) {
    constexpr const char* kDomains[] = {"com.microsoft", "ai.onnx", "own", "ai.onnx.ml"};
    node->set_domain(random.pick(kDomains));
    return before + " of " + node->domain();
  }
  node->set_op_type(random.pick(kTypes));
  return before + " becomes " + node->op_type();
}

std::string change_versions(Work& work, Random& random) {
  if (random.one_in(3)) {
    auto* opset = work.model.add_opset_import();
    constexpr const char* kDomains[] = {"com.microsoft", "ai.onnx", "", "own"};
    opset->set_domain(random.pick(kDomains));
    opset->set_version(random.pick(kIntegers));
    return "imports '" + opset->domain() + "' " + std::to_string(opset->version());
  }
  if (random.one_in(4)) {
    work.model.set_ir_version(random.pick(kIntegers));
    return "IR version " + std::to_string(work.model.ir_version());
  }
  if (work.model.opset_import_size() == 0) return "";
  constexpr int64_t kOpsets[] = {1, 6, 7, 8, 9, 10, 11, 12, 13, 15, 17, 18, 19, 21, 22, 23, 24, 0, -1, 99, kMost};
  work.model.mutable_opset_import(0)->set_version(random.pick(kOpsets));
  return "opset " + std::to_string(work.model.opset_import(0).version());
}

std::string move_node(Work& work, Random& random) {
  auto& graph = work.graph(random);
  if (graph.node_size() == 0) return "";
  const auto any = [&] { return static_cast<int>(random.below(static_cast<size_t>(graph.node_size()))); };
  const int i = any();
  const std::string type = graph.node(i).op_type();
  switch (random.below(3)) {
    case 0:
      *graph.add_node() = onnx::NodeProto(graph.node(i));
      return type + " twice";
    case 1:
      graph.mutable_node()->DeleteSubrange(i, 1);
      return "no " + type;
    default:
      graph.mutable_node()->SwapElements(i, any());
      return type + " elsewhere";
  }
}

/// Every value may be asked for.
std::string add_outputs(Work& work, Random&) {
  auto& graph = *work.model.mutable_graph();
  for (const auto& node : graph.node())
    for (const auto& name : node.output())
      if (!name.empty()) graph.add_output()->set_name(name);
  return "all values are outputs";
}

}  // namespace

std::vector<Mutation> wiring_mutations() {
  return {{8, rewire},          {3, change_outputs},  {3, change_ends}, {1, rename},
          {5, change_operator}, {4, change_versions}, {3, move_node},   {1, add_outputs}};
}

}  // namespace ppq::fuzz
