#include <ATen/ATen.h>

#include <functional>

#include "passes/quantizing.h"

namespace ppq::test {
namespace {

constexpr char kPass[] = "compensate-rounding";

/// Two 3×3 layers over images whose neighbours are alike, weights of 4 bits: what single weights lose adds up, or makes good.
struct Images : Quantizing {
  explicit Images(size_t samples = 16, TargetPlatform target = TargetPlatform::QNN_DSP_INT8)
      : Quantizing("(float[1,4,12,12] x, float[8,4,3,3] W, float[6,8,3,3] V) => (float[1,6,12,12] y)",
                   "[first] a = Conv <pads = [1, 1, 1, 1]> (x, W) [relu] r = Relu (a) [second] y = Conv <pads = [1, 1, 1, 1]> (r, V)",
                   {"W", "V"}, target) {
    for (SlotRule* rule : rules(SlotRole::Weight)) {
      QuantScheme& scheme = rule->scheme;
      scheme.bits = 4, scheme.quant_min = scheme.symmetric ? -8 : 0, scheme.quant_max = scheme.symmetric ? 7 : 15;
    }
    setting.extra.compensate_rounding = true;
    calibrate_with(images(samples, 1));
  }
  static std::vector<at::Tensor> images(size_t count, uint64_t seed) {
    at::manual_seed(seed);
    std::vector<at::Tensor> all;
    for (size_t i = 0; i < count; ++i) all.push_back(at::upsample_bilinear2d(at::randn({1, 4, 4, 4}) + 1, {12, 12}, false));
    return all;
  }
  void scales() { passes({"configure-quantization", "quantize-parameters"}); }
  at::Tensor rounded(const char* name) const { return in(name, 1)->params.rounded; }
  /// Noise over signal with rounded weights alone, on images nobody saw.
  double error() const {
    LowerOptions weights;
    weights.quantize_parameters = true;
    const auto exact = lower(*graph, {}), coarse = lower(*graph, weights);
    double noise = 0, signal = 0;
    for (const at::Tensor& image : images(8, 99)) {
      const at::Tensor wanted = run(*exact, {image})[0], got = run(*coarse, {image})[0];
      const at::Tensor difference = got - wanted;
      noise += (difference - difference.mean({2, 3}, true)).square().sum().item<double>(), signal += wanted.square().sum().item<double>();
    }
    return noise / signal;
  }
};

TEST(CompensateRounding, LowersTheErrorOnSamplesNobodySaw) {
  Images q;
  q.scales();
  const double nearest = q.error();
  PassRecord record;
  q.context.record = &record;
  EXPECT_EQ(q.pass(kPass), 2u);
  EXPECT_THAT(record.decision, HasSubstr("kept"));
  EXPECT_LT(q.error(), 0.6 * nearest);
}

TEST(CompensateRounding, LeavesTheFloatNetworkAndStaysOnTheGrid) {
  Images q;
  q.scales();
  const at::Tensor image = Images::images(1, 7)[0], weight = q.node("first").constant_input(1).clone(),
                   before = run(*lower(*q.graph, {}), {image})[0];
  ASSERT_EQ(q.pass(kPass), 2u);
  EXPECT_TRUE(q.node("first").constant_input(1).equal(weight));
  EXPECT_TRUE(run(*lower(*q.graph, {}), {image})[0].equal(before));
  for (const char* name : {"first", "second"}) {
    const TensorQuantPtr quant = q.in(name, 1);
    const at::Tensor rounded = q.rounded(name);
    ASSERT_TRUE(rounded.defined());
    EXPECT_TRUE(fake_quantize(rounded, quant->scheme, quant->params).equal(rounded)) << name;
    EXPECT_FALSE(rounded.equal(fake_quantize(q.node(name).constant_input(1), quant->scheme, quant->params))) << name;
  }
  const at::Tensor kept = q.rounded("first");
  const auto copy = q.graph->clone();
  EXPECT_TRUE(copy->find_node("first")->quant_of_input(1)->params.rounded.equal(kept));
  q.pass("bake-parameters");
  EXPECT_TRUE(q.node("first").constant_input(1).equal(kept));
}

TEST(CompensateRounding, EveryChannelHasItsOwnSteps) {
  Images q(16, TargetPlatform::QNN_HTP_INT8);
  // Channels of very different range: another channel's steps would show.
  const at::Tensor factors = at::logspace(-2, 2, 8).reshape({8, 1, 1, 1}), weight = q.node("first").constant_input(1) * factors;
  q.node("first").input(1)->set_constant(weight);
  q.scales();
  ASSERT_EQ(q.in("first", 1)->params.scale.numel(), 8);
  ASSERT_EQ(q.pass(kPass), 2u);
  const TensorQuantPtr quant = q.in("first", 1);
  const at::Tensor rounded = q.rounded("first"), nearest = fake_quantize(weight, quant->scheme, quant->params);
  EXPECT_TRUE(fake_quantize(rounded, quant->scheme, quant->params).equal(rounded));
  // Of each channel's outputs on images nobody saw, about the mean, as a share of the channel.
  const auto error = [&](const at::Tensor& coarse) {
    double sum = 0;
    for (const at::Tensor& image : Images::images(8, 99)) {
      const at::Tensor difference = at::conv2d(image, (coarse - weight) / factors, {}, 1, 1);
      sum += (difference - difference.mean({2, 3}, true)).square().sum().item<double>();
    }
    return sum;
  };
  EXPECT_LT(error(rounded), 0.6 * error(nearest));
}

TEST(CompensateRounding, DoesNotDependOnTheBatch) {
  Images one, four;
  one.context.batch_size = one.context.largest_batch = 1;
  four.context.batch_size = four.context.largest_batch = 4;
  four.context.sample_bytes = 1;
  for (Images* q : {&one, &four}) q->scales(), q->pass(kPass);
  for (const char* name : {"first", "second"}) EXPECT_TRUE(one.rounded(name).equal(four.rounded(name))) << name;
}

TEST(CompensateRounding, GemmAndMatMulHaveColumnsOfTheirOwn) {
  for (const char* layer : {"Gemm (x, W)", "Gemm <transB = 1> (x, W)", "MatMul (x, W)"}) {
    SCOPED_TRACE(layer);
    const bool transposed = std::string(layer).find("transB") != std::string::npos;
    Quantizing q(std::string("(float[N,12] x, float[") + (transposed ? "5,12" : "12,5") + "] W) => (float[N,5] y)",
                 std::string("[layer] y = ") + layer, {"W"});
    for (SlotRule* rule : q.rules(SlotRole::Weight)) rule->scheme.bits = 4, rule->scheme.quant_max = 15;
    q.setting.extra.compensate_rounding = true;
    at::manual_seed(5);
    std::vector<at::Tensor> rows;
    for (int i = 0; i < 64; ++i) rows.push_back(at::randn({8, 12}) + 2 * at::randn({8, 1}));
    q.calibrate_with(rows);
    q.passes({"configure-quantization", "quantize-parameters"});
    ASSERT_EQ(q.pass(kPass), 1u);
    const at::Tensor w = q.node("layer").constant_input(1), rounded = q.in("layer", 1)->params.rounded;
    const auto error = [&](const at::Tensor& weight) {
      const at::Tensor difference = weight - w, columns = transposed ? difference.t() : difference;
      at::manual_seed(6);
      const at::Tensor seen = at::randn({256, 12}) + 2 * at::randn({256, 1}), noise = at::mm(seen, columns);
      return (noise - noise.mean(0, true)).square().sum().item<double>();
    };
    EXPECT_LT(error(rounded), 0.8 * error(fake_quantize(w, q.in("layer", 1)->scheme, q.in("layer", 1)->params)));
  }
}

/// A product of 12 columns with weights of 4 bits, kept whatever the network's outputs say.
struct Rows : Quantizing {
  explicit Rows(std::vector<at::Tensor> samples)
      : Quantizing("(float[N,12] x, float[12,40] W) => (float[N,40] y)", "[layer] y = MatMul (x, W)", {"W"}) {
    for (SlotRule* rule : rules(SlotRole::Weight)) rule->scheme.bits = 4, rule->scheme.quant_max = 15;
    setting.extra.compensate_rounding = context.trial = true;
    calibrate_with(std::move(samples));
  }
  at::Tensor weight() const { return node("layer").constant_input(1); }
  at::Tensor rounded() {
    passes({"configure-quantization", "quantize-parameters"});
    EXPECT_EQ(pass(kPass), 1u);
    return in("layer", 1)->params.rounded;
  }
};

TEST(CompensateRounding, OutputsThatTheLastQuarterFindsWorseAreRoundedToNearest) {
  // Columns that move together in three quarters of the samples, and against each other in the last.
  std::vector<at::Tensor> samples;
  at::manual_seed(3);
  const at::Tensor signs = at::ones({1, 12});
  signs.slice(1, 0, 12, 2).fill_(-1);
  for (int i = 0; i < 32; ++i) samples.push_back(at::randn({8, 1}) * (i < 24 ? at::ones({1, 12}) : signs) + 0.01 * at::randn({8, 12}));
  Rows q(samples);
  const at::Tensor rounded = q.rounded(), nearest = fake_quantize(q.weight(), q.in("layer", 1)->scheme, q.in("layer", 1)->params);
  const at::Tensor against = at::mm(signs, rounded - q.weight()).abs(), before = at::mm(signs, nearest - q.weight()).abs();
  EXPECT_TRUE((against <= before * 1.05 + 1e-3).all().item<bool>()) << against << before;
}

TEST(CompensateRounding, AMeanThatBiasesTakeBackCostsNothing) {
  at::manual_seed(4);
  std::vector<at::Tensor> samples;
  for (int i = 0; i < 32; ++i) samples.push_back(10 * at::arange(12).remainder(3).unsqueeze(0) + at::randn({8, 12}) + at::randn({8, 1}));
  const auto error = [&](bool corrected) {  // about the mean
    Rows q(samples);
    q.setting.bias_correct = corrected;
    const at::Tensor noise = at::mm(at::cat(samples), q.rounded() - q.weight());
    return (noise - noise.mean(0, true)).square().sum().item<double>();
  };
  EXPECT_LT(error(true), 0.9 * error(false));
}

TEST(CompensateRounding, DoesNotFireWhereItHasNothingToSay) {
  const auto changes = [](const std::function<void(Images&)>& change, size_t samples = 16) {
    Images q(samples);
    change(q);
    q.scales();
    const size_t count = q.pass(kPass);
    EXPECT_EQ(q.rounded("second").defined(), count == 2);
    return count;
  };
  EXPECT_EQ(changes([](Images&) {}), 2u);
  EXPECT_EQ(changes([](Images&) {}, 3), 0u) << "few samples";
  EXPECT_EQ(changes([](Images& q) { q.context.calibration = nullptr; }), 0u) << "no samples";
  EXPECT_EQ(changes([](Images& q) { q.setting.quantize_parameter_setting.baking_parameter = false; }), 0u) << "the target rounds";
  EXPECT_EQ(changes([](Images& q) {
              for (SlotRule* rule : q.rules(SlotRole::Weight)) rule->scheme.bits = 16, rule->scheme.quant_max = 65535;
            }),
            0u)
      << "16 bits";
  EXPECT_EQ(changes([](Images& q) {
              for (const char* name : {"first", "second"}) {  // multiples of a step that the scheme has
                const at::Tensor w = q.node(name).constant_input(1);
                at::Tensor grid = (w * 4).round().clamp(-7, 8);
                grid.view(-1)[0] = -7, grid.view(-1)[1] = 8;
                q.node(name).input(1)->set_constant(grid * 0.25);
              }
            }),
            0u)
      << "on the grid already";
  // A row a sample says too little of 64 columns.
  Quantizing wide("(float[N,64] x, float[64,5] W) => (float[N,5] y)", "[layer] y = MatMul (x, W)", {"W"});
  wide.setting.extra.compensate_rounding = true;
  std::vector<at::Tensor> rows;
  for (int i = 0; i < 16; ++i) rows.push_back(at::randn({1, 64}) + 2 * at::randn({1, 1}));
  wide.calibrate_with(rows);
  wide.passes({"configure-quantization", "quantize-parameters"});
  EXPECT_EQ(wide.pass(kPass), 0u);
  EXPECT_FALSE(wide.in("layer", 1)->params.rounded.defined());
  Images fixed;
  fixed.scales();
  fixed.in("first", 1)->fixed = true;
  EXPECT_EQ(fixed.pass(kPass), 1u);
  EXPECT_FALSE(fixed.rounded("first").defined());
}

TEST(CompensateRounding, IsUndoneWhereOutputsGetWorse) {
  // Outputs hold only what the first layer's first channel says, whose weights lie on the grid: no rounding of the others is better.
  Images q;
  const at::Tensor v = at::zeros({6, 8, 3, 3});
  v.select(1, 0).fill_(0.5);
  q.node("second").input(1)->set_constant(v);
  at::Tensor w = q.node("first").constant_input(1).clamp(-0.8, 0.8);
  w[0].fill_(0.25), w[1].view(-1)[0] = -0.875, w[1].view(-1)[1] = 1;  // steps of an eighth
  q.node("first").input(1)->set_constant(w);
  q.scales();
  PassRecord record;
  q.context.record = &record;
  const size_t count = q.pass(kPass);
  EXPECT_EQ(count, 0u) << record.decision;
  EXPECT_FALSE(q.rounded("first").defined());
  EXPECT_THAT(record.decision, HasSubstr("undone"));
}

}  // namespace
}  // namespace ppq::test
