#include "passes/rewritten.h"

namespace ppq::test {
namespace {

Rewritten remove(const std::string& text) {
  auto graph = parse_model(text);
  PassContext context;
  passes::make_constants_to_values()->run(*graph, context);
  return rewrite(std::move(graph), passes::make_remove_identity(), 0);
}

struct Case {
  const char* body;  ///< from x to r; the graph then computes y = Relu(r)
  int opset = 15;
  const char* x = "float[2,3,4] x";
};

/// In the middle of a graph.
size_t changes(const Case& c) {
  std::string body = "a = Abs(x) ";
  return remove(model_text(c.x, "float[] y", body + c.body + " y = Relu(r)", c.opset)).changes;
}

TEST(RemoveIdentity, NoOps) {
  for (const Case& c : std::vector<Case>{
           {"r = Identity(a)"},
           {"r = Dropout(a)"},
           {"r = Dropout<ratio = 0.3>(a)", 10},
           {"r = Cast<to = 1>(a)"},
           {"r = Transpose<perm = [0, 1, 2]>(a)"},
           {"s = Constant<value = int64[3] {2, 3, 4}>() r = Reshape(a, s)"},
           {"s = Constant<value = int64[3] {0, -1, 4}>() r = Reshape(a, s)"},
           {"s = Constant<value = int64[3] {0, -1, 4}>() r = Reshape(a, s)", 15, "float[N,3,4] x"},
           {"r = Flatten(a)", 15, "float[N,3] x"},
           {"s = Constant<value = int64[2] {1, 4}>() r = Expand(a, s)"},
           {"p = Constant<value = int64[6] {0, 0, 0, 0, 0, 0}>() r = Pad(a, p)"},
           {"r = Pad<pads = [0, 0, 0, 0, 0, 0]>(a)", 10},
           {"b = Constant<value = int64[2] {0, 0}>() e = Constant<value = int64[2] {9223372036854775807, 3}>() r = Slice(a, b, e)"},
           {"r = Slice<starts = [0], ends = [4], axes = [2]>(a)", 9},
           {"r = Concat<axis = 1>(a)"},
           {"r = Sum(a)"},
           {"r = Max(a)"},
           {"t = Constant<value = int64[3] {1, 1, 1}>() r = Tile(a, t)"},
           {"z = Constant<value_float = 0.0>() r = Add(a, z)"},
           {"z = Constant<value = float[3,1] {0, 0, 0}>() r = Sub(a, z)"},
           {"o = Constant<value_float = 1.0>() r = Mul(a, o)"},
           {"o = Constant<value_float = 1.0>() r = Div(a, o)"},
           {"s = Constant<value = float[3] {1, 1, 1}>() r = Resize<mode = \"linear\">(a, , s)"},
           {"r = MaxPool<kernel_shape = [1]>(a)"},
           {"r = Clip(a)"},
       }) {
    EXPECT_EQ(changes(c), 1u) << c.body;
  }
}

TEST(RemoveIdentity, WhatDoesSomethingStays) {
  for (const Case& c : std::vector<Case>{
           {"r = Cast<to = 10>(a)"},
           {"r = Transpose<perm = [0, 2, 1]>(a)"},
           {"s = Constant<value = int64[3] {3, 2, 4}>() r = Reshape(a, s)"},
           {"s = Constant<value = int64[3] {-1, 4, 3}>() r = Reshape(a, s)", 15, "float[N,3,4] x"},
           {"r = Flatten(a)"},
           {"s = Constant<value = int64[4] {1, 2, 3, 4}>() r = Expand(a, s)"},
           {"p = Constant<value = int64[6] {0, 0, 0, 0, 0, 1}>() r = Pad(a, p)"},
           {"b = Constant<value = int64[1] {0}>() e = Constant<value = int64[1] {1}>() r = Slice(a, b, e)"},
           {"b = Constant<value = int64[1] {0}>() e = Constant<value = int64[1] {3}>() r = Slice(a, b, e)", 15, "float[N,3,4] x"},
           {"r = Concat<axis = 1>(a, a)"},
           {"z = Constant<value_float = 0.5>() r = Add(a, z)"},
           {"z = Constant<value = float[5,1,1,1] {0, 0, 0, 0, 0}>() r = Add(a, z)"},
           {"z = Constant<value = float[2] {0, 0}>() r = Add(a, z)", 15, "float[3,1] x"},
           {"z = Constant<value_float = 0.0>() r = Sub(z, a)"},
           {"s = Constant<value = float[3] {1, 1, 2}>() r = Resize<mode = \"nearest\">(a, , s)"},
           {"r = MaxPool<kernel_shape = [1], strides = [2]>(a)"},
           {"r = Squeeze(a)", 15, "float[2,1,4] x"},
       }) {
    EXPECT_EQ(changes(c), 0u) << c.body;
  }
}

TEST(RemoveIdentity, TheGraphOutputKeepsItsName) {
  const auto r = remove(model_text("float[2] x", "float[2] y", "a = Relu(x) y = Identity(a)"));
  EXPECT_EQ(r.changes, 1u);
  EXPECT_THAT(r.types(), ElementsAre("Relu"));
  EXPECT_EQ(r.after->nodes()[0]->output()->name(), "y");
}

TEST(RemoveIdentity, ChainsGo) {
  EXPECT_THAT(
      remove(model_text("float[2] x", "float[2] y", "a = Identity(x) b = Identity(a) c = Relu(b) d = Identity(c) y = Identity(d)")).types(),
      ElementsAre("Relu"));
}

TEST(RemoveIdentity, DoesNotFireFromInputToOutputOrBetweenOutputs) {
  EXPECT_EQ(remove(model_text("float[2] x", "float[2] y", "y = Identity(x)")).changes, 0u);
  EXPECT_EQ(remove(model_text("float[2] x", "float[2] a, float[2] y", "a = Relu(x) y = Identity(a)")).changes, 0u);
}

TEST(RemoveIdentity, DoesNotFireWhereTheMaskIsRead) {
  EXPECT_EQ(remove(model_text("float[2] x", "float[2] y, bool[2] m", "y, m = Dropout(x)")).changes, 0u);
}

TEST(RemoveIdentity, DoesNotFireInTraining) {
  auto graph = parse_model(model_text(
      "float[2] x", "float[2] y", "r = Constant<value_float = 0.5>() t = Constant<value = bool {1}>() d = Dropout(x, r, t) y = Relu(d)"));
  PassContext context;
  passes::make_constants_to_values()->run(*graph, context);
  EXPECT_EQ(passes::make_remove_identity()->run(*graph, context), 0u);
}

TEST(RemoveIdentity, DoesNotFireWhereASubGraphReadsTheName) {
  const auto r = remove(model_text("float[2] x, bool c", "float[2] y",
                                   "t = Identity(x) y = If (c) <then_branch = th () => (float[2] p) { p = Abs(t) }, "
                                   "else_branch = el () => (float[2] q) { q = Neg(t) }>"));
  EXPECT_EQ(r.changes, 0u);
}

}  // namespace
}  // namespace ppq::test
