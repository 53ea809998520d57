// What Gemm adds: a bias where it is one constant number a column, else an operand. onnxruntime judges.
#include "apps/judged.h"

namespace ppq::test {
namespace {

constexpr double kMost = 1e-3;

TEST(GemmOperands, FactorsAndShapesOfC) {
  PPQ_REQUIRE_PYTHON();
  std::string text = "g (float[7,4] x) => (float[4,5] y, float[4,2] o) <" + random_constant("float[5,7] b", 1) + ", " +
                     random_constant("float[5] c", 2) + ", " + random_constant("float[5,6] b2", 3) + ", float s = {0.7}, " +
                     random_constant("float[6,3] b3", 4) + ", " + random_constant("float[4,1] column", 5) + ", " +
                     random_constant("float[3,3] b4", 6) + ", " + random_constant("float[4,3] full", 7) + ", " +
                     random_constant("float[3,2] b5", 8) + ">";
  text += R"( { y = Gemm<transA = 1, transB = 1, alpha = 2.0, beta = 0.5>(x, b, c)
                z = Gemm<alpha = 0.25, beta = 3.0>(y, b2, s)
                u = Gemm<alpha = 1.5, beta = 2.0>(z, b3, column)
                v = Gemm<beta = -1.0>(u, b4, full)
                o = Gemm<alpha = 0.5>(v, b5) })";
  Judged("gemm_factors", text, noise_samples({7, 4})).expect_within(kMost, {"y", "o"});
}

/// A square column and a square matrix have as many numbers as there are channels, or a multiple.
TEST(GemmOperands, SquaresAreNoBiases) {
  PPQ_REQUIRE_PYTHON();
  const std::string text = "g (float[4,6] x) => (float[4,4] y, float[4,4] z) <" + random_constant("float[6,4] b", 1) + ", " +
                           random_constant("float[4,1] column", 2, 3) + ", " + random_constant("float[4,4] b2", 3) + ", " +
                           random_constant("float[4,4] full", 4, 3) +
                           "> { [first] p = Gemm(x, b, column) y = Relu(p) [second] z = Gemm<transB = 1>(y, b2, full) }";
  Judged judged("gemm_squares", text, noise_samples({4, 6}));
  judged.expect_within(kMost, {"y", "z"});
  const Json table = Json::parse(read_file(judged.folder + "/qnn_htp_a16w8/quantized.table"));
  EXPECT_TRUE(table["param_encodings"].contains("column")) << "an operand has an encoding";
  EXPECT_EQ(table["param_encodings"]["full"][0]["bitwidth"], 16) << "as wide as what it is added to";
}

/// One C is a bias here and an operand there, one is computed, one A is constant; rows of [1, N] and lists of one number are biases.
TEST(GemmOperands, SharedComputedAndConstantOnes) {
  PPQ_REQUIRE_PYTHON();
  const std::string text = "g (float[4,4] x) => (float[4,4] y, float[4,4] z, float[3,4] w, float[4,4] v) <" +
                           random_constant("float[4,4] b", 1) + ", " + random_constant("float[4] c", 2) + ", " +
                           random_constant("float[3,4] a", 3) + ", " + random_constant("float[1,4] row", 4) + ", float[1] one = {-0.4}, " +
                           random_constant("float[4,4] b2", 6) +
                           R"(> { y = Gemm(x, b, c)
             t = Add(x, c)
             z = Gemm<alpha = 0.5, beta = 2.0>(t, b2, y)
             w = Gemm(a, x, row)
             v = Gemm<transA = 1, beta = -0.25>(y, b2, one) })";
  Judged judged("gemm_shared", text, noise_samples({4, 4}));
  judged.expect_within(kMost, {"y", "z", "w", "v"});
  judged.expect_within(kMost, {"y", "z", "w", "v"}, {"--encodings", "2.0.0"});
}

}  // namespace
}  // namespace ppq::test
