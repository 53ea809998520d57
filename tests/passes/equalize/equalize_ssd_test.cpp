#include "passes/equalize/pairs.h"
#include "passes/quantizing.h"
#include "support/device.h"
#include "support/thrown.h"

namespace ppq::test {
namespace {

/// Two layers whose channels differ by up to 2^6 on the one side and as much the other way on the other.
struct Disparate : Quantizing {
  std::unique_ptr<Graph> before;
  explicit Disparate(const std::string& behind = "[down] y = Conv(r, v)")
      : Quantizing("(float[N,6,6,6] x, float[12,6,1,1] w, float[12] b, float[4,12,1,1] v) => (float[N,4,6,6] y)",
                   "[up] c = Conv(x, w, b) r = Relu(c) " + behind, {"w", "b", "v"}) {
    const at::Tensor octaves = at::exp2(at::arange(12).remainder(7).to(at::kFloat) - 6);
    passes::scale_outputs(node("up"), octaves);
    passes::scale_inputs(node("down"), octaves);
    before = graph->clone();
    at::manual_seed(5);
    std::vector<at::Tensor> samples;
    for (int i = 0; i < 8; ++i) samples.push_back(at::randn({1, 6, 6, 6}));
    calibrate_with(samples);
    setting.quantize_activation_setting.calib_algorithm = "minmax";
    setting.ssd_setting.iteration = 1;
  }
  double error() {
    run_passes(*graph, quantization_pipeline(platform, setting), context);
    LowerOptions simulated;
    simulated.mode = ExecutionMode::Simulated;
    const auto quantized = lower(*graph, on_test_device(simulated));
    double noise = 0, signal = 0;
    for (size_t i = 0; i < context.calibration->size(); ++i) {
      const at::Tensor got = run_on_test_device(*quantized, context.calibration->sample(i))[0],
                       want = run_float(*before, context.calibration->sample(i))[0];
      noise += (got - want).square().sum().item<double>(), signal += want.square().sum().item<double>();
    }
    return noise / signal;
  }
};

/// The four ways, in plain loops over what was there before.
std::vector<std::vector<double>> ways(const Disparate& q, double ratio) {
  const at::Tensor w = q.before->find_node("up")->constant_input(1), v = q.before->find_node("down")->constant_input(1);
  std::vector<double> u(12), d(12), a(12, 0);
  for (int c = 0; c < 12; ++c) {
    for (int k = 0; k < 6; ++k) u[c] = std::max(u[c], std::abs(w[c][k].item<double>()));
    for (int k = 0; k < 4; ++k) d[c] = std::max(d[c], std::abs(v[k][c].item<double>()));
  }
  LowerOptions options;
  options.watch = {q.before->find_value("c")};
  const auto program = lower(*q.before, on_test_device(options));
  for (size_t i = 0; i < 8; ++i)
    run_on_test_device(*program, q.context.calibration->sample(i), [&](size_t, const at::Tensor& out) {
      for (int c = 0; c < 12; ++c) a[c] += std::max(0.0, out[0][c].max().item<double>()) / 8;
    });
  std::vector<double> dfq(12), U(12), D(12), A(12), second(12), third(12), fourth(12);
  auto most = [](const std::vector<double>& x) { return *std::max_element(x.begin(), x.end()); };
  for (int c = 0; c < 12; ++c) {
    dfq[c] = std::clamp(std::sqrt(d[c] / u[c]), 0.1, 10.0);
    U[c] = std::max(u[c], ratio * most(u)), D[c] = std::max(d[c], ratio * most(d)), A[c] = std::max({a[c], ratio * most(a), 0.01});
  }
  for (int c = 0; c < 12; ++c) {
    const double K = most(U) / U[c], N = most(D) / D[c], R = most(A) / A[c];
    second[c] = std::min(K, R);
    third[c] = std::min({K / N, R / N, 8.0});
    fourth[c] = std::clamp(std::sqrt(R * std::sqrt(K / N)), 1.0, 2.0);
  }
  const double least = *std::min_element(third.begin(), third.end());
  for (double& s : third) s = std::clamp(s / least, 1.0, 2.0);
  return {dfq, second, third, fourth};
}

TEST(EqualizeSsd, TakesOneOfThePaperScalesWhereItHelps) {
  const double bad = Disparate().error();
  Disparate q;
  PassRecord record;
  q.context.record = &record;
  EXPECT_EQ(q.pass("equalize-ssd"), 1u);
  EXPECT_THAT(record.decision, HasSubstr("1 of 1 pairs"));
  const at::Tensor now = q.node("up").constant_input(1), then = q.before->find_node("up")->constant_input(1);
  size_t fitting = 0;
  for (const auto& way : ways(q, q.setting.ssd_setting.channel_ratio)) {
    bool fits = true;
    for (int c = 0; c < 12; ++c) fits &= std::abs(now[c][0].item<double>() / then[c][0].item<double>() / way[c] - 1) < 1e-4;
    fitting += fits;
  }
  EXPECT_EQ(fitting, 1u);
  const Tensors inputs = random_inputs(*q.before);
  EXPECT_LE(relative_difference(run_float(*q.graph, inputs), run_float(*q.before, inputs)), 1e-5);
  EXPECT_LT(q.error(), q.setting.ssd_setting.loss_threshold * bad);
}

TEST(EqualizeSsd, MoreIterationsGoFurther) {
  Disparate once, often;
  often.setting.ssd_setting.iteration = 5;
  once.pass("equalize-ssd");
  often.pass("equalize-ssd");
  EXPECT_LT(often.error(), once.error());
}

TEST(EqualizeSsd, NotWhereThePairMustGetMuchBetter) {
  Disparate q;
  q.setting.ssd_setting.loss_threshold = 1e-9;
  EXPECT_EQ(q.pass("equalize-ssd"), 0u);
  EXPECT_TRUE(at::equal(q.node("up").constant_input(1), q.before->find_node("up")->constant_input(1)));
}

TEST(EqualizeSsd, NotWithTwoReaders) {
  Disparate q("[down] p = Conv(r, v) [other] s = Conv(r, v) y = Add(p, s)");
  EXPECT_EQ(q.pass("equalize-ssd"), 0u);
}

TEST(EqualizeSsd, LayerNormMakesTheLargestWeightsEqual) {
  Disparate q;
  q.setting.ssd_setting.layer_norm = true;
  q.setting.ssd_setting.loss_threshold = 0;
  EXPECT_EQ(q.pass("equalize-ssd"), 0u);
  EXPECT_NEAR(q.node("up").constant_input(1).abs().max().item<double>() / q.node("down").constant_input(1).abs().max().item<double>(), 1,
              1e-5);
  const Tensors inputs = random_inputs(*q.before);
  EXPECT_LE(relative_difference(run_float(*q.graph, inputs), run_float(*q.before, inputs)), 1e-5);
}

TEST(EqualizeSsd, NeedsSamples) {
  Disparate q;
  q.context.calibration = nullptr;
  EXPECT_THAT([&] { q.pass("equalize-ssd"); }, testing::Throws<Error>(testing::Property(&Error::kind, ErrorKind::Data)));
}

TEST(EqualizeSsd, RunsWhereTheSettingAsksForIt) {
  Disparate q;
  const auto without = quantization_pipeline(q.platform, q.setting);
  q.setting.ssd_equalization = true;
  const auto with = quantization_pipeline(q.platform, q.setting);
  EXPECT_EQ(std::count(without.begin(), without.end(), "equalize-ssd"), 0);
  EXPECT_EQ(with[1], "equalize-ssd");
}

}  // namespace
}  // namespace ppq::test
