#include "passes/rewritten.h"

namespace ppq::test {
namespace {

Rewritten fold(const std::string& text, const std::vector<std::string>& constants = {}) {
  auto graph = parse_model(text, constants);
  PassContext context;
  passes::make_constants_to_values()->run(*graph, context);
  return rewrite(std::move(graph), passes::make_fold_constants());
}

/// The folded graph without what nobody reads any more.
std::vector<std::string> live_types(Rewritten& r) {
  PassContext context;
  passes::make_remove_dead_code()->run(*r.after, context);
  return r.types();
}

std::vector<int64_t> ints(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<int64_t>(), tensor.const_data_ptr<int64_t>() + tensor.numel()};
}

TEST(FoldConstants, ArithmeticOnConstants) {
  auto r = fold(model_text("float[2,3] x, float[3] a, float[3] b", "float[2,3] y", "t = Mul(a, b) u = Exp(t) y = Add(x, u)"), {"a", "b"});
  EXPECT_EQ(r.changes, 2u);
  EXPECT_THAT(r.types(), ElementsAre("Add"));
  const auto& a = r.before->find_value("a")->constant();
  const auto& b = r.before->find_value("b")->constant();
  EXPECT_NEAR(r.after->find_value("u")->constant()[1].item<double>(), std::exp(a[1].item<double>() * b[1].item<double>()), 1e-6);
}

TEST(FoldConstants, ShapeOfStaticSizes) {
  auto r = fold(model_text("float[2,3,4] x", "int64[3] y", "s = Shape(x) y = Identity(s)"));
  EXPECT_THAT(r.types(), ElementsAre("Identity"));
  EXPECT_THAT(ints(r.after->find_value("s")->constant()), ElementsAre(2, 3, 4));
}

TEST(FoldConstants, ShapeWithStartAndEnd) {
  auto r = fold(model_text("float[2,3,4,5] x", "int64[2] y", "s = Shape<start = -3, end = -1>(x) y = Identity(s)"));
  EXPECT_THAT(ints(r.after->find_value("s")->constant()), ElementsAre(3, 4));
}

TEST(FoldConstants, SizeOfStaticSizes) {
  auto r = fold(model_text("float[2,3,4] x", "int64 y", "s = Size(x) y = Identity(s)"));
  EXPECT_EQ(r.after->find_value("s")->constant().item<int64_t>(), 24);
  EXPECT_EQ(r.after->find_value("s")->constant().dim(), 0);
}

TEST(FoldConstants, OneKnownDimensionOfAnOpenShape) {
  auto r = fold(model_text("float[N,7,H] x", "int64[1] y",
                           "s = Shape(x) i = Constant<value = int64 {1}>() g = Gather(s, i) a = Constant<value = int64[1] {0}>() "
                           "u = Unsqueeze(g, a) y = Identity(u)"));
  EXPECT_THAT(ints(r.after->find_value("u")->constant()), ElementsAre(7));
}

TEST(FoldConstants, TheUnknownDimensionIsNotFolded) {
  auto r = fold(model_text("float[N,7,H] x", "int64 y", "s = Shape(x) i = Constant<value = int64 {0}>() g = Gather(s, i) y = Identity(g)"));
  EXPECT_FALSE(r.after->find_value("g")->is_constant());
  EXPECT_THAT(r.types(), testing::Contains("Gather"));
}

/// Shape -> Gather -> Unsqueeze -> Concat -> Reshape, as exporters write x.view(x.size(0), -1).
constexpr const char* kView =
    "s = Shape(x) i = Constant<value = int64 {0}>() g = Gather(s, i) a = Constant<value = int64[1] {0}>() u = Unsqueeze(g, a) "
    "m = Constant<value = int64[1] {-1}>() c = Concat<axis = 0>(u, m) y = Reshape(x, c)";

TEST(FoldConstants, ViewWithASymbolicBatch) {
  auto r = fold(model_text("float[N,3,4] x", "float[N,12] y", kView));
  EXPECT_THAT(live_types(r), ElementsAre("Reshape"));
  EXPECT_THAT(ints(r.after->nodes()[0]->constant_input(1)), ElementsAre(0, -1));
}

TEST(FoldConstants, ViewWithADeclaredBatchStillRunsWithAnother) {
  auto r = fold(model_text("float[1,3,4] x", "float[1,12] y", kView));
  EXPECT_THAT(live_types(r), ElementsAre("Reshape"));
  EXPECT_THAT(ints(r.after->nodes()[0]->constant_input(1)), ElementsAre(0, -1));
}

TEST(FoldConstants, OneUnknownDimensionIsInferred) {
  // The element is the batch of x at another place than in the result.
  auto r = fold(model_text("float[N,3,4] x", "float[] y",
                           "s = Shape(x) i = Constant<value = int64[1] {0}>() g = Gather(s, i) t = Constant<value = int64[1] {12}>() "
                           "c = Concat<axis = 0>(t, g) y = Reshape(x, c)"));
  EXPECT_THAT(live_types(r), ElementsAre("Reshape"));
  EXPECT_THAT(ints(r.after->nodes()[0]->constant_input(1)), ElementsAre(12, -1));
}

TEST(FoldConstants, TwoUnknownDimensionsAreKept) {
  auto r = fold(model_text("float[N,3,H] x", "float[] y",
                           "s = Shape(x) i = Constant<value = int64[2] {2, 0}>() g = Gather(s, i) t = Constant<value = int64[1] {3}>() "
                           "c = Concat<axis = 0>(g, t) y = Reshape(x, c)"));
  EXPECT_THAT(r.types(), testing::Contains("Concat"));
}

TEST(FoldConstants, ArithmeticOnDimensions) {
  // [N, C, H, W] -> [N, 2, C/2, H, W], channel shuffle's first half.
  auto r = fold(model_text(
      "float[N,6,H,W] x", "float[] y",
      "s = Shape(x) i0 = Constant<value = int64[1] {0}>() i1 = Constant<value = int64[1] {1}>() two = Constant<value = int64[1] {2}>() "
      "n = Gather(s, i0) ch = Gather(s, i1) half = Div(ch, two) top = Constant<value = int64[1] {5}>() "
      "hw = Slice(s, two, top) c = Concat<axis = 0>(n, two, half, hw) y = Reshape(x, c)"));
  // Three dimensions are open: only C/2 becomes a number.
  EXPECT_THAT(ints(r.after->find_value("half")->constant()), ElementsAre(3));
}

TEST(FoldConstants, ReachesThroughInferredShapes) {
  // The second Shape is known only once the first Reshape is folded.
  auto r = fold(
      model_text("float[2,3,4] x", "float[] y",
                 "s = Shape(x) i = Constant<value = int64[1] {0}>() g = Gather(s, i) m = Constant<value = int64[1] {-1}>() "
                 "c = Concat<axis = 0>(g, m) f = Reshape(x, c) s2 = Shape(f) g2 = Gather(s2, i) h = Constant<value = int64[2] {4, 3}>() "
                 "c2 = Concat<axis = 0>(g2, h) y = Reshape(f, c2)"));
  EXPECT_THAT(live_types(r), ElementsAre("Reshape", "Reshape"));
}

TEST(FoldConstants, LargeResultsAreNotStored) {
  auto r =
      fold(model_text("float[1] x", "float[] y", "n = Constant<value = int64[2] {1024, 1024}>() z = ConstantOfShape(n) y = Add(x, z)"));
  EXPECT_THAT(r.types(), testing::Contains("ConstantOfShape"));
  auto expanded = fold(
      model_text("float[1] x, float[1,1] a", "float[] y", "n = Constant<value = int64[2] {1024, 1024}>() z = Expand(a, n) y = Add(x, z)"),
      {"a"});
  EXPECT_THAT(expanded.types(), testing::Contains("Expand"));
  auto small =
      fold(model_text("float[1] x", "float[] y", "n = Constant<value = int64[2] {16, 16}>() z = ConstantOfShape(n) y = Add(x, z)"));
  EXPECT_THAT(live_types(small), ElementsAre("Add"));
}

TEST(FoldConstants, DoesNotFireForInputsOutputsAndRandomNumbers) {
  EXPECT_EQ(fold(model_text("float[3] x, float[3] a", "float[3] y", "t = Exp(a) y = Mul(x, t)")).changes, 0u);
  EXPECT_EQ(fold(model_text("float[3] x, float[3] a", "float[3] y, float[3] t", "t = Exp(a) y = Mul(x, t)"), {"a"}).changes, 0u);
  auto graph = parse_model(model_text("float[3] x, float[3] a", "float[3] y", "t = RandomNormalLike(a) y = Mul(x, t)"), {"a"});
  PassContext context;
  EXPECT_EQ(passes::make_fold_constants()->run(*graph, context), 0u);
}

TEST(FoldConstants, WhatASubGraphReadsStaysUnderItsName) {
  auto r = fold(model_text("float[2] x, bool c, float[2] a", "float[2] y",
                           "t = Exp(a) y = If (c) <then_branch = th () => (float[2] p) { p = Add(x, t) }, "
                           "else_branch = el () => (float[2] q) { q = Identity(x) }>"),
                {"a"});
  EXPECT_EQ(r.changes, 1u);
  EXPECT_TRUE(r.after->find_value("t")->is_constant());
}

/// A few bytes may ask for any number of elements: none of these is made (it would take from 400 MB up to more than there is).
TEST(FoldConstants, DoesNotMakeWhatIsFarLargerThanItsInputs) {
  for (const char* text :
       {"i = Constant<value = int64[1] {0}>() d = Constant<value = int64 {100000000}>() v = Constant<value = float[2] {0, 1}>() "
        "t = OneHot(i, d, v)",
        "i = Constant<value = float[1] {0}>() p = Constant<value = int64[2] {0, 100000000}>() t = Pad(i, p)",
        "i = Constant<value = float[1] {0}>() p = Constant<value = int64[2] {0, 100000000}>() t = Pad<mode = \"edge\">(i, p)",
        "i = Constant<value = float[1,1,1,1] {0}>() n = Constant<value = float[1] {0}>() p = Constant<value = int64[4] {1, 1, 10000, "
        "10000}>() t = Resize(i, , , p)",
        "i = Constant<value = float[1] {0}>() p = Constant<value = int64[1] {9000000000000000000}>() t = Tile(i, p)",
        "i = Constant<value = int64[2] {4000000000, 4000000000}>() t = ConstantOfShape(i)",
        "i = Constant<value = float[1] {0}>() p = Constant<value = int64[2] {4000000000, 4000000000}>() t = Expand(i, p)",
        "a = Constant<value = int64 {0}>() b = Constant<value = int64 {9000000000000000000}>() c = Constant<value = int64 {1}>() "
        "t = Range(a, b, c)",
        "a = Constant<value = int64[2] {0, 1}>() b = Constant<value = int64 {9}>() c = Constant<value = int64 {1}>() "
        "t = Range(a, b, c)"}) {
    auto graph =
        read_onnx_text(model_text("float[1] x", "float[1] y", std::string(text) + " s = Size(t) f = Cast<to = 1>(s) y = Add(x, f)"),
                       {.infer_shapes = false, .check = false});
    PassContext context;
    passes::make_constants_to_values()->run(*graph, context);
    EXPECT_EQ(passes::make_fold_constants()->run(*graph, context), 0u) << text;
    EXPECT_FALSE(graph->find_value("t")->is_constant()) << text;
  }
}

}  // namespace
}  // namespace ppq::test
