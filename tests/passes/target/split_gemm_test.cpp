#include "passes/rewritten.h"

namespace ppq::test {
namespace {

Rewritten split(const std::string& inputs, const std::string& body, const std::vector<std::string>& constants,
                const std::string& output = "float[N,5] y") {
  return rewrite(parse_model(model_text(inputs, output, body), constants), passes::make_split_gemm());
}

TEST(SplitGemm, BecomesMatMulAndAdd) {
  for (const char* attributes : {"", "<alpha = 0.5>", "<beta = 3.0>", "<alpha = -2.0, beta = 0.25>"}) {
    SCOPED_TRACE(attributes);
    const auto r = split("float[N,3] x, float[3,5] w, float[5] b", "y = Gemm" + std::string(attributes) + "(x, w, b)", {"w", "b"});
    EXPECT_EQ(r.changes, 1u);
    EXPECT_THAT(r.types(), ElementsAre("MatMul", "Add"));
    EXPECT_TRUE(r.after->nodes()[0]->attributes.get_float("alpha", 1) == 1) << "MatMul has no attributes";
  }
}

TEST(SplitGemm, TurnsTheWeight) {
  const auto r = split("float[N,3] x, float[5,3] w, float[5] b", "y = Gemm<transB = 1>(x, w, b)", {"w", "b"});
  EXPECT_THAT(r.types(), ElementsAre("MatMul", "Add"));
  EXPECT_EQ(r.after->nodes()[0]->constant_input(1).sizes(), at::IntArrayRef({3, 5}));
}

TEST(SplitGemm, WithoutABias) {
  EXPECT_THAT(split("float[N,3] x, float[3,5] w", "y = Gemm(x, w)", {"w"}).types(), ElementsAre("MatMul"));
  EXPECT_THAT(split("float[N,3] x, float[3,5] w, float[5] b", "y = Gemm<beta = 0.0>(x, w, b)", {"w", "b"}).types(), ElementsAre("MatMul"));
}

TEST(SplitGemm, OperandsOfTheRun) {
  EXPECT_THAT(split("float[N,3] x, float[3,5] v, float[N,5] u", "y = Gemm(x, v, u)", {}).types(), ElementsAre("MatMul", "Add"));
}

/// Two nodes read one weight: it is turned for one of them only.
TEST(SplitGemm, LeavesASharedWeightToOthers) {
  const auto r = split("float[N,3] x, float[5,3] w", "a = Gemm<transB = 1>(x, w) b = Gemm<transB = 1>(x, w) y = Add(a, b)", {"w"});
  EXPECT_THAT(r.types(), ElementsAre("MatMul", "MatMul", "Add"));
}

TEST(SplitGemm, DoesNotFire) {
  EXPECT_EQ(split("float[3,N] x, float[3,5] w", "y = Gemm<transA = 1>(x, w)", {"w"}).changes, 0u);
  EXPECT_EQ(split("float[N,3] x, float[5,3] v", "y = Gemm<transB = 1>(x, v)", {}).changes, 0u) << "turned at run time";
  EXPECT_EQ(split("float[N,3] x, float[3,5] v", "y = Gemm<alpha = 2.0>(x, v)", {}).changes, 0u) << "scaled at run time";
  EXPECT_EQ(split("float[N,3] x, float[3,5] w, float[N,5] u", "y = Gemm<beta = 2.0>(x, w, u)", {"w"}).changes, 0u);
}

TEST(SplitGemm, SaysWhatItLeaves) {
  const auto graph = parse_model(model_text("float[3,N] x, float[3,5] w", "float[N,5] y", "[odd] y = Gemm<transA = 1>(x, w)"), {"w"});
  std::vector<Warning> warnings;
  PassContext context;
  context.warnings = &warnings;
  run_passes(*graph, {"split-gemm"}, context);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0].text, testing::HasSubstr("'odd'"));
}

}  // namespace
}  // namespace ppq::test
