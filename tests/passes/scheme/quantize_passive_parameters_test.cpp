#include "passes/quantizing.h"

#include <cmath>

namespace ppq::test {
namespace {

TensorQuantPtr passive() {
  auto quant = std::make_shared<TensorQuant>();
  quant->state = QuantState::Passive;
  quant->scheme.bits = 32, quant->scheme.quant_min = -2147483648.0, quant->scheme.quant_max = 2147483647.0, quant->scheme.symmetric = true;
  quant->exported = false;
  return quant;
}

TensorQuantPtr channels(std::initializer_list<float> scales, int axis) {
  auto quant = active(1, 0, -128, 127);
  quant->scheme.granularity = Granularity::PerChannel, quant->scheme.axis = axis;
  quant->params = {floats(scales), at::zeros({static_cast<int64_t>(scales.size())})};
  return quant;
}

/// An operation with data, weight and bias, whose data has scale 0.5.
struct Bias : Quantizing {
  Bias(const std::string& signature, const std::string& body, const std::vector<std::string>& random, TensorQuantPtr weight)
      : Quantizing(signature, body, random) {
    node("op").quantized = true;
    node("op").input_quant = {active(0.5, 100), std::move(weight), passive()};
    node("op").output_quant = {active(1, 0)};
  }
};

const char* kGemm = "(float[N,2] x, float[2,3] w, float[3] b) => (float[N,3] y)";

TEST(QuantizePassiveParameters, ABiasHasInputTimesWeightScale) {
  Bias q(kGemm, "[op] y = Gemm(x, w, b)", {"w", "b"}, active(0.25, 7));
  EXPECT_EQ(q.pass("quantize-passive-parameters"), 1u);
  const auto b = q.in("op", 2);
  EXPECT_EQ(scale_of(b), 0.125);
  EXPECT_EQ(offset_of(b), 0);
  EXPECT_EQ(b->params.scale.dim(), 0);
  EXPECT_EQ(b->scheme.granularity, Granularity::PerTensor);
  EXPECT_EQ(b->state, QuantState::Passive);
}

TEST(QuantizePassiveParameters, ChannelByChannel) {
  Bias q(kGemm, "[op] y = Gemm(x, w, b)", {"w", "b"}, channels({0.5f, 0.25f, 2}, 1));
  q.pass("quantize-passive-parameters");
  const auto b = q.in("op", 2);
  EXPECT_TENSOR(b->params.scale, floats({0.25f, 0.125f, 1}));
  EXPECT_TENSOR(b->params.offset, floats({0, 0, 0}));
  EXPECT_EQ(b->scheme.granularity, Granularity::PerChannel);
  EXPECT_EQ(b->scheme.axis, 0);
  Bias row("(float[N,2] x, float[2,3] w, float[1,3] b) => (float[N,3] y)", "[op] y = Gemm(x, w, b)", {"w", "b"},
           channels({0.5f, 0.25f, 2}, 1));
  row.pass("quantize-passive-parameters");
  EXPECT_EQ(row.in("op", 2)->scheme.axis, 1) << "channels lie on the last axis of [1, 3]";
}

TEST(QuantizePassiveParameters, FactorsOfGemmCount) {
  Bias q(kGemm, "[op] y = Gemm<alpha = 4.0, beta = 0.5>(x, w, b)", {"w", "b"}, active(0.25, 0));
  q.pass("quantize-passive-parameters");
  EXPECT_EQ(scale_of(q.in("op", 2)), 0.5 * 0.25 * 4 / 0.5);
  Bias less(kGemm, "[op] y = Gemm<alpha = 4.0, beta = -0.5>(x, w, b)", {"w", "b"}, active(0.25, 0));
  less.pass("quantize-passive-parameters");
  EXPECT_EQ(scale_of(less.in("op", 2)), 0.5 * 0.25 * 4 / 0.5) << "a sign changes no scale";
}

TEST(QuantizePassiveParameters, ScalesOfOneGroupServeEveryGroup) {
  Bias q("(float[N,4,5] x, float[4,3,3] w, float[6] b) => (float[N,6,7] y)", "[op] y = ConvTranspose<group = 2>(x, w, b)", {"w", "b"},
         channels({1, 2, 4}, 1));
  EXPECT_EQ(q.pass("quantize-passive-parameters"), 1u);
  EXPECT_TENSOR(q.in("op", 2)->params.scale, floats({0.5f, 1, 2, 0.5f, 1, 2}));
}

TEST(QuantizePassiveParameters, BoundsAndPaddingFollowTheData) {
  Quantizing q(
      "(float[1,2,4,4] x) => (float[1,2,6,6] y) <float low = {0}, float high = {6}, int64[8] pads = {0,0,1,1,0,0,1,1}, float fill = {0}>",
      "[clip] c = Clip(x, low, high) [pad] y = Pad(c, pads, fill)");
  q.pass("configure-quantization");
  q.node("clip").input_quant[0] = active(0.05, 3);
  EXPECT_EQ(q.pass("quantize-passive-parameters"), 2u) << "Pad's data has no numbers yet";
  for (const auto& bound : {q.in("clip", 1), q.in("clip", 2)}) {
    EXPECT_FLOAT_EQ(scale_of(bound), 0.05f);
    EXPECT_EQ(offset_of(bound), 3);
    EXPECT_EQ(bound->state, QuantState::Passive);
  }
  EXPECT_FALSE(q.in("pad", 2)->params.defined());
}

TEST(QuantizePassiveParameters, DoesNotFire) {
  const auto make = [] {
    return std::make_unique<Bias>(kGemm, "[op] y = Gemm(x, w, b)", std::vector<std::string>{"w", "b"}, active(0.25, 0));
  };
  auto data = make();
  data->node("op").input_quant[0] = nullptr;
  EXPECT_EQ(data->pass("quantize-passive-parameters"), 0u) << "float data";
  EXPECT_FALSE(data->in("op", 2)->params.defined());
  auto weight = make();
  weight->node("op").input_quant[1] = nullptr;
  EXPECT_EQ(weight->pass("quantize-passive-parameters"), 0u) << "float weight";
  auto fixed = make();
  fixed->in("op", 2)->fixed = true;
  EXPECT_EQ(fixed->pass("quantize-passive-parameters"), 0u) << "the user's numbers";
  auto misfit = make();
  misfit->node("op").input_quant[1] = channels({1, 2}, 1);
  EXPECT_EQ(misfit->pass("quantize-passive-parameters"), 0u) << "3 biases, 2 scales";
}

/// A bias of 3 at a step of 0.5 × 2^-40 takes 6·2^40 integers, and there are 2^31 - 1.
TEST(QuantizePassiveParameters, TheWeightsScaleGrowsUntilTheBiasFits) {
  Bias q(kGemm, "[op] y = Gemm(x, w, b)", {"w", "b"}, active(std::ldexp(1.0, -40), 7));
  q.node("op").output_quant = {nullptr};
  q.graph->find_value("b")->set_constant(floats({3, -1.5f, 0}));
  EXPECT_EQ(q.pass("quantize-passive-parameters"), 1u);
  const double step = scale_of(q.in("op", 2));
  EXPECT_EQ(step, static_cast<double>(0.5f * q.in("op", 1)->params.scale.item<float>()));
  EXPECT_LE(3 / step, 2147483647.0);
  EXPECT_GT(3 / step, 2147483647.0 * 0.99999) << "no more than needed";
  EXPECT_EQ(offset_of(q.in("op", 1)), 7) << "the range grows on both sides of zero";
  ASSERT_THAT(q.warnings, SizeIs(1));
  EXPECT_EQ(q.warnings[0].code, "bias-range");
  EXPECT_THAT(q.warnings[0].tensors, testing::ElementsAre("b"));
  EXPECT_THAT(q.warnings[0].text, HasSubstr("op"));
  EXPECT_NEAR(q.warnings[0].figures.at("factor"), 6 * std::ldexp(1.0, 40) / 2147483647.0, 1);
}

TEST(QuantizePassiveParameters, OnlyTheChannelsThatNeedItGrow) {
  const float tiny = std::ldexp(1.0f, -40);
  Bias q(kGemm, "[op] y = Gemm(x, w, b)", {"w", "b"}, channels({0.5f, tiny, tiny}, 1));
  q.node("op").output_quant = {nullptr};
  q.graph->find_value("b")->set_constant(floats({3, -8, 0}));
  PassRecord record;
  q.context.record = &record;
  q.pass("quantize-passive-parameters");
  EXPECT_THAT(q.warnings, IsEmpty()) << "one dead channel beside two";
  EXPECT_THAT(record.decision, HasSubstr("1 layer(s)"));
  const at::Tensor scale = q.in("op", 1)->params.scale;
  EXPECT_EQ(scale[0].item<float>(), 0.5f);
  EXPECT_NEAR(scale[1].item<double>(), 16 / 2147483647.0, 1e-5 * 16 / 2147483647.0);
  EXPECT_EQ(scale[2].item<float>(), tiny) << "its bias is 0";
  // ConvTranspose: one scale serves a channel of each group; the larger bias decides.
  Bias t("(float[N,4,5] x, float[4,3,3] w, float[6] b) => (float[N,6,7] y)", "[op] y = ConvTranspose<group = 2>(x, w, b)", {"w", "b"},
         channels({tiny, 1, 1}, 1));
  t.node("op").output_quant = {nullptr};
  t.graph->find_value("b")->set_constant(floats({1, 2, 3, -4, 5, 6}));
  t.pass("quantize-passive-parameters");
  EXPECT_NEAR(t.in("op", 1)->params.scale[0].item<double>(), 8 / 2147483647.0, 1e-5 * 8 / 2147483647.0);
  EXPECT_EQ(t.in("op", 1)->params.scale[1].item<float>(), 1);
}

/// Zero weights on the DSP, whose biases have 30 bits: what is computed is the bias.
TEST(QuantizePassiveParameters, ABiasBesideZeroWeightsComesOut) {
  for (const TargetPlatform target : {TargetPlatform::QNN_DSP_INT8, TargetPlatform::QNN_HTP_INT8, TargetPlatform::QNN_HTP_A16W8}) {
    Quantizing q("(float[1,2,3,3] x) => (float[1,2,3,3] y) <float[2,2,1,1] w = {0, 0, 0, 0}, float[2] b = {5, -0.25}>",
                 "[op] y = Conv(x, w, b)", {}, target);
    q.calibrate_with({at::ones({1, 2, 3, 3}), -at::ones({1, 2, 3, 3})});
    q.setting.quantize_activation_setting.calib_algorithm = "minmax";
    q.passes({"configure-quantization", "fuse-quantization", "simplify-quantization", "quantize-parameters", "calibrate",
              "quantize-passive-parameters", "bake-parameters"});
    const at::Tensor y = q.simulate({at::full({1, 2, 3, 3}, 0.5f)})[0];
    for (int c = 0; c < 2; ++c) EXPECT_NEAR(y[0][c][0][0].item<double>(), c ? -0.25 : 5, 5.25 / 255 / 2 + 1e-6) << q.platform.name;
    EXPECT_NEAR(q.node("op").constant_input(2)[0].item<double>(), 5, 1e-5) << "as it is written";
  }
}

TEST(QuantizePassiveParameters, OthersThatReadTheWeightKeepItsScale) {
  Quantizing q("(float[N,2] x, float[2,2] w) => (float[N,2] y, float[N,2] z) <float[2] b = {9, 1}, float[2] c = {0.1, 0.2}>",
               "[big] y = Gemm(x, w, b) [small] z = Gemm(x, w, c)", {"w"});
  const auto shared = active(std::ldexp(1.0, -35), 3);
  for (const char* name : {"big", "small"}) {
    q.node(name).quantized = true;
    q.node(name).input_quant = {active(0.5, 100), shared, passive()};
    q.node(name).output_quant = {nullptr};
  }
  q.in("small", 2)->scheme.quant_max = 1e12, q.in("small", 2)->scheme.quant_min = -1e12;
  q.pass("quantize-passive-parameters");
  EXPECT_EQ(scale_of(q.in("small", 1)), std::ldexp(1.0, -35));
  EXPECT_GT(scale_of(q.in("big", 1)), std::ldexp(1.0, -35));
}

TEST(QuantizePassiveParameters, AScaleThatIsNotFreeStaysAndIsNamed) {
  Bias q(kGemm, "[op] y = Gemm(x, w, b)", {"w", "b"}, active(std::ldexp(1.0, -40), 7));
  q.node("op").output_quant = {nullptr};
  q.in("op", 1)->fixed = true;
  q.graph->find_value("b")->set_constant(floats({3, -1.5f, 0}));
  q.pass("quantize-passive-parameters");
  EXPECT_EQ(scale_of(q.in("op", 1)), std::ldexp(1.0, -40));
  ASSERT_THAT(q.warnings, SizeIs(1));
  EXPECT_EQ(q.warnings[0].code, "bias-clipped");
}

/// A bias that masks a channel (-10^9 before Softmax) is clipped by the output's range whatever its scale: the weights keep theirs.
TEST(QuantizePassiveParameters, ABiasBeyondWhatTheOutputHoldsNeedsNoRoom) {
  for (const float mask : {-1e9f, -INFINITY}) {
    Bias q(kGemm, "[op] y = Gemm(x, w, b)", {"w", "b"}, active(1e-6, 0));
    q.graph->find_value("b")->set_constant(floats({0.5f, mask, 0}));
    q.pass("quantize-passive-parameters");
    EXPECT_FLOAT_EQ(static_cast<float>(scale_of(q.in("op", 1))), 1e-6f);
    EXPECT_THAT(q.warnings, IsEmpty());
    EXPECT_EQ(q.simulate({at::full({1, 2}, 0.1f)})[0][0][1].item<float>(), 0) << "the least that the output holds";
  }
}

TEST(QuantizePassiveParameters, WhatFitsStaysBitForBit) {
  Bias q(kGemm, "[op] y = Gemm(x, w, b)", {"w", "b"}, active(0.1234567, 7));
  const float before = q.in("op", 1)->params.scale.item<float>();
  q.pass("quantize-passive-parameters");
  EXPECT_EQ(q.in("op", 1)->params.scale.item<float>(), before);
  EXPECT_THAT(q.warnings, IsEmpty());
}

/// The bias is rounded in simulation as in the accumulator: by hand.
TEST(QuantizePassiveParameters, TheSimulatedBiasIsTheAccumulators) {
  Quantizing q("(float[N,1] x) => (float[N,1] y) <float[1,1] w = {1}, float[1] b = {0.7}>", "[op] y = Gemm(x, w, b)");
  q.node("op").quantized = true;
  q.node("op").input_quant = {active(0.5, 100), active(0.5, 0), passive()};
  q.node("op").output_quant = {nullptr};
  q.pass("quantize-passive-parameters");
  EXPECT_EQ(q.simulate({at::full({1, 1}, 2.0f)})[0].item<float>(), 2.75f) << "0.7 is nearest to three quarters";
}

}  // namespace
}  // namespace ppq::test
