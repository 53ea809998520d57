// What the reader makes of a file: values, constants, names, text, functions, sub-graphs.
#include "onnx/files.h"

namespace ppq::test {
namespace {

TEST(ReadOnnx, ValuesNodesAndLinks) {
  const auto graph = read_onnx_text(text_model(R"(g (float[N, 3] x) => (float[N, 2] y)
    <float[3, 2] w = {1, 2, 3, 4, 5, 6}> {
      m = MatMul (x, w)
      y = Clip (m, , m)
    })"));
  graph->verify();
  EXPECT_EQ(graph->opset(), 21);
  ASSERT_EQ(graph->node_count(), 2u);
  const Node* matmul = graph->nodes()[0];
  const Node* clip = graph->nodes()[1];
  EXPECT_TRUE(matmul->is("MatMul"));
  EXPECT_EQ(matmul->constant_input(1).sizes(), at::IntArrayRef({3, 2}));
  EXPECT_EQ(matmul->constant_input(1)[2][1].item<float>(), 6);
  ASSERT_EQ(clip->inputs().size(), 3u);
  EXPECT_EQ(clip->input(1), nullptr) << "an absent input";
  EXPECT_EQ(clip->input(2)->producer(), matmul);
  EXPECT_EQ(graph->find_value("m")->uses().size(), 2u);
  EXPECT_EQ(to_string(*graph->inputs()[0]->shape), "[N, 3]");
  EXPECT_EQ(to_string(*graph->find_value("m")->shape), "[N, 2]") << "inferred, with the symbol";
  EXPECT_EQ(graph->find_value("m")->dtype, DataType::Float);
  EXPECT_FALSE(graph->inputs()[0]->is_constant());
}

TEST(ReadOnnx, InitializersThatAreInputsAreBoth) {
  const auto graph = read_onnx_text(text_model(R"(g (float[2] x, float[2] w) => (float[2] y) <float[2] w = {1, 2}> { y = Mul (x, w) })",
                                               "ir_version: 3, opset_import: [\"\" : 7]"));
  ASSERT_EQ(graph->inputs().size(), 2u);
  EXPECT_TRUE(graph->inputs()[1]->is_constant() && graph->inputs()[1]->is_graph_input());
  EXPECT_EQ(graph->constants().size(), 1u);
}

TEST(ReadOnnx, ConstantNodesStayNodes) {
  const auto graph =
      read_onnx_text(text_model("g (float[2] x) => (float[2] y) { c = Constant <value = float[2] {1, 2}> ()  y = Mul (x, c) }"));
  EXPECT_TRUE(graph->nodes()[0]->is("Constant"));
  EXPECT_EQ(graph->nodes()[0]->attributes.get_tensor("value")[1].item<float>(), 2);
  EXPECT_TRUE(graph->constants().empty());
}

TEST(ReadOnnx, NodesGetUniqueNamesAndKeepThoseThatAreUnique) {
  // The text format has node names in brackets.
  const auto graph = read_onnx_text(text_model(R"(g (float[2] x) => (float[2] y) {
    a = Relu (x)   [Neg_1] b = Neg (a)   [same] c = Neg (b)   [same] d = Neg (c)   e = Neg (d)   f = Neg (e)   [Neg] y = Abs (f) })"));
  std::vector<std::string> names;
  for (const Node* node : graph->nodes()) names.push_back(node->name);
  EXPECT_EQ(names, (std::vector<std::string>{"Relu", "Neg_1", "same", "same_1", "Neg_2", "Neg_3", "Neg"}));
}

TEST(ReadOnnx, UnorderedNodesAreOrdered) {
  const auto graph = read_onnx_text(text_model("g (float[2] x) => (float[2] y) { y = Relu (b)  b = Neg (a)  a = Abs (x) }"));
  std::vector<std::string> types;
  for (const Node* node : graph->nodes()) types.push_back(node->op_type);
  EXPECT_EQ(types, (std::vector<std::string>{"Abs", "Neg", "Relu"}));
  graph->verify();
}

TEST(ReadOnnx, OperatorsUnknownToOnnxAreRead) {
  const auto graph = read_onnx_text(text_model("g (float[2] x) => (float[2] y) { a = MMCVThing (x)  y = org.test.Own <k = 2> (a) }",
                                               "ir_version: 8, opset_import: [\"\" : 13, \"org.test\" : 3]"));
  EXPECT_EQ(graph->nodes()[0]->op_type, "MMCVThing");
  EXPECT_EQ(graph->nodes()[0]->domain, "");
  EXPECT_EQ(graph->nodes()[1]->domain, "org.test");
  EXPECT_EQ(graph->opset("org.test"), 3);
  EXPECT_EQ(graph->opset("org.other"), 0);
}

TEST(ReadOnnx, TypesThatLibTorchLacksAreCarried) {
  const auto graph = read_onnx_text(text_model("g () => (string[2] y) <string[2] s = {\"one\", \"two\"}> { y = Identity (s) }"));
  const Value* s = graph->find_value("s");
  EXPECT_TRUE(s->is_constant());
  EXPECT_FALSE(s->constant().defined());
  EXPECT_EQ(s->dtype, DataType::String);
  EXPECT_EQ(to_string(*s->shape), "[2]");
}

TEST(ReadOnnx, TextFilesAreRead) {
  const std::string folder = temporary_dir("text");
  const std::string text = text_model("g (float[2] x) => (float[2] y) { y = Relu (x) }");
  save(folder + "/model.onnxtxt", "\n  " + text);
  EXPECT_EQ(read_onnx(folder + "/model.onnxtxt")->node_count(), 1u);
  EXPECT_EQ(read_onnx_bytes(text)->node_count(), 1u);
}

TEST(ReadOnnx, FunctionsAreInlined) {
  const std::string text = R"(<ir_version: 9, opset_import: ["" : 18, "local" : 1]>
    g (float[N, 2] x) => (float[N, 2] y) { a = local.twice (x)  y = local.twice (a) }
    <domain: "local", opset_import: ["" : 18, "local" : 1]> twice (p) => (q) { t = local.shift <by = 1.5> (p)  q = Add (t, p) }
    <domain: "local", opset_import: ["" : 18]> shift <by> (p) => (q) { c = Constant <value_float: float = @by> ()  q = Add (p, c) })";
  const auto graph = read_onnx_text(text);
  graph->verify();
  std::vector<std::string> types;
  for (const Node* node : graph->nodes()) {
    types.push_back(node->op_type);
    EXPECT_EQ(node->domain, "");
  }
  EXPECT_EQ(types, (std::vector<std::string>{"Constant", "Add", "Add", "Constant", "Add", "Add"}));
  EXPECT_EQ(graph->nodes()[0]->attributes.get_float("value_float", 0), 1.5f);
  EXPECT_NO_THROW(check_onnx(*graph));
  ReadOptions keep;
  keep.inline_functions = false;
  const auto kept = read_onnx_text(text, keep);
  EXPECT_EQ(kept->nodes()[0]->op_type, "twice");
  EXPECT_NO_THROW(check_onnx(*kept)) << "functions that are not inlined are written";
}

const char* const kLoop = R"(g (float[2] x, bool c) => (float[2] y) <float[2] w = {1, 2}> {
    a = Relu (x)
    y = If (c) <then_branch = then_graph () => (float[2] t) <float[2] k = {5, 6}> {
        u = Mul (a, k)
        t = If (c) <then_branch = deep () => (float[2] d) { d = Add (w, u) }, else_branch = flat () => (float[2] e) { e = Neg (a) }>
      }, else_branch = else_graph () => (float[2] z) { z = Sub (x, w) }>
  })";

