#include "fuzz/mutations.h"

namespace ppq::fuzz {
namespace {

using onnx::AttributeProto;

onnx::NodeProto& add_node(onnx::GraphProto& graph, const std::string& type, std::initializer_list<std::string> inputs,
                          const std::string& output) {
  auto& node = *graph.add_node();
  node.set_op_type(type);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(output);
  return node;
}

AttributeProto& add_attribute(onnx::NodeProto& node, const std::string& name, AttributeProto::AttributeType type) {
  auto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(type);
  return attribute;
}

void add_constant(onnx::GraphProto& graph, const std::string& name, onnx::TensorProto::DataType type, int64_t value) {
  auto& tensor = *graph.add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(type);
  type == onnx::TensorProto::INT64 ? tensor.add_int64_data(value) : tensor.add_int32_data(static_cast<int32_t>(value));
}

void add_end(google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>& list, const std::string& name, onnx::TensorProto::DataType type) {
  auto& info = *list.Add();
  info.set_name(name);
  info.mutable_type()->mutable_tensor_type()->set_elem_type(type);
}

/// A name that no seed has.
std::string fresh(const char* what, Random& random) { return std::string("fuzz_") + what + std::to_string(random.below(1000000)); }

std::string deep_chain(Work& work, Random& random) {
  auto& graph = *work.model.mutable_graph();
  constexpr const char* kTypes[] = {"Relu", "Identity", "Neg", "Sigmoid", "Reshape", "Transpose", "Concat", "Add", "Constant"};
  constexpr size_t kLengths[] = {10, 40, 150};
  const std::string type = random.pick(kTypes);
  std::string last = some_name(graph, random);
  const std::string first = last, base = fresh("chain", random);
  const size_t length = random.one_in(40) ? 1500 : random.pick(kLengths);
  for (size_t i = 0; i < length; ++i) {
    const std::string name = base + "_" + std::to_string(i);
    if (type == "Add" || type == "Reshape")
      add_node(graph, type, {last, first}, name);
    else
      add_node(graph, type, {last}, name);
    last = name;
  }
  graph.add_output()->set_name(last);
  return std::to_string(length) + " times " + type;
}

/// If within If, each reading what is outermost.
std::string deep_nest(Work& work, Random& random) {
  auto& graph = *work.model.mutable_graph();
  const std::string read = some_name(graph, random), condition = fresh("condition", random), base = fresh("nest", random);
  constexpr size_t kDepths[] = {2, 5, 12, 28, 60};
  const size_t depth = random.pick(kDepths);
  onnx::GraphProto body;
  body.set_name(base);
  add_node(body, "Identity", {read}, base + "_0");
  body.add_output()->set_name(base + "_0");
  for (size_t i = 1; i <= depth; ++i) {
    onnx::GraphProto outer;
    outer.set_name(base);
    const std::string name = base + "_" + std::to_string(i);
    auto& node = add_node(outer, "If", {condition}, name);
    *add_attribute(node, "then_branch", AttributeProto::GRAPH).mutable_g() = body;
    auto& no = *add_attribute(node, "else_branch", AttributeProto::GRAPH).mutable_g();
    no.set_name(base + "_no");
    add_node(no, "Identity", {read}, name + "_no");
    no.add_output()->set_name(name + "_no");
    outer.add_output()->set_name(name);
    body.Swap(&outer);
  }
  add_constant(graph, condition, onnx::TensorProto::BOOL, 1);
  *graph.add_node() = body.node(0);
  graph.add_output()->set_name(body.output(0).name());
  return std::to_string(depth) + " nested Ifs";
}

/// Loop within Loop: the trips multiply.
std::string nested_loops(Work& work, Random& random) {
  auto& graph = *work.model.mutable_graph();
  const std::string read = some_name(graph, random), base = fresh("loop", random);
  constexpr int64_t kTrips[] = {0, 1, 2, -1, int64_t{1} << 50, kMost};
  const int64_t trips = random.pick(kTrips);
  const size_t depth = 1 + random.below(trips != 2 && random.one_in(4) ? 20 : 3);
  const bool scans = random.one_in(2);
  std::string inner_type = "Identity";
  onnx::NodeProto node;
  for (size_t i = 0; i < depth; ++i) {
    const std::string tag = base + "_" + std::to_string(i);
    onnx::NodeProto outer;
    outer.set_op_type("Loop");
    for (const std::string& input : {base + "_trips", base + "_go", read}) outer.add_input(input);
    outer.add_output(tag + "_y");
    if (scans) outer.add_output(tag + "_all");
    auto& body = *add_attribute(outer, "body", AttributeProto::GRAPH).mutable_g();
    body.set_name(tag);
    add_end(*body.mutable_input(), tag + "_i", onnx::TensorProto::INT64);
    add_end(*body.mutable_input(), tag + "_c", onnx::TensorProto::BOOL);
    body.add_input()->set_name(tag + "_v");
    add_node(body, "Identity", {tag + "_c"}, tag + "_c2");
    if (i > 0) *body.add_node() = node;
    add_node(body, "Neg", {tag + "_v"}, tag + "_v2");
    add_end(*body.mutable_output(), tag + "_c2", onnx::TensorProto::BOOL);
    body.add_output()->set_name(tag + "_v2");
    if (scans) body.add_output()->set_name(i > 0 ? node.output(0) : tag + "_v");
    node.Swap(&outer);
  }
  add_constant(graph, base + "_trips", onnx::TensorProto::INT64, trips);
  add_constant(graph, base + "_go", onnx::TensorProto::BOOL, 1);
  *graph.add_node() = node;
  graph.add_output()->set_name(node.output(0));
  return std::to_string(depth) + " nested Loops of " + std::to_string(trips) + " trips";
}

/// Functions that call each other: in a row, twice each, or in a circle.
std::string functions(Work& work, Random& random) {
  auto& graph = *work.model.mutable_graph();
  const std::string base = fresh("function", random);
  constexpr size_t kCounts[] = {1, 5, 20, 300};
  const size_t count = random.pick(kCounts);
  const size_t calls = count > 20 ? 1 : 1 + random.below(3);
  const bool circle = random.one_in(4);
  for (size_t i = 0; i < count; ++i) {
    auto& function = *work.model.add_functions();
    function.set_domain("fuzz");
    function.set_name(base + "_" + std::to_string(i));
    function.add_input("x");
    function.add_output("y");
    for (const auto& opset : work.model.opset_import()) *function.add_opset_import() = opset;
    auto& own = *function.add_opset_import();
    own.set_domain("fuzz"), own.set_version(1);
    std::string last = "x";
    for (size_t k = 0; k < calls; ++k) {
      auto& node = *function.add_node();
      const bool end = i + 1 == count && !circle;
      node.set_op_type(end ? "Identity" : base + "_" + std::to_string((i + 1) % count));
      if (!end) node.set_domain("fuzz");
      node.add_input(last);
      node.add_output(last = k + 1 == calls ? "y" : "t" + std::to_string(k));
    }
  }
  auto& opset = *work.model.add_opset_import();
  opset.set_domain("fuzz"), opset.set_version(1);
  add_node(graph, base + "_0", {some_name(graph, random)}, base + "_out").set_domain("fuzz");
  graph.add_output()->set_name(base + "_out");
  return std::to_string(count) + " functions, " + std::to_string(calls) + " calls each" + (circle ? ", in a circle" : "");
}

/// Nodes of another model with their constants, reading values of this one.
std::string graft(Work& work, Random& random) {
  auto& graph = *work.model.mutable_graph();
  onnx::ModelProto other;
  other.ParseFromString(random.pick(work.seeds).model);
  const std::string base = fresh("graft", random) + "_";
  for (auto& tensor : *other.mutable_graph()->mutable_initializer()) {
    *graph.add_initializer() = tensor;
    graph.mutable_initializer(graph.initializer_size() - 1)->set_name(base + tensor.name());
  }
  std::string last, types;
  const std::string joint = some_name(graph, random);
  for (auto& node : *other.mutable_graph()->mutable_node()) {
    for (auto& name : *node.mutable_input()) {
      bool own = false;
      for (const auto& tensor : other.graph().initializer()) own |= tensor.name() == name;
      for (const auto& maker : other.graph().node())
        for (const auto& output : maker.output()) own |= output == name;
      if (!name.empty()) name = own ? base + name : joint;
    }
    node.set_name("");
    types += (types.empty() ? "" : ", ") + node.op_type();
  }
  for (auto& node : *other.mutable_graph()->mutable_node()) {
    for (auto& name : *node.mutable_output())
      if (!name.empty()) last = name = base + name;
    *graph.add_node() = node;
  }
  if (last.empty()) return "";
  graph.add_output()->set_name(last);
  return "graft of " + types.substr(0, 80);
}

}  // namespace

std::vector<Mutation> structure_mutations() { return {{2, deep_chain}, {1, deep_nest}, {2, nested_loops}, {1, functions}, {8, graft}}; }

}  // namespace ppq::fuzz
