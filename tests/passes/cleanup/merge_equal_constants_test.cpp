#include "passes/rewritten.h"

namespace ppq::test {
namespace {

Rewritten merge(const std::string& text, const std::vector<std::string>& constants = {}) {
  auto graph = parse_model(text, constants);
  PassContext context;
  passes::make_constants_to_values()->run(*graph, context);
  return rewrite(std::move(graph), passes::make_merge_equal_constants(), 0);
}

TEST(MergeEqualConstants, SameBytesShareOneValue) {
  const auto r = merge(
      model_text("float[2] x", "float[2] y",
                 "a = Constant<value = float[2] {1, 2}>() b = Constant<value = float[2] {1, 2}>() c = Constant<value = float[2] {1, 2}>() "
                 "t = Add(x, a) u = Mul(t, b) y = Sub(u, c)"));
  EXPECT_EQ(r.changes, 2u);
  EXPECT_EQ(r.after->constants().size(), 1u);
}

TEST(MergeEqualConstants, TypeShapeAndSignOfZeroTell) {
  const auto r = merge(model_text(
      "float[2] x, int64[2] n", "float[2] y, int64[2] z",
      "a = Constant<value = float[2] {0, 0}>() b = Constant<value = float[2,1] {0, 0}>() c = Constant<value = float[2] {-0.0, 0}>() "
      "i = Constant<value = int64[1] {0}>() o = Constant<value = int64[1] {-1}>() t = Add(x, a) u = Add(t, c) f = Reshape(b, o) "
      "y = Add(u, f) z = Add(n, i)"));
  EXPECT_EQ(r.changes, 0u);
}

TEST(MergeEqualConstants, ParametersOfComputingOperationsStayApart) {
  const std::string conv = "float[N,3,5] x, float[3,3,1] w1, float[3,3,1] w2";
  auto graph = parse_model(model_text(conv, "float[N,3,5] y", "t = Conv(x, w1) y = Conv(t, w2)"), {"w1", "w2"});
  graph->find_value("w2")->set_constant(graph->find_value("w1")->constant().clone());
  PassContext context;
  EXPECT_EQ(passes::make_merge_equal_constants()->run(*graph, context), 0u);
}

}  // namespace
}  // namespace ppq::test