TEST(ReadOnnx, SubGraphsSeeValuesOfTheGraphsAround) {
  const auto graph = read_onnx_text(text_model(kLoop));
  graph->verify();
  const Node* branch = graph->nodes()[1];
  const auto then_graph = branch->attributes.get_graph("then_branch");
  ASSERT_TRUE(then_graph);
  then_graph->verify();
  EXPECT_TRUE(then_graph->find_value("a")->is_outer());
  EXPECT_EQ(then_graph->find_value("a")->dtype, DataType::Float);
  EXPECT_EQ(then_graph->find_value("k")->constant()[1].item<float>(), 6);
  EXPECT_EQ(then_graph->find_value("x"), nullptr);
  const auto deep = then_graph->nodes()[1]->attributes.get_graph("then_branch");
  EXPECT_TRUE(deep->find_value("w")->is_outer() && deep->find_value("u")->is_outer());
  // What the innermost graph takes from the outermost goes through the one between.
  EXPECT_TRUE(then_graph->find_value("w")->is_outer());
  EXPECT_FALSE(then_graph->find_value("u")->is_outer());
  EXPECT_TRUE(branch->attributes.get_graph("else_branch")->find_value("w")->is_outer());
}

TEST(ReadOnnx, NodesAreOrderedByWhatSubGraphsRead) {
  const auto graph = read_onnx_text(text_model(R"(g (float[2] x, bool c) => (float[2] y) {
    y = If (c) <then_branch = t () => (float[2] u) { u = Neg (a) }, else_branch = e () => (float[2] v) { v = Abs (x) }>
    a = Relu (x)
  })"));
  EXPECT_EQ(graph->nodes()[0]->op_type, "Relu");
  EXPECT_EQ(graph->nodes()[1]->op_type, "If");
}

TEST(ReadOnnx, OutputMayBeAnInputOrAConstant) {
  const auto graph =
      read_onnx_text(text_model("g (float[2] x) => (float[2] x, float[2] w, float[2] y) <float[2] w = {1, 2}> { y = Relu (x) }"));
  ASSERT_EQ(graph->outputs().size(), 3u);
  EXPECT_EQ(graph->outputs()[0], graph->inputs()[0]);
  EXPECT_TRUE(graph->outputs()[1]->is_constant());
}

}  // namespace
}  // namespace ppq::test
