#include "passes/trial.h"

#include "passes/quantizing.h"

namespace ppq::test {
namespace {

using passes::Trial;

/// y = x × k with the product quantized to whole numbers; sample i holds i + 0.25.
struct Counting : Quantizing {
  Counting() : Quantizing("(float[N,1] x) => (float[N,1] y) <float k = {1}>", "[mul] y = Mul(x, k)") {
    std::vector<at::Tensor> samples;
    for (int i = 0; i < 8; ++i) samples.push_back(at::full({1, 1}, i + 0.25));
    calibrate_with(samples);
    setting.equalization = true;
    setting.bias_correct = true;
    context.work = std::make_shared<Work>();
    context.progress = [](const std::string&, size_t, size_t) { FAIL() << "a trial says nothing"; };
  }
};

TEST(Trial, JudgesOnItsOwnSamples) {
  Counting q;
  Trial trial(*q.graph, q.context, {Part::fitting(), Part::held_back().first(2)});
  auto copy = q.graph->clone();
  Node* mul = copy->find_node("mul");
  mul->output_quant = {active(1, 0)};
  mul->quantized = true;
  // Samples 2.25 and 3.25 round down by a quarter.
  EXPECT_NEAR(trial.judge(*copy).error, 2 * 0.0625 / (2.25 * 2.25 + 3.25 * 3.25), 1e-6);
  EXPECT_EQ(q.context.work->simulated_forwards, 2u);
}

TEST(Trial, ComparesWithTheNetworkThatTheJobBeganWith) {
  Counting q;
  auto first = q.graph->clone();
  first->find_value("k")->set_constant(at::scalar_tensor(2.f));
  q.context.outputs = std::make_shared<Reference>(*first, q.context.calibration, q.context);
  Trial trial(*q.graph, q.context, {Part::fitting(), Part::held_back()});
  EXPECT_NEAR(trial.judge(*q.graph).error, 0.25, 1e-6) << "half of every output is missing";
}

TEST(Trial, ItsPassesSeeTheChangedSettingAndTheirPartAndSayNothing) {
  Counting q;
  Trial trial(*q.graph, q.context, {Part::fitting().first(3), Part::held_back()},
              [](QuantizationSetting& setting) { setting.equalization = false; });
  const auto all = trial.pipeline();
  EXPECT_EQ(std::count(all.begin(), all.end(), "equalize-layers"), 0);
  EXPECT_TRUE(q.setting.equalization) << "the job's own setting stays";
  const auto rest = trial.pipeline("calibrate", "bake-parameters");
  EXPECT_EQ(rest.front(), "choose-observer");
  EXPECT_EQ(std::count(rest.begin(), rest.end(), "bake-parameters"), 0);
  EXPECT_EQ(std::count(rest.begin(), rest.end(), "correct-bias"), 1);
  EXPECT_EQ(trial.context().calibration->size(), 3u);
  EXPECT_EQ(trial.context().calibration->name(2), q.context.calibration->name(4));
  auto copy = q.graph->clone();
  copy->find_node("mul")->dispatch = Dispatch::Quantized;
  trial.run(*copy, all);
  EXPECT_THAT(q.warnings, IsEmpty());
  EXPECT_TRUE(copy->find_node("mul")->quantized);
  EXPECT_FALSE(q.node("mul").quantized);
}

}  // namespace
}  // namespace ppq::test
