// Tensors below the target's least range: what the program simulates against onnxruntime's float outputs.
#include "apps/float_outputs.h"

namespace ppq::test {
namespace {

class SmallRanges : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { PPQ_REQUIRE_PYTHON(); }
};
INSTANTIATE_TEST_SUITE_P(Hexagon, SmallRanges, testing::ValuesIn(platforms_of_hexagon()));

TEST_P(SmallRanges, FieldCase) {
  PPQ_REQUIRE_SHARED();
  const Compared found = compare_with_onnxruntime(shared("field/tiny-weights"), GetParam());
  EXPECT_LT(found.nsr("y"), 0.002);
  EXPECT_LT(found.nsr("s"), 0.002);
  EXPECT_TRUE(found.warning("least-range").is_null());
}

/// Through layers of every kind, with biases, residual sums, pooling and Concat; scaled back by a layer, by Mul, by Div.
TEST_P(SmallRanges, ChainsOfLayers) {
  const SmallModel convs(
      "tiny_convs",
      "(float[1,4,6,6] x, float[4,4,3,3] u, float[4] b, float[4,1,3,3] d, float[4,2,2,2] t, float[4] tb, float[8,4] f, float[4] g) => "
      "(float y)",
      "c = Conv<pads = [1,1,1,1]>(x, u, b) r = Relu(c) e = Conv<group = 4, pads = [1,1,1,1]>(r, d) s = Add(e, r) l = LeakyRelu(s) "
      "t0 = ConvTranspose<group = 2, strides = [2,2]>(l, t, tb) p = GlobalAveragePool(t0) q = Flatten(p) w = Concat<axis = 1>(q, q) y = "
      "Gemm(w, f, g)",
      {{"u", noise({4, 4, 3, 3}, 1) * 1e-7},
       {"b", noise({4}, 2) * 1e-7},
       {"d", noise({4, 1, 3, 3}, 3)},
       {"t", noise({4, 2, 2, 2}, 4)},
       {"tb", noise({4}, 5) * 1e-7},
       {"f", noise({8, 4}, 6) * 1e7},
       {"g", noise({4}, 7)}});
  const SmallModel products(
      "tiny_products", "(float[1,4,8] x, float[8,6] u, float[6,8] v, float k, float[1,1,8] m) => (float y)",
      "a = MatMul(x, u) b = Relu(a) c = MatMul(b, v) d = Div(c, k) y = Mul(d, m)",
      {{"u", noise({8, 6}, 1) * 1e-6}, {"v", noise({6, 8}, 2) * 0.1}, {"k", at::full({}, 1e-6)}, {"m", noise({1, 1, 8}, 3)}});
  convs.samples({1, 4, 6, 6}), products.samples({1, 4, 8});
  for (const SmallModel* model : {&convs, &products}) {
    const Compared found = compare_with_onnxruntime(model->folder, GetParam());
    EXPECT_LT(found.nsr(), 0.005) << model->folder;
    EXPECT_TRUE(found.warning("least-range").is_null()) << found.quantize.err;
  }
}

/// What goes out that small is said with its name and the factor.
TEST_P(SmallRanges, OutputsStayAndAreNamed) {
  const SmallModel model("tiny_output", "(float[1,4,6,6] x, float[4,4,1,1] u) => (float small)", "[last] small = Conv(x, u)",
                         {{"u", noise({4, 4, 1, 1}, 1) * 1e-7}});
  model.samples({1, 4, 6, 6});
  const Compared found = compare_with_onnxruntime(model.folder, GetParam());
  const Json warning = found.warning("least-range");
  ASSERT_FALSE(warning.is_null());
  EXPECT_THAT(warning["tensors"].dump(), HasSubstr("small"));
  EXPECT_GT(warning["figures"]["factor"].get<double>(), 100);
  EXPECT_EQ(warning["remedy"], "--keep-float 'last'");
  EXPECT_LT(compare_with_onnxruntime(model.folder, GetParam(), {"--keep-float", "last"}).nsr(), 1e-9);
}

}  // namespace
}  // namespace ppq::test
