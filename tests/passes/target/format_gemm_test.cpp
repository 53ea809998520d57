#include "passes/rewritten.h"

namespace ppq::test {
namespace {

Rewritten format(const std::string& inputs, const std::string& body, const std::vector<std::string>& constants) {
  return rewrite(parse_model(model_text(inputs, "float[N,5] y", body), constants), passes::make_format_gemm());
}

TEST(FormatGemm, WeightsStandAsOutputsByInputs) {
  for (const char* attributes : {"", "<alpha = 0.5>", "<beta = 3.0>", "<alpha = -2.0, beta = 0.25>", "<beta = 0.0>"}) {
    SCOPED_TRACE(attributes);
    const auto r = format("float[N,3] x, float[3,5] w, float[5] b", "y = Gemm" + std::string(attributes) + "(x, w, b)", {"w", "b"});
    EXPECT_EQ(r.changes, 1u);
    const Node& node = *r.after->nodes()[0];
    EXPECT_EQ(node.attributes.get_int("transB", 0), 1);
    EXPECT_FALSE(node.attributes.has("alpha") || node.attributes.has("beta"));
    EXPECT_EQ(node.constant_input(1).sizes(), at::IntArrayRef({5, 3}));
  }
  const auto turned = format("float[N,3] x, float[5,3] w", "y = Gemm<transB = 1, alpha = 2.0>(x, w)", {"w"});
  EXPECT_EQ(turned.changes, 1u);
  EXPECT_EQ(format("float[N,3] x, float[5,3] w", "y = Gemm<transB = 1>(x, w)", {"w"}).changes, 0u) << "as it should be";
}

TEST(FormatGemm, LeavesASharedWeightToOthers) {
  const auto r = format("float[N,3] x, float[3,5] w", "a = Gemm(x, w) b = MatMul(x, w) y = Add(a, b)", {"w"});
  EXPECT_EQ(r.changes, 1u);
  EXPECT_EQ(node_of_type(*r.after, "MatMul")->constant_input(1).sizes(), at::IntArrayRef({3, 5}));
}

TEST(FormatGemm, DoesNotFire) {
  EXPECT_EQ(format("float[3,N] x, float[3,5] w", "y = Gemm<transA = 1>(x, w)", {"w"}).changes, 0u);
  EXPECT_EQ(format("float[N,3] x, float[3,5] v", "y = Gemm(x, v)", {}).changes, 0u) << "turned at run time";
  EXPECT_EQ(format("float[N,3] x, float[3,5] w, float[N,5] u", "y = Gemm<beta = 2.0>(x, w, u)", {"w"}).changes, 0u);
}

}  // namespace
}  // namespace ppq::test
