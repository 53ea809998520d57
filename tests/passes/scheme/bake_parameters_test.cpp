#include "passes/quantizing.h"

namespace ppq::test {
namespace {

const char* kSignature = "(float[N,2] x, float[2,3] w, float[3] b) => (float[N,3] y)";

struct Layer : Quantizing {
  Layer() : Quantizing(kSignature, "[op] y = Gemm(x, w, b)", {"w", "b"}) {
    auto bias = active(0.01, 0, -2147483648.0, 2147483647.0);
    bias->state = QuantState::Passive;
    node("op").quantized = true;
    node("op").input_quant = {active(0.5, 100), active(0.125, 120), bias};
    node("op").output_quant = {active(0.25, 128)};
  }
};

at::Tensor rounded(const at::Tensor& x, double scale, double offset, double low, double high) {
  at::Tensor out = x.clone();
  float* data = out.mutable_data_ptr<float>();
  for (int64_t i = 0; i < out.numel(); ++i) data[i] = static_cast<float>(round_to(static_cast<double>(data[i]), scale, offset, low, high));
  return out;
}

TEST(BakeParameters, StoresRoundedNumbersAndChangesNoOutput) {
  Layer q;
  const at::Tensor x = at::randn({5, 2}) * 20, w = q.node("op").constant_input(1).clone(), b = q.node("op").constant_input(2).clone();
  const at::Tensor before = q.simulate({x})[0];
  EXPECT_EQ(q.pass("bake-parameters"), 2u);
  EXPECT_EQ(q.in("op", 0)->state, QuantState::Active) << "activations are computed";
  EXPECT_EQ(q.in("op", 1)->state, QuantState::Baked);
  EXPECT_EQ(q.in("op", 2)->state, QuantState::PassiveBaked);
  EXPECT_TENSOR_NEAR(q.node("op").constant_input(1), rounded(w, 0.125, 120, 0, 255), 1e-6);
  EXPECT_TENSOR_NEAR(q.node("op").constant_input(2), rounded(b, static_cast<double>(0.01f), 0, -2147483648.0, 2147483647.0), 1e-6);
  EXPECT_FALSE(q.node("op").constant_input(1).equal(w));
  EXPECT_TENSOR(q.simulate({x})[0], before);
  EXPECT_EQ(q.pass("bake-parameters"), 0u);
}

TEST(BakeParameters, AFloatReaderKeepsTheFloatNumbers) {
  Quantizing q("(float[2] x) => (float[2] y, float[2] z) <float[2] k = {0.3, 0.9}>", "[a] y = Add(x, k) [b] z = Mul(x, k)");
  q.node("a").quantized = true;
  q.node("a").input_quant = {nullptr, active(0.25, 0)};
  EXPECT_EQ(q.pass("bake-parameters"), 1u);
  EXPECT_TENSOR(q.node("a").constant_input(1), floats({0.25f, 1}));
  EXPECT_TENSOR(q.node("b").constant_input(1), floats({0.3f, 0.9f}));
  EXPECT_EQ(q.node("b").input(1)->name(), "k");
}

TEST(BakeParameters, TwoGridsTwoCopiesOneGridOne) {
  Quantizing q("(float[2] x) => (float[2] y, float[2] z, float[2] u) <float[2] k = {0.3, 0.9}>",
               "[a] y = Add(x, k) [b] z = Mul(x, k) [c] u = Sub(x, k)");
  const auto coarse = active(0.25, 0), fine = active(0.1, 0);
  for (const auto& [name, quant] : {std::pair{"a", coarse}, {"b", fine}, {"c", coarse}}) {
    q.node(name).quantized = true;
    q.node(name).input_quant = {nullptr, quant};
  }
  const Tensors before = q.simulate({floats({1, 2})});
  EXPECT_EQ(q.pass("bake-parameters"), 2u);
  EXPECT_EQ(q.node("a").input(1), q.node("c").input(1));
  EXPECT_NE(q.node("a").input(1), q.node("b").input(1));
  const Tensors after = q.simulate({floats({1, 2})});
  for (size_t i = 0; i < 3; ++i) EXPECT_TENSOR(after[i], before[i]);
}

TEST(BakeParameters, BoundsKeepWhatTheModelSays) {
  Quantizing q("(float[2] x) => (float[2] y) <float low = {0}, float high = {6}>", "[clip] y = Clip(x, low, high)");
  q.pass("configure-quantization");
  q.node("clip").input_quant[0] = active(0.07, 3);
  q.pass("quantize-passive-parameters");
  EXPECT_EQ(q.pass("bake-parameters"), 0u);
  EXPECT_EQ(q.node("clip").constant_input(2).item<float>(), 6);
  EXPECT_EQ(q.in("clip", 2)->state, QuantState::Passive);
}

TEST(BakeParameters, NothingWithoutNumbers) {
  Layer q;
  q.in("op", 1)->state = QuantState::Initial;
  q.in("op", 2)->params = {};
  const at::Tensor w = q.node("op").constant_input(1).clone();
  EXPECT_EQ(q.pass("bake-parameters"), 0u);
  EXPECT_TENSOR(q.node("op").constant_input(1), w);
}

}  // namespace
}  // namespace ppq::test
