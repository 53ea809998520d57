#include "passes/quantizing.h"

namespace ppq::test {
namespace {

/// x → Tanh → y, calibrated by hand: two answers for x, good and bad.
struct Candidates : Quantizing {
  Candidates() : Quantizing("(float[N,4] x) => (float[N,4] y)", "[tanh] y = Tanh(x)") {
    calibrate_with({floats({-1, -0.3f, 0.4f, 0.9f}).reshape({1, 4}), floats({0.1f, 0.2f, -0.7f, 1}).reshape({1, 4})});
    node("tanh").quantized = true;
    node("tanh").input_quant = {active(1.0 / 127, 128)};
    node("tanh").output_quant = {active(1.0 / 127, 128)};
  }
  void offer(const std::string& good, const std::string& bad) {
    in("tanh")->candidates = {{good, active(1.0 / 127, 128)->params}, {bad, active(0.9, 128)->params}};
    in("tanh")->params = in("tanh")->candidates.at(bad);
  }
};

TEST(ChooseObserver, TakesTheOneWithTheLeastErrorAtTheOutputs) {
  for (const auto& [good, bad] : {std::pair{"minmax", "mse"}, {"mse", "minmax"}}) {
    Candidates q;
    q.offer(good, bad);
    EXPECT_EQ(q.pass("choose-observer"), 1u);
    EXPECT_FLOAT_EQ(scale_of(q.in("tanh")), 1.0f / 127) << good;
    EXPECT_EQ(q.in("tanh")->scheme.observer, good);
    EXPECT_THAT(q.in("tanh")->candidates, IsEmpty()) << "the choice is made";
    EXPECT_EQ(q.pass("choose-observer"), 0u);
  }
}

/// 1.2 becomes the step itself: with a step of 1 the error is 0.2, with 1.0025 squared 2.5 % less, with 1.01 a tenth less.
TEST(ChooseObserver, ALaterOneMustBeClearlyBetter) {
  for (const auto& [step, chosen] : {std::pair{1.0025, "minmax"}, {1.01, "mse"}}) {
    Quantizing q("(float[N,1] x) => (float[N,1] y)", "[neg] y = Neg(x)");
    q.calibrate_with({at::full({1, 1}, 1.2f), at::full({1, 1}, 1.2f)});
    q.node("neg").quantized = true;
    q.node("neg").input_quant = {active(1, 128)};
    q.node("neg").output_quant = {nullptr};
    q.in("neg")->candidates = {{"minmax", active(1, 128)->params}, {"mse", active(step, 128)->params}};
    EXPECT_EQ(q.pass("choose-observer"), 1u);
    EXPECT_EQ(q.in("neg")->scheme.observer, chosen);
  }
}

/// With steps of 1 and 1.3, errors of 1.2 are 0.2 and 0.1, those of 2.85 are 0.15 and 0.25: 0.0625 and 0.0725 together.
TEST(ChooseObserver, SaysThatHalvesOfTheSamplesDisagree) {
  for (const float second : {1.2f, 2.85f}) {
    Quantizing q("(float[N,1] x) => (float[N,1] y)", "[neg] y = Neg(x)");
    std::vector<at::Tensor> samples;
    for (int i = 0; i < 16; ++i) samples.push_back(at::full({1, 1}, i % 2 == 0 ? 1.2f : second));
    q.calibrate_with(samples);
    q.node("neg").quantized = true;
    q.node("neg").input_quant = {active(1, 128)};
    q.node("neg").output_quant = {nullptr};
    q.in("neg")->candidates = {{"minmax", active(1, 128)->params}, {"mse", active(1.3, 128)->params}};
    EXPECT_EQ(q.pass("choose-observer"), 1u);
    if (second == 1.2f) {
      EXPECT_EQ(q.in("neg")->scheme.observer, "mse") << "on all samples";
      EXPECT_THAT(q.warnings, IsEmpty());
      continue;
    }
    EXPECT_EQ(q.in("neg")->scheme.observer, "minmax");
    ASSERT_THAT(q.warnings, SizeIs(1));
    EXPECT_EQ(q.warnings[0].code, "few-samples");
    EXPECT_THAT(q.warnings[0].text, testing::AllOf(HasSubstr("'mse'"), HasSubstr("'minmax'")));
    EXPECT_EQ(q.warnings[0].figures.at("samples"), 16);
    EXPECT_NEAR(q.warnings[0].figures.at("gain"), 0.75, 1e-3) << "0.01 for 0.04";
  }
}

TEST(ChooseObserver, DoesNotFireWhereOneWasTried) {
  Candidates q;
  EXPECT_EQ(q.pass("choose-observer"), 0u);
  q.in("tanh")->candidates = {{"mse", active(0.9, 128)->params}};
  EXPECT_EQ(q.pass("choose-observer"), 0u);
  EXPECT_FLOAT_EQ(scale_of(q.in("tanh")), 1.0f / 127);
}

/// One outlier where the operator is flat: clipping it costs nothing at the output, keeping it coarsens all the rest.
TEST(ChooseObserver, AfterCalibratingWithAuto) {
  Quantizing q("(float[N,8192] x) => (float[N,8192] y)", "[tanh] y = Tanh(x)");
  q.setting.quantize_activation_setting.calib_algorithm = "auto";
  at::manual_seed(3);
  std::vector<at::Tensor> samples;
  for (int i = 0; i < 4; ++i) samples.push_back(at::randn({1, 8192}) * 0.3);
  samples[0][0][0] = 60;  // Tanh is flat there: whoever clips this wins
  q.calibrate_with(samples);
  q.passes({"configure-quantization", "fuse-quantization", "calibrate", "choose-observer"});
  EXPECT_NE(q.in("tanh")->scheme.observer, "minmax");
  EXPECT_LT(scale_of(q.in("tanh")), 20.0 / 255);
}

}  // namespace
}  // namespace ppq::test
