#include "passes/quantizing.h"

namespace ppq::test {
namespace {

TEST(SimplifyQuantization, ReadersShareTheirProducersQuantization) {
  Quantizing q("(float[4] x) => (float[4] y, float[4] z)", "[a] t = Tanh(x) [b] y = Tanh(t) [c] z = Relu(t)");
  q.pass("configure-quantization");
  const auto source = q.out("a");
  EXPECT_EQ(q.pass("simplify-quantization"), 2u);
  EXPECT_EQ(q.out("a"), source);
  EXPECT_EQ(q.in("b"), source);
  EXPECT_EQ(q.in("c"), source);
  EXPECT_NE(q.out("b"), source);
  EXPECT_EQ(q.pass("simplify-quantization"), 0u);
}

TEST(SimplifyQuantization, ReadersOfAnInputOrAConstantShareOne) {
  Quantizing q("(float[4] x) => (float[4] y, float[4] z) <float[4] k = {1, 2, 3, 4}>", "[a] y = Add(x, k) [b] z = Mul(x, k)");
  q.pass("configure-quantization");
  EXPECT_EQ(q.pass("simplify-quantization"), 2u);
  EXPECT_EQ(q.in("a", 0), q.in("b", 0));
  EXPECT_EQ(q.in("a", 1), q.in("b", 1));
  EXPECT_NE(q.in("a", 0), q.in("a", 1));
}

TEST(SimplifyQuantization, DoesNotFire) {
  const auto make = [] { return Quantizing("(float[4] x) => (float[4] y)", "[a] t = Tanh(x) [b] y = Tanh(t)"); };
  auto wide = make();
  wide.pass("configure-quantization");
  wide.in("b")->scheme.quant_max = 65535;
  EXPECT_EQ(wide.pass("simplify-quantization"), 0u) << "a 16-bit reader of an 8-bit tensor requantizes";
  auto fixed = make();
  fixed.pass("configure-quantization");
  fixed.in("b")->fixed = true;
  EXPECT_EQ(fixed.pass("simplify-quantization"), 0u);
  auto known = make();
  known.pass("configure-quantization");
  known.in("b")->state = QuantState::Active;
  EXPECT_EQ(known.pass("simplify-quantization"), 0u);
  auto producer = make();
  producer.node("a").dispatch = Dispatch::Float;
  producer.pass("configure-quantization");
  EXPECT_EQ(producer.pass("simplify-quantization"), 0u) << "the producer is float";
  EXPECT_TRUE(producer.in("b"));
}

TEST(SimplifyQuantization, APassiveOutputGoesAlong) {
  Quantizing p("(float[4] x) => (float[2,2] y) <int64[2] s = {2, 2}>", "[a] t = Tanh(x) [r] u = Reshape(t, s) [b] y = Tanh(u)");
  p.passes({"configure-quantization", "fuse-quantization"});
  ASSERT_EQ(p.in("r"), p.out("r"));
  p.pass("simplify-quantization");
  for (const auto& quant : {p.in("r"), p.out("r"), p.in("b")}) EXPECT_EQ(quant, p.out("a"));
}

/// Rounding twice onto one grid is rounding once: the simulated network stays the same, bit for bit.
TEST(SimplifyQuantization, TheSimulatedNumbersStay) {
  std::vector<at::Tensor> outputs;
  const at::Tensor sample = at::sin(at::arange(32, at::kFloat) * 1.7).reshape({1, 2, 4, 4}) * 3;
  for (bool simplify : {false, true}) {
    Quantizing q("(float[1,2,4,4] x, float[2,2,1,1] w) => (float[1,2,2,2] y)",
                 "[conv] c = Conv(x, w) [relu] r = Relu(c) [pool] p = MaxPool<kernel_shape=[2,2], strides=[2,2]>(r) [add] y = Add(p, p)",
                 {"w"});
    q.setting.quantize_activation_setting.calib_algorithm = "minmax";
    q.calibrate_with({sample});
    q.passes({"configure-quantization", "fuse-quantization"});
    if (simplify) {
      EXPECT_GT(q.pass("simplify-quantization"), 0u);
    }
    q.passes({"quantize-parameters", "calibrate"});
    outputs.push_back(q.simulate({sample})[0]);
  }
  EXPECT_TENSOR(outputs[1], outputs[0]);
}

}  // namespace
}  // namespace ppq::test
