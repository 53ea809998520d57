// Shapes: what onnx infers reaches the values; stale declarations do not.
#include "onnx/files.h"

namespace ppq::test {
namespace {

std::string shape_of(const Graph& graph, const std::string& name) {
  const Value* value = graph.find_value(name);
  return value->shape ? to_string(*value->shape) : "unknown";
}

TEST(InferShapes, ReadFillsValues) {
  const auto graph = read_onnx_text(text_model(R"(g (float[N, 3, 32, 32] x, float[8, 3, 3, 3] w) => (float[N, M] y)
    <int64[2] s = {0, -1}> {
      c = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (x, w)
      y = Reshape (c, s)
    })"),
                                    {true, false, true});
  EXPECT_EQ(shape_of(*graph, "c"), "[N, 8, 16, 16]");
  EXPECT_EQ(shape_of(*graph, "y"), "[N, M]") << "an output keeps its own symbols";
}

TEST(InferShapes, CanBeLeftOut) {
  const auto graph = read_onnx_text(text_model("g (float[2] x) => (float[2] y) { a = Relu (x)  y = Neg (a) }"), {false, true, true});
  EXPECT_EQ(shape_of(*graph, "a"), "unknown");
  infer_shapes(*graph);
  EXPECT_EQ(shape_of(*graph, "a"), "[2]");
}

TEST(InferShapes, NodesGoBeforeStaleDeclarations) {
  // Exported with batch 1, made dynamic by hand at its ends only; and a plainly wrong value_info.
  const auto graph = read_onnx_text(
      text_model("g (float[N, 2] x) => (float[N, 2] y) <float[1, 2] a, float[5, 2] b> { a = Relu (x)  b = Neg (a)  y = Abs (b) }"));
  EXPECT_EQ(shape_of(*graph, "a"), "[N, 2]");
  const auto wrong = read_onnx_text(text_model("g (float[3, 2] x) => (float[3, 2] y) <float[5, 2] b> { b = Neg (x)  y = Abs (b) }"));
  EXPECT_EQ(shape_of(*wrong, "b"), "[3, 2]");
  EXPECT_NO_THROW(check_onnx(*wrong)) << "the wrong declaration is not written back";
}

TEST(InferShapes, DeclarationsFillWhatNodesCannotTell) {
  const auto graph =
      read_onnx_text(text_model("g (float[3, 2] x) => (float[K] y) <float[7] a, float[9] c> { a = org.test.Own (x)  b = Relu (a)  c = "
                                "org.test.Own (b)  y = Abs (c) }",
                                "ir_version: 8, opset_import: [\"\" : 13, \"org.test\" : 1]"));
  EXPECT_EQ(shape_of(*graph, "a"), "[7]");
  EXPECT_EQ(shape_of(*graph, "b"), "[7]");
  EXPECT_EQ(shape_of(*graph, "c"), "[9]");
}

TEST(InferShapes, WeightsTooLargeForTheCheckStillCount) {
  // 16 kB of weights: more than the checker is given.
  auto graph = read_onnx_text(text_model("g (float[1, 64] x) => (float[1, 64] y) { y = Relu (x) }"));
  Value* w = graph->add_constant("w", at::ones({64, 64}));
  Value* m = graph->add_value("m");
  graph->add_node("MatMul", "mm", {graph->inputs()[0], w}, {m}, graph->nodes()[0]);
  graph->set_input(graph->nodes()[1], 0, m);
  infer_shapes(*graph);
  EXPECT_EQ(shape_of(*graph, "m"), "[1, 64]");
  EXPECT_EQ(m->dtype, DataType::Float);
  const auto back = read_onnx_bytes(write_onnx_bytes(*graph));
  EXPECT_EQ(shape_of(*back, "m"), "[1, 64]");
  ASSERT_EQ(back->inputs().size(), 1u) << "the weight became an input";
  EXPECT_EQ(back->find_value("w")->constant().sum().item<float>(), 4096);
}

TEST(InferShapes, SubGraphsToo) {
  auto graph = read_onnx_text(text_model(R"(g (float[2, 3] x, bool c) => (float[2, 3] y) {
    y = If (c) <then_branch = t () => (float[2, 3] u) { p = Neg (x)  u = Abs (p) }, else_branch = e () => (float[2, 3] v) { v = Abs (x) }>
  })"),
                              {false, true, true});
  infer_shapes(*graph);
  EXPECT_EQ(shape_of(*graph->nodes()[0]->attributes.get_graph("then_branch"), "p"), "[2, 3]");
}

TEST(InferShapes, NodesThatCannotBeAreNoErrorOfReading) {
  // Execution says so with shapes; reading a model to inspect it must work.
  const auto graph = read_onnx_text(text_model("g (float[2, 3] x, float[4, 5] w) => (float[2, 5] y) { c = MatMul (x, w)  y = Relu (c) }"));
  EXPECT_EQ(graph->node_count(), 2u);
  EXPECT_EQ(error_of(ErrorKind::Model, [&] { check_onnx(*graph); }).find("[graph g]"), 0u);
}

/// What follows the elements of vectors makes a dimension of each: of those that may be shapes only.
TEST(InferShapes, LongVectorsAreNotFollowed) {
  std::string doubled = "c0 = Cast <to = 7> (x) ";
  for (int i = 0; i < 26; ++i)
    doubled += "c" + std::to_string(i + 1) + " = Concat <axis = 0> (c" + std::to_string(i) + ", c" + std::to_string(i) + ") ";
  const auto graph = read_onnx_text(text_model(
      "g (uint8[4294967296] given, float[65536,65536] square, int64[2] x) => (float a, int64 c26, int64 short, float flat2) "
      "<int64[1] all = {-1}> { a = Cast <to = 1> (given) " +
      doubled +
      "flat = Reshape (square, all)  flat2 = Add (flat, flat)  shape = Shape (square)  short = Concat <axis = 0> (shape, all) }"));
  const auto shape = [&](const char* name) { return to_string(*graph->find_value(name)->shape); };
  EXPECT_EQ(shape("a"), "[4294967296]");
  EXPECT_EQ(shape("c26"), "[134217728]");
  EXPECT_EQ(shape("flat2"), "[4294967296]");
  EXPECT_EQ(shape("short"), "[3]");
}

TEST(InferShapes, WhatDependsOnALengthThatIsComputedIsNotFollowedEither) {
  const auto graph =
      read_onnx_text(text_model("g (float[2,1099511627776] k) => (float y) <int64 zero = {0}, int64 one = {1}> "
                                "{ s = Shape <start = 1> (k)  n = Squeeze (s)  r = Range (zero, n, one)  y = Cast <to = 1> (r) }"));
  EXPECT_TRUE(graph->find_value("y")->shape);
}

TEST(InferShapes, AnEyeLikeOfAValueWithoutATypeHasNone) {
  const auto graph =
      read_onnx_text(text_model("g (float[2] x) => (float y) { u = NoSuchOperator (x)  e = EyeLike <dtype = 1> (u)  y = Neg (e) }"));
  EXPECT_FALSE(graph->find_value("e")->shape);
}

TEST(InferShapes, AOneHotOfAValueWithoutATypeHasNone) {
  const auto graph =
      read_onnx_text(text_model("g (float[2] x) => (float y) <int64 depth = {3}, float[2] values = {0, 1}> "
                                "{ u = NoSuchOperator (x)  h = OneHot (u, depth, values)  v = NoSuchOperator (x) "
                                "o = OneHot (x, depth, v)  y = Add (h, o) }"));
  EXPECT_FALSE(graph->find_value("h")->shape);
  EXPECT_FALSE(graph->find_value("o")->shape);
}

TEST(InferShapes, AOneHotOfNoDepthHasNone) {
  const auto graph =
      read_onnx_text(text_model("g (int64[2] x) => (int64[K] y) <int64[0] depth = {}, int64[2] values = {0, 1}> "
                                "{ h = OneHot (x, depth, values)  s = Shape (h)  y = Identity (s) }"));
  EXPECT_FALSE(graph->find_value("h")->shape);
}

/// A result has as many dimensions as its shape has numbers: a length that no tensor can have ends before they are made.
TEST(InferShapes, AShapeOfTooManyDimensionsIsAnError) {
  for (const char* body : {"g (int64[100000] s) => (float y) { c = ConstantOfShape (s)  y = Identity (c) }",
                           "g (float[2] x, int64[100000] s) => (float y) { y = Expand (x, s) }",
                           "g (float[2] x, int64[100000] s) => (float y) { y = Reshape (x, s) }",
                           "g (float[2] x) => (float y) <int64 from = {0}, int64 to = {100000}, int64 step = {1}> "
                           "{ r = Range (from, to, step)  c = ConstantOfShape (r)  y = Identity (c) }"}) {
    const std::string said = error_of(ErrorKind::Model, [&] { read_onnx_text(text_model(body)); });
    EXPECT_NE(said.find("got 100000"), std::string::npos) << said;
  }
}

TEST(InferShapes, ComputedShapesAreStillFollowed) {
  const auto graph = read_onnx_text(
      text_model("g (float[2,3,4] x) => (float y) <int64[1] flat = {-1}, int64[1] zero = {0}> { s = Shape (x)  n = Gather (s, zero)  "
                 "t = Concat<axis = 0> (n, flat)  r = Reshape (x, t)  u = Shape (r)  e = ConstantOfShape (u)  v = Shape (e)  w = Expand "
                 "(e, v)  y = Identity (w) }"));
  for (const char* name : {"r", "e", "w"}) EXPECT_EQ(to_string(*graph->find_value(name)->shape), "[2, 12]") << name;
}

}  // namespace
}  // namespace ppq::test
