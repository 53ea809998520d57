// Biases that their integers do not hold at input scale × weight scale: what the program simulates against onnxruntime's float outputs.
#include "apps/float_outputs.h"

namespace ppq::test {
namespace {

class SaturatingBias : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { PPQ_REQUIRE_PYTHON(); }
};
INSTANTIATE_TEST_SUITE_P(Hexagon, SaturatingBias, testing::ValuesIn(platforms_of_hexagon()));

TEST_P(SaturatingBias, ZeroWeights) {
  PPQ_REQUIRE_SHARED();
  const Compared found = compare_with_onnxruntime(shared("field/zero-weights"), GetParam());
  for (const char* name : {"a", "e", "t", "g", "y"}) EXPECT_LT(found.nsr(name), 0.001) << name;
  const Json warning = found.warning("bias-range");
  ASSERT_FALSE(warning.is_null());
  EXPECT_GT(warning["figures"]["factor"].get<double>(), 2);
  EXPECT_THAT(found.quantize.err, HasSubstr("[bias-range]"));
}

/// Depthwise and grouped layers whose dead channels stand beside live ones, and a layer that reads them.
TEST_P(SaturatingBias, DeadChannelsBesideLiveOnes) {
  at::Tensor weight = noise({4, 1, 3, 3}, 1), transposed = noise({4, 2, 2, 2}, 2);
  weight[1].zero_();
  transposed.select(1, 0).zero_();
  const SmallModel model(
      "dead_channels",
      "(float[1,4,6,6] x, float[4,1,3,3] w, float[4] b, float[4,2,2,2] v, float[4] c, float[4,3] f, float[3] g) => (float y, float z)",
      "d = Conv<group = 4, pads = [1,1,1,1]>(x, w, b) r = Relu(d) y = ConvTranspose<group = 2, strides = [2,2]>(r, v, c) p = "
      "GlobalAveragePool(r) q = Flatten(p) z = Gemm(q, f, g)",
      {{"w", weight},
       {"b", floats({0.1f, 700, -0.2f, 0.3f})},
       {"v", transposed},
       {"c", floats({-900, 0.5f, 800, 0.1f})},
       {"f", noise({4, 3}, 3)},
       {"g", floats({1, 2, 3})}});
  model.samples({1, 4, 6, 6});
  const Compared found = compare_with_onnxruntime(model.folder, GetParam());
  EXPECT_LT(found.nsr("y"), 0.001);
  EXPECT_LT(found.nsr("z"), 0.001);
}

/// Weights that are tiny beside the bias, all of them and in one matrix.
TEST_P(SaturatingBias, TinyWeights) {
  const SmallModel model(
      "tiny_beside_bias", "(float[1,3,4,4] x, float[5,3,1,1] w, float[5] b, float[5,2] f, float[2] g) => (float y)",
      "c = Conv(x, w, b) r = Relu(c) p = GlobalAveragePool(r) q = Flatten(p) m = MatMul(q, f) y = Add(m, g)",
      {{"w", noise({5, 3, 1, 1}, 1) * 1e-8}, {"b", floats({20, -3, 40, 1, 5})}, {"f", noise({5, 2}, 2) * 1e-9}, {"g", floats({-50, 30})}});
  model.samples({1, 3, 4, 4});
  const Compared found = compare_with_onnxruntime(model.folder, GetParam());
  EXPECT_LT(found.nsr("y"), 0.001);
  EXPECT_FALSE(found.warning("bias-range").is_null());
}

}  // namespace
}  // namespace ppq::test
