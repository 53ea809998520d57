#include <set>

#include "passes/equalize/pairs.h"
#include "passes/quantizing.h"
#include "support/device.h"
#include "support/golden.h"
#include "support/share.h"

namespace ppq::test {
namespace {

using testing::StartsWith;

TEST(EqualizeLayers, ScalesAreThoseOfThePaper) {
  Quantizing q(
      "(float[N,2,3,3] x) => (float[N,2,3,3] y) <float[3,2,1,1] w = {4, -1, 0.5, 0.25, 0.1, 0.2}, float[3] b = {1, 2, 3}, float[2,3,1,1] v "
      "= {1, 2, 0.05, 0.5, -8, 0.1}>",
      "[up] c = Conv(x, w, b) r = Relu(c) [down] y = Conv(r, v)");
  const auto before = q.graph->clone();
  q.setting.equalization_setting.iterations = 1;
  EXPECT_EQ(q.pass("equalize-layers"), 1u);
  // max |w| of a row, max |v| of a column; the third sums to less than the threshold of 0.5
  const double s[3] = {1 / std::sqrt(4 / 1.0), 1 / std::sqrt(0.5 / 8.0), 1};
  for (int c = 0; c < 3; ++c) {
    EXPECT_NEAR(q.node("up").constant_input(1)[c][0].item<double>(), before->find_node("up")->constant_input(1)[c][0].item<double>() * s[c],
                1e-6);
    EXPECT_NEAR(q.node("up").constant_input(2)[c].item<double>(), (c + 1) * s[c], 1e-6);
    EXPECT_NEAR(q.node("down").constant_input(1)[1][c].item<double>(),
                before->find_node("down")->constant_input(1)[1][c].item<double>() / s[c], 1e-6);
  }
  const Tensors inputs = random_inputs(*before);
  EXPECT_LE(relative_difference(run_float(*q.graph, inputs), run_float(*before, inputs)), 1e-6);
}

/// PPQ's including_act: the largest magnitude of what the upstream layer gives stands beside its weights, times the multiplier.
TEST(EqualizeLayers, ActivationsCountWhereTheSettingHasThem) {
  for (const bool on : {false, true}) {
    Quantizing q("(float[N,2,3,3] x, float[3,2,1,1] w, float[3] b, float[2,3,1,1] v) => (float[N,2,3,3] y)",
                 "[up] c = Conv(x, w, b) r = Relu(c) [down] y = Conv(r, v)", {"w", "b", "v"});
    const auto before = q.graph->clone();
    at::manual_seed(6);
    std::vector<at::Tensor> samples;
    for (int i = 0; i < 4; ++i) samples.push_back(at::randn({1, 2, 3, 3}));
    q.calibrate_with(samples);
    q.setting.extra.choose_equalization_by_data = q.setting.extra.cross_clip_equalization = false;
    EqualizationSetting& setting = q.setting.equalization_setting;
    setting.iterations = 1, setting.value_threshold = 0, setting.including_act = on, setting.act_multiplier = 3;
    EXPECT_EQ(q.pass("equalize-layers"), 1u);
    const at::Tensor w = before->find_node("up")->constant_input(1), b = before->find_node("up")->constant_input(2),
                     v = before->find_node("down")->constant_input(1);
    for (int c = 0; c < 3; ++c) {
      double up = w[c].abs().max().item<double>();
      const double down = v.select(1, c).abs().max().item<double>();
      if (on)
        for (const at::Tensor& x : samples)
          up = std::max(
              up,
              3 * (x[0][0] * w[c][0].item<double>() + x[0][1] * w[c][1].item<double>() + b[c].item<double>()).abs().max().item<double>());
      const double s = std::clamp(1 / std::sqrt(up / down), 0.1, 10.0);
      EXPECT_NEAR(q.node("up").constant_input(1)[c][0].item<double>(), w[c][0].item<double>() * s, 1e-5) << on << c;
    }
    EXPECT_LE(relative_difference(run_float(*q.graph, {samples[0]}), run_float(*before, {samples[0]})), 1e-5);
  }
}

/// Conv → Clip(0, 6) → depthwise → Clip(0, 6) → Conv. The first three channels reach the bound; of the others, weights are
/// small by up to 2^-6 and the reader makes up for it.
struct Scaled : Quantizing {
  std::unique_ptr<Graph> before;
  explicit Scaled(bool disparate = true)
      : Quantizing(
            "(float[N,6,6,6] x, float[12,6,1,1] w, float[12] b, float[12,1,3,3] d, float[4,12,1,1] v) => (float[N,4,6,6] y) <float lo = "
            "{0}, float hi = {6}>",
            "[up] c = Conv(x, w, b) [clip] r = Clip(c, lo, hi) [deep] e = Conv<group = 12, pads = [1, 1, 1, 1]>(r, d) s = Clip(e, lo, hi) "
            "[down] y = Conv(s, v)",
            {"w", "b", "d", "v"}) {
    at::Tensor scale = at::full({12}, 0.35);
    scale.slice(0, 0, 3).fill_(4);
    passes::scale_outputs(node("up"), scale);
    node("deep").input(1)->set_constant(node("deep").constant_input(1) * 0.5);
    if (disparate) {
      const at::Tensor octaves = at::cat({at::zeros({3}), -(at::arange(9).remainder(7))}).to(at::kFloat), factor = at::exp2(octaves);
      passes::scale_outputs(node("up"), factor);
      passes::scale_inputs(node("deep"), factor);
    }
    before = graph->clone();
    at::manual_seed(5);
    std::vector<at::Tensor> samples;
    for (int i = 0; i < 16; ++i) samples.push_back(at::randn({1, 6, 6, 6}));
    calibrate_with(samples);
    setting.quantize_activation_setting.calib_algorithm = "minmax";
  }
  /// Of the simulated network on the calibration samples, after the rest of the pipeline.
  double error() {
    setting.equalization = false;
    run_passes(*graph, quantization_pipeline(platform, setting), context);
    return output_snr(*graph, *before, *context.calibration)[0];
  }
  /// Noise over signal of the float network against what it was.
  double float_change() const {
    double noise = 0, signal = 0;
    for (size_t i = 0; i < context.calibration->size(); ++i) {
      const at::Tensor now = run_float(*graph, context.calibration->sample(i))[0],
                       then = run_float(*before, context.calibration->sample(i))[0];
      noise += (now - then).square().sum().item<double>(), signal += then.square().sum().item<double>();
    }
    return noise / signal;
  }
};

TEST(EqualizeLayers, ThroughClipWhatTheBoundCutsOffStays) {
  Scaled q;
  const double bad = Scaled().error();
  q.setting.extra.choose_equalization_by_data = false;
  EXPECT_EQ(q.pass("equalize-layers"), 2u);
  EXPECT_LE(q.float_change(), 1e-5);
  for (int c = 0; c < 3; ++c)
    EXPECT_TRUE(at::equal(q.node("up").constant_input(1)[c], q.before->find_node("up")->constant_input(1)[c]))
        << "channel " << c << " reaches the bound";
  EXPECT_FALSE(at::equal(q.node("up").constant_input(1), q.before->find_node("up")->constant_input(1)));
  const double good = q.error();
  EXPECT_GT(bad, 0.05);
  EXPECT_LT(good, bad / 10);
}

TEST(EqualizeLayers, WithoutTheSettingClipStopsIt) {
  Scaled q;
  q.setting.extra.choose_equalization_by_data = q.setting.extra.cross_clip_equalization = false;
  EXPECT_EQ(q.pass("equalize-layers"), 0u);
  EXPECT_TRUE(at::equal(q.node("up").constant_input(1), q.before->find_node("up")->constant_input(1)));
}

TEST(EqualizeLayers, IsChosenWhereItHelpsAndSaysSo) {
  Scaled q;
  PassRecord record;
  q.context.record = &record;
  EXPECT_GT(q.pass("equalize-layers"), 0u);
  EXPECT_THAT(record.decision, StartsWith("through Clip"));
  EXPECT_THAT(record.decision, HasSubstr("float outputs moved by"));
  EXPECT_LT(record.error_after, record.error_before / 10);
  // Tensor by tensor too; what flows in is the same.
  std::set<std::string> better;
  for (const TensorEffect& effect : record.effects)
    if (effect.after < effect.before / 2) better.insert(effect.tensor);
  EXPECT_TRUE(better.count("y"));
  EXPECT_FALSE(better.count("x"));
}

/// One pair that the scales help and one that they hurt: weights of the second lie on the grid, and would no more.
TEST(EqualizeLayers, LeavesThePairThatIsBetterAlone) {
  Quantizing q("(float[N,6,6,6] x, float[12,6,1,1] w, float[8,12,1,1] v, float[8,8,1,1] t, float[4,8,1,1] u) => (float[N,4,6,6] y)",
               "[first] a = Conv(x, w) b = Relu(a) [second] c = Conv(b, v) m = MaxPool<kernel_shape = [1, 1]>(c) n = Neg(m) o = Relu(n) "
               "[third] d = Conv(o, t) e = Relu(d) [fourth] y = Conv(e, u)",
               {"w", "v", "t", "u"});
  const at::Tensor octaves = at::exp2(at::arange(12).remainder(7).to(at::kFloat) - 3);
  passes::scale_outputs(q.node("first"), octaves);
  passes::scale_inputs(q.node("second"), octaves);
  // Rows of two ranges on one grid (a 15th of the range): balancing them takes them off it.
  for (const char* name : {"third", "fourth"}) {
    Value* weight = q.node(name).input(1);
    at::Tensor w = at::randint(-2, 2, weight->constant().sizes(), at::kFloat) * 0.3;
    w[-1][0][0][0] = -0.6, w[-1][1][0][0] = 0.3;
    if (name[0] == 't') w.slice(0, 0, 4).mul_(1.0 / 5);
    weight->set_constant(w);
  }
  q.setting.extra.bits = {{"activation:Conv", 16},    {"activation:Relu", 16}, {"activation:Neg", 16},
                          {"activation:MaxPool", 16}, {"weight:third", 4},     {"weight:fourth", 4}};
  q.setting.extra.cross_clip_equalization = false;  // by the ranges alone
  at::manual_seed(5);
  std::vector<at::Tensor> samples;
  for (int i = 0; i < 16; ++i) samples.push_back(at::randn({1, 6, 6, 6}));
  q.calibrate_with(samples);
  q.setting.quantize_activation_setting.calib_algorithm = "minmax";
  PassRecord record;
  q.context.record = &record;
  const auto before = q.graph->clone();
  EXPECT_EQ(q.pass("equalize-layers"), 1u) << record.decision;
  EXPECT_THAT(record.decision, HasSubstr("without the 1 of 2 pairs that are better alone (third)"));
  EXPECT_FALSE(at::equal(q.node("first").constant_input(1), before->find_node("first")->constant_input(1)));
  EXPECT_TRUE(at::equal(q.node("third").constant_input(1), before->find_node("third")->constant_input(1)));
}

/// Weights on the 8-bit grid lose nothing as they are, and would off it.
TEST(EqualizeLayers, IsNotChosenWhereItHurts) {
  Scaled q(false);
  for (const char* name : {"up", "deep", "down"}) {
    Value* weight = q.node(name).input(1);
    const at::Tensor w = weight->constant(), step = (w.amax().clamp_min(0) - w.amin().clamp_max(0)) / 15;
    weight->set_constant(at::round(w / step) * step);
  }
  q.setting.extra.bits = {{"activation:Conv", 16}, {"activation:Clip", 16}, {"weight:Conv", 4}};
  q.before = q.graph->clone();
  PassRecord record;
  q.context.record = &record;
  EXPECT_EQ(q.pass("equalize-layers"), 0u);
  EXPECT_THAT(record.decision, StartsWith("none"));
  EXPECT_TRUE(at::equal(q.node("up").constant_input(1), q.before->find_node("up")->constant_input(1)));
  EXPECT_LE(q.error(), 1e-3);
}

/// A trained MobileNet whose channels were multiplied by 2^-6 … 2^6 through its ReLU6s: the float network is the same, int8
/// with per-tensor weights is not, unless equalization leads through Clip.
TEST(EqualizeLayers, ATrainedNetworkWithBadlyScaledChannels) {
  PPQ_REQUIRE_SHARED();
  Golden golden = load_golden("mobilenet_v1_025_128_imagenet");
  const auto original = golden.graph->clone();
  LowerOptions watching;
  const auto pairs = passes::find_equalization_pairs(*golden.graph, {false, true, true});
  ASSERT_GT(pairs.size(), 20u);
  for (const auto& pair : pairs) watching.watch.push_back(pair.upstream[0]->output());
  std::vector<at::Tensor> most(pairs.size());
  const auto program = lower(*golden.graph, on_test_device(watching));
  for (const Dataset* samples : {golden.calibration.get(), golden.evaluation.get()})
    for (size_t i = 0; i < samples->size(); ++i)
      run_on_test_device(*program, samples->sample(i), [&](size_t which, const at::Tensor& x) {
        const at::Tensor high = x.amax(std::vector<int64_t>{0, 2, 3});
        most[which] = most[which].defined() ? at::maximum(most[which], high) : high.clone();
      });
  at::manual_seed(17);
  for (size_t i = 0; i < pairs.size(); ++i) {
    const at::Tensor free = at::exp2(at::rand({pairs[i].channels}) * 12 - 6), room = 0.75 * 6 / most[i].clamp_min(1e-6);
    const at::Tensor factor = at::where(most[i] >= 6, at::ones_like(free), at::minimum(free, room));
    passes::scale_outputs(*pairs[i].upstream[0], factor);
    passes::scale_inputs(*pairs[i].downstream[0], factor);
  }
  auto agreeing = [&](Graph& graph) {
    LowerOptions simulated;
    simulated.mode = ExecutionMode::Simulated;
    const auto quantized = lower(graph, on_test_device(simulated)), plain = lower(*original, on_test_device());
    size_t same = 0;
    for (size_t i = 0; i < golden.evaluation->size(); ++i) {
      const auto x = golden.evaluation->sample(i);
      same += run_on_test_device(*quantized, x)[0].argmax().item<int64_t>() == run_on_test_device(*plain, x)[0].argmax().item<int64_t>();
    }
    return same;
  };
  auto quantize = [&](bool through_clip) {
    auto graph = golden.graph->clone();
    QuantizationSetting setting = QuantizationSettingFactory::setting_for("qnn_dsp_int8");
    setting.quantize_activation_setting.calib_algorithm = "minmax";
    setting.extra.cross_clip_equalization = through_clip;
    TorchExecutor executor(*graph, test_device());
    Quantizer(*graph, TargetPlatform::QNN_DSP_INT8).quantize(golden.calibration->sample(0), golden.calibration, executor, setting, 32);
    return graph;
  };
  EXPECT_LE(output_snr(*golden.graph, *original, *golden.evaluation)[0], 1e-9) << "the rescaled network is another one";
  const auto good = quantize(true), bad = quantize(false);
  EXPECT_LE(output_snr(*good, *original, *golden.evaluation)[0], 0.03);
  EXPECT_GT(output_snr(*bad, *original, *golden.evaluation)[0], 0.3);
  EXPECT_GE(agreeing(*good), 23u);  // of 32; 0 to 3 when equalization stops at Clip
  EXPECT_LE(agreeing(*bad), 10u);
}

}  // namespace
}  // namespace ppq::test
