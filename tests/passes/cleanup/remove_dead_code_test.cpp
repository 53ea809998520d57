#include "passes/rewritten.h"

namespace ppq::test {
namespace {

Rewritten remove(const std::string& text, const std::vector<std::string>& constants = {}) {
  return rewrite(parse_model(text, constants), passes::make_remove_dead_code(), 0);
}

TEST(RemoveDeadCode, ChainsAndTheirConstants) {
  const auto r = remove(
      model_text("float[2] x, float[2] a, float[2] b", "float[2] y", "t = Add(x, a) u = Exp(t) v = Mul(u, b) y = Add(x, a)"), {"a", "b"});
  EXPECT_THAT(r.types(), ElementsAre("Add"));
  EXPECT_NE(r.after->find_value("a"), nullptr);
  for (const char* gone : {"b", "t", "u", "v"}) EXPECT_EQ(r.after->find_value(gone), nullptr) << gone;
}

TEST(RemoveDeadCode, InputsStay) {
  const auto r = remove(model_text("float[2] x, float[2] unused", "float[2] y", "y = Relu(x)"));
  EXPECT_EQ(r.changes, 0u);
  EXPECT_NE(r.after->find_value("unused"), nullptr);
}

TEST(RemoveDeadCode, WhatASubGraphReadsStays) {
  const auto r = remove(model_text("float[2] x, bool c, float[2] a", "float[2] y",
                                   "t = Exp(x) y = If (c) <then_branch = th () => (float[2] p) { p = Add(t, a) }, "
                                   "else_branch = el () => (float[2] q) { q = Identity(x) }>"),
                        {"a"});
  EXPECT_EQ(r.changes, 0u);
}

TEST(RemoveDeadCode, WhatADeadSubGraphReadGoesToo) {
  const auto r = remove(model_text("float[2] x, bool c", "float[2] y",
                                   "t = Exp(x) d = If (c) <then_branch = th () => (float[2] p) { p = Abs(t) }, "
                                   "else_branch = el () => (float[2] q) { q = Neg(t) }> y = Relu(x)"));
  EXPECT_THAT(r.types(), ElementsAre("Relu"));
}

TEST(RemoveDeadCode, ANodeWithOneLiveOutputStays) {
  EXPECT_EQ(remove(model_text("float[4] x", "float[2] y", "a, b = Split<axis = 0>(x) y = Relu(b)", 12)).changes, 0u);
}

}  // namespace
}  // namespace ppq::test
