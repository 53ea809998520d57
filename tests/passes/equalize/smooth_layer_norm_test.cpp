#include <ATen/ATen.h>

#include "passes/quantizing.h"

namespace ppq::test {
namespace {

struct Case {
  const char* what;
  std::string body, outputs = "float[N,5,6] y", inputs = "";
  std::vector<std::string> constants = {};
};

const std::string kInputs = "float[N,5,8] x, float[8] g, float[8] b, float[8,6] w, float[6] c, float[8,6] v, float[6] d";
const std::vector<std::string> kConstants = {"g", "b", "w", "c", "v", "d"};
const std::string kNorm = "[norm] n = LayerNormalization(x, g, b) ";

/// Channels 1 and 6 behind the normalization are 30 times as large as the others, and lie to one side.
struct Smoothing : Quantizing {
  std::unique_ptr<Graph> before;
  PassRecord record;
  explicit Smoothing(const Case& c)
      : Quantizing(parse_model(model_text(c.inputs.empty() ? kInputs : c.inputs, c.outputs, c.body, 17),
                               c.inputs.empty() ? kConstants : c.constants),
                   TargetPlatform::QNN_HTP_INT8) {
    pass("constants-to-values");
    setting.extra.choose_equalization_by_data = false;
    for (const auto& [name, factor, middle] : {std::tuple{"g", 30.0, 0.0}, {"b", 1.0, 40.0}})
      if (Value* value = graph->find_value(name); value && value->constant().numel() == 8) {
        at::Tensor constant = value->constant().clone().reshape({-1});
        for (int64_t channel : {1, 6}) constant[channel] = constant[channel] * factor + middle;
        value->set_constant(constant.reshape(value->constant().sizes()));
      }
    // They matter to the layers as much as others.
    for (const char* name : {"w", "v"})
      if (Value* value = graph->find_value(name); value && value->constant().defined() && value->constant().dim() == 2) {
        at::Tensor constant = value->constant().clone();
        const int64_t axis = constant.size(0) == 8 ? 0 : 1;
        if (constant.size(axis) != 8) continue;
        for (int64_t channel : {1, 6}) constant.select(axis, channel).div_(30);
        value->set_constant(constant);
      }
    before = graph->clone();
    at::manual_seed(3);
    std::vector<at::Tensor> samples;
    const bool rows = graph->inputs()[0]->shape->size() == 2;
    for (int i = 0; i < 16; ++i) samples.push_back(rows ? at::randn({1, 8}) : at::randn({1, 5, 8}));
    calibrate_with(samples);
    context.record = &record;
  }
  /// Trials, in which only what flows between normalization and layers is rounded, and weights.
  void try_ways() {
    setting.extra.choose_equalization_by_data = setting.extra.smooth_layer_norm = true;
    setting.quantize_activation_setting.calib_algorithm = "auto";
    platform.slots.insert(platform.slots.begin(), ppq::rules::in_float(SlotRole::Output, {"MatMul", "Gemm", "Add"}));
  }
  size_t smooth() { return pass("smooth-layer-norm"); }
  double float_difference() const {
    double most = 0;
    for (size_t i = 0; i < context.calibration->size(); ++i)
      most = std::max(
          most, relative_difference(run_float(*graph, context.calibration->sample(i)), run_float(*before, context.calibration->sample(i))));
    return most;
  }
  /// Least and largest of each channel of a value over all samples, by plain loops.
  std::vector<std::pair<double, double>> ranges(const Graph& network, const std::string& value) const {
    LowerOptions watching;
    watching.watch = {network.find_value(value)};
    const auto program = lower(network, on_test_device(watching));
    std::vector<std::pair<double, double>> result(8, {1e30, -1e30});
    for (size_t i = 0; i < context.calibration->size(); ++i)
      run_on_test_device(*program, context.calibration->sample(i), [&](size_t, const at::Tensor& out) {
        const at::Tensor x = out.cpu().contiguous();
        for (int64_t e = 0; e < x.numel(); ++e) {
          auto& [low, high] = result[static_cast<size_t>(e % 8)];
          low = std::min(low, static_cast<double>(x.const_data_ptr<float>()[e]));
          high = std::max(high, static_cast<double>(x.const_data_ptr<float>()[e]));
        }
      });
    return result;
  }
};

const Case kOne{"one", kNorm + "[read] p = MatMul(n, w) y = Add(p, c)"};

class Smooths : public testing::TestWithParam<Case> {};

TEST_P(Smooths, AndTheFloatNetworkStays) {
  Smoothing q(GetParam());
  EXPECT_EQ(q.smooth(), 1u);
  EXPECT_LE(q.float_difference(), 1e-5);
  EXPECT_EQ(types_of(*q.graph), types_of(*q.before));
}

INSTANTIATE_TEST_SUITE_P(
    Readers, Smooths,
    testing::Values(
        kOne, Case{"two readers", kNorm + "p = MatMul(n, w) q = MatMul(n, v) s = Add(p, q) y = Add(s, c)"},
        Case{"Gemm",
             kNorm + "y = Gemm(n, w, c)",
             "float[N,6] y",
             "float[N,8] x, float[8] g, float[8] b, float[8,6] w, float[6] c",
             {"g", "b", "w", "c"}},
        Case{"turned Gemm",
             kNorm + "y = Gemm<transB = 1, alpha = 0.5, beta = 2.0>(n, w, c)",
             "float[N,6] y",
             "float[N,8] x, float[8] g, float[8] b, float[6,8] w, float[6] c",
             {"g", "b", "w", "c"}},
        Case{"without a bias", "[norm] n = LayerNormalization(x, g) y = MatMul(n, w)"},
        Case{"written out",
             "two = Constant<value = float {2}>() eps = Constant<value = float {1e-5}>() m = ReduceMean<axes = [-1]>(x) e = Sub(x, m) f = "
             "Pow(e, two) h = ReduceMean<axes = [-1]>(f) i = Add(h, eps) j = Sqrt(i) k = Div(e, j) l = Mul(k, g) n = Add(l, b) y = "
             "MatMul(n, w)"},
        Case{"without a mean",
             "eps = Constant<value = float {1e-5}>() f = Mul(x, x) h = ReduceMean<axes = [-1]>(f) i = Add(h, eps) j = Sqrt(i) k = Div(x, "
             "j) n = "
             "Mul(k, g) y = MatMul(n, w)"},
        Case{"one weight read twice", kNorm + "p = MatMul(n, w) q = MatMul(n, w) y = Add(p, q)"}),
    [](const auto& info) {
      std::string name = info.param.what;
      std::replace(name.begin(), name.end(), ' ', '_');
      return name;
    });

/// s_j = max|x_j|^α / max|W_j|^(1-α), but for a factor of all channels.
TEST(SmoothLayerNorm, ScalesAgainstTheFormula) {
  for (const double alpha : {0.0, 0.5, 0.8, 1.0}) {
    SCOPED_TRACE(alpha);
    Smoothing q({"two", kNorm + "[p] p = MatMul(n, w) [q] q = MatMul(n, v) y = Add(p, q)"});
    q.setting.extra.smooth_alpha = alpha;
    EXPECT_EQ(q.smooth(), 1u);
    const auto seen = q.ranges(*q.before, "n");
    std::vector<double> ratios;
    for (int64_t j = 0; j < 8; ++j) {
      double weight = 0;
      for (const char* name : {"p", "q"})
        for (int64_t o = 0; o < 6; ++o)
          weight = std::max(weight, std::abs(q.before->find_node(name)->constant_input(1)[j][o].item<double>()));
      const auto [low, high] = seen[static_cast<size_t>(j)];
      const double expected = std::pow(std::max(-low, high), alpha) / std::pow(weight, 1 - alpha);
      const double scale =
          q.before->find_node("norm")->constant_input(1)[j].item<double>() / q.node("norm").constant_input(1)[j].item<double>();
      EXPECT_NEAR(q.node("p").constant_input(1)[j][0].item<double>() / q.before->find_node("p")->constant_input(1)[j][0].item<double>(),
                  scale, 1e-5 * scale);
      EXPECT_NEAR(q.before->find_node("norm")->constant_input(2)[j].item<double>() / q.node("norm").constant_input(2)[j].item<double>(),
                  scale, 1e-5 * scale);
      ratios.push_back(scale / expected);
    }
    for (const double ratio : ratios) EXPECT_NEAR(ratio, ratios[0], 1e-5 * ratios[0]);
  }
}

TEST(SmoothLayerNorm, LeavesAlone) {
  const std::string read = "y = MatMul(n, w)";
  for (const Case& c : std::vector<Case>{
           {"another reader", kNorm + read + " z = Abs(n)", "float[N,5,6] y, float[N,5,8] z"},
           {"the tensor is an output", kNorm + read, "float[N,5,6] y, float[N,5,8] n"},
           {"a residual",
            kNorm + "p = MatMul(n, w) q = Softmax(p) y = MatMul(q, u) z = Add(n, y)",
            "float[N,5,8] z",
            "float[N,5,8] x, float[8] g, float[8] b, float[8,6] w, float[6,8] u",
            {"g", "b", "w", "u"}},
           {"weights of the run", kNorm + read, "float[N,5,6] y", "float[N,5,8] x, float[8] g, float[8] b, float[8,6] w", {"g", "b"}},
           {"on the right of the product",
            kNorm + "y = MatMul(w, n)",
            "float[N,6,8] y",
            "float[N,5,8] x, float[8] g, float[8] b, float[6,5] w",
            {"g", "b", "w"}},
           {"another axis",
            "[norm] n = LayerNormalization<axis = 1>(x, g, b) " + read,
            "float[N,5,6] y",
            "float[N,5,8] x, float[5,8] g, float[5,8] b, float[8,6] w",
            {"g", "b", "w"}},
           {"the mean is an output", "[norm] n, mean = LayerNormalization(x, g, b) " + read, "float[N,5,6] y, float[N,5,1] mean"},
           {"a scale of the run", kNorm + read, "float[N,5,6] y", "float[N,5,8] x, float[8] g, float[8] b, float[8,6] w", {"b", "w"}},
           {"a sub-graph reads it",
            kNorm + read +
                " t = ReduceMax<keepdims = 0>(x) go = IsNaN(t) z = If (go) <then_branch = t () => (float[N,5,8] r) { r = Abs(n) }, "
                "else_branch "
                "= e () => (float[N,5,8] s) { s = Neg(n) }>",
            "float[N,5,6] y, float[N,5,8] z"}}) {
    SCOPED_TRACE(c.what);
    Smoothing q(c);
    EXPECT_EQ(q.smooth(), 0u);
    for (const Value* value : q.before->constants())
      EXPECT_TRUE(at::equal(q.graph->find_value(value->name())->constant(), value->constant())) << value->name();
  }
  for (const bool weight : {false, true}) {
    Smoothing fixed(kOne);
    auto quant = active(0.1, 0);
    quant->fixed = true;
    if (weight)
      fixed.node("read").input_quant = {nullptr, quant};
    else
      fixed.node("norm").output_quant = {quant};
    EXPECT_EQ(fixed.smooth(), 0u) << weight;
  }
  Smoothing none(kOne);
  none.context.calibration = nullptr;
  EXPECT_EQ(none.smooth(), 0u);
  EXPECT_THAT(none.record.decision, HasSubstr("no samples"));
}

/// With trials: the way with the least error on samples held back is taken, and it is less than a half of what it was here.
TEST(SmoothLayerNorm, IsChosenByWhatItGains) {
  Smoothing q(kOne);
  q.try_ways();
  EXPECT_EQ(q.smooth(), 1u) << q.record.decision;
  EXPECT_LE(q.float_difference(), 1e-5);
  ASSERT_GT(q.record.error_before, 0) << q.record.decision;
  EXPECT_LT(q.record.error_after, 0.5 * q.record.error_before) << q.record.decision;
}

/// About the middle: the two large channels lie to one side, so that what is left of them is centred where all layers have biases.
TEST(SmoothLayerNorm, CentresChannelsWhereBiasesTakeThemBack) {
  Smoothing q(
      {"Gemm",
       "shape = Constant<value_ints = [-1, 8]>() h = Reshape(x, shape) [norm] n = LayerNormalization(h, g, b) [read] y = Gemm(n, w, c)",
       "float[M,6] y",
       "float[N,5,8] x, float[8] g, float[8] b, float[8,6] w, float[6] c",
       {"g", "b", "w", "c"}});
  q.try_ways();
  EXPECT_EQ(q.smooth(), 1u);
  EXPECT_LE(q.float_difference(), 1e-5);
  EXPECT_THAT(q.record.decision,
              testing::AnyOf(testing::StartsWith("channels of one width"), testing::StartsWith("smoothed about the middle")));
  for (const auto& [low, high] : q.ranges(*q.graph, "n")) EXPECT_NEAR(low, -high, 1e-3 * (high - low));
  EXPECT_LT(q.record.error_after, 0.2 * q.record.error_before) << q.record.decision;
}

/// Channels of like sizes: nothing to gain, so nothing changes.
TEST(SmoothLayerNorm, StaysAsItCameWithoutGain) {
  Smoothing q(kOne);
  q.node("norm").input(1)->set_constant(at::ones({8}));
  q.node("norm").input(2)->set_constant(at::zeros({8}));
  q.node("read").input(1)->set_constant(at::ones({8, 6}) + 0.01 * at::randn({8, 6}));
  q.before = q.graph->clone();
  q.try_ways();
  EXPECT_EQ(q.smooth(), 0u) << q.record.decision;
  EXPECT_THAT(q.record.decision, testing::StartsWith("as it came"));
  for (const Value* value : q.before->constants())
    EXPECT_TRUE(at::equal(q.graph->find_value(value->name())->constant(), value->constant())) << value->name();
}

TEST(SmoothLayerNorm, RunsWhereTheSettingHasIt) {
  QuantizationSetting setting;
  const auto& platform = find_platform(TargetPlatform::QNN_HTP_INT8);
  EXPECT_THAT(quantization_pipeline(platform, setting), testing::Not(testing::Contains("smooth-layer-norm")));
  setting = QuantizationSettingFactory::setting_for(platform);
  EXPECT_THAT(quantization_pipeline(platform, setting), testing::Contains("smooth-layer-norm"));
}

}  // namespace
}  // namespace ppq::test
