#include <array>

#include "passes/quantizing.h"
#include "support/small_memory.h"

namespace ppq::test {
namespace {

/// y = x·W + b with W rounded to quarters, everything else float. By hand: the mean of what rounding takes goes into b.
constexpr float kW[3][2] = {{0.3f, -0.9f}, {0.61f, 0.07f}, {-1.13f, 0.4f}};
constexpr float kB[2] = {0.5f, -0.25f};

TensorQuantPtr quarters() {
  auto quant = active(0.25, 0, -128, 127);
  quant->scheme.symmetric = true;
  return quant;
}

struct Gemm : Quantizing {
  explicit Gemm(const std::string& attributes = "", bool bias = true, const std::string& tail = "")
      : Quantizing(
            "(float[N,3] x) => (float[N,2] y) <float[3,2] W = {0.3, -0.9, 0.61, 0.07, -1.13, 0.4}, float[2] b = {0.5, -0.25}>",
            "[gemm] " + std::string(tail.empty() ? "y" : "g") + " = Gemm" + attributes + "(x, W" + (bias ? ", b" : "") + ") " + tail) {
    node("gemm").quantized = true;
    node("gemm").input_quant = {nullptr, quarters(), nullptr};
    node("gemm").input_quant.resize(node("gemm").inputs().size());
    node("gemm").output_quant = {nullptr};
    calibrate_with(rows());
  }
  static std::vector<at::Tensor> rows() {
    return {floats({1, 2, -1}).reshape({1, 3}), floats({0.5f, 1, 3}).reshape({1, 3}), floats({2, 0, 1}).reshape({1, 3})};
  }
  /// Mean over the samples of Σ x·(W - rounded W).
  static double shift(int channel) {
    double sum = 0;
    for (const at::Tensor& x : rows())
      for (int j = 0; j < 3; ++j)
        sum += x[0][j].item<double>() *
               (static_cast<double>(kW[j][channel]) - 0.25 * std::nearbyint(static_cast<double>(kW[j][channel]) / 0.25));
    return sum / 3;
  }
};

TEST(CorrectBias, TakesTheMeanShiftBack) {
  for (size_t batch : {1u, 2u, 3u}) {
    Gemm q;
    q.context.batch_size = batch;
    EXPECT_EQ(q.pass("correct-bias"), 1u);
    const at::Tensor b = q.node("gemm").constant_input(2);
    for (int c = 0; c < 2; ++c) EXPECT_NEAR(b[c].item<double>(), static_cast<double>(kB[c]) + Gemm::shift(c), 1e-6) << "batch " << batch;
  }
}

TEST(CorrectBias, AddsABiasWhereThereIsNone) {
  Gemm q("", false);
  EXPECT_EQ(q.pass("correct-bias"), 1u);
  const at::Tensor b = q.node("gemm").constant_input(2);
  ASSERT_TRUE(b.defined());
  for (int c = 0; c < 2; ++c) EXPECT_NEAR(b[c].item<double>(), Gemm::shift(c), 1e-6);
}

TEST(CorrectBias, WhatItAddsHasTheWeightsType) {
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16, at::kDouble}) {
    Gemm q("", false);
    for (Value* value : q.graph->values())
      if (value->is_constant()) value->set_constant(value->constant().to(type));
    q.graph->find_value("x")->dtype = q.graph->find_value("y")->dtype = to_data_type(type);
    std::vector<at::Tensor> rows = Gemm::rows();
    for (at::Tensor& row : rows) row = row.to(type);
    q.calibrate_with(rows);
    if (type == at::kDouble) q.node("gemm").input_quant[1] = nullptr;  // float64 is not rounded
    if (q.pass("correct-bias") == 0) continue;
    EXPECT_EQ(q.node("gemm").constant_input(2).scalar_type(), type);
  }
}

/// A square column has as many numbers as there are channels, and is no bias.
TEST(CorrectBias, LeavesOperandsOfGemmAlone) {
  Quantizing q("(float[2,3] x) => (float[2,2] y) <float[3,2] W = {0.3, -0.9, 0.61, 0.07, -1.13, 0.4}, float[2,1] b = {0.5, -0.25}>",
               "[gemm] y = Gemm(x, W, b)");
  q.node("gemm").quantized = true;
  q.node("gemm").input_quant = {nullptr, quarters(), nullptr};
  q.node("gemm").output_quant = {nullptr};
  q.calibrate_with({at::ones({2, 3})});
  EXPECT_EQ(q.pass("correct-bias"), 0u);
}

TEST(CorrectBias, DoesNotFire) {
  Gemm plain;
  plain.node("gemm").input_quant[1] = nullptr;
  EXPECT_EQ(plain.pass("correct-bias"), 0u) << "the weight is float";
  Gemm beta("<beta = 0.5>");
  EXPECT_EQ(beta.pass("correct-bias"), 0u);
  Gemm unnamed;
  unnamed.setting.bias_correct_setting.interested_layers = {"another"};
  EXPECT_EQ(unnamed.pass("correct-bias"), 0u);
  unnamed.setting.bias_correct_setting.interested_layers = {"gemm"};
  EXPECT_EQ(unnamed.pass("correct-bias"), 1u);
  Gemm off;
  off.node("gemm").quantized = false;
  EXPECT_EQ(off.pass("correct-bias"), 0u);
  Gemm none;
  none.context.calibration = nullptr;
  EXPECT_EQ(thrown([&] { none.pass("correct-bias"); }).kind(), ErrorKind::Data);
}

/// Behind an Abs a weight of the wrong sign does no harm, but moving its mean does: every bias goes back.
TEST(CorrectBias, IsTakenBackWhereTheOutputsGetWorse) {
  Quantizing q("(float[N,1] x) => (float[N,1] y) <float[1,1] W = {1}, float[1] b = {0}>", "[gemm] g = Gemm(x, W, b) [abs] y = Abs(g)");
  q.node("gemm").quantized = true;
  q.node("gemm").input_quant = {nullptr, active(1, 0, -1, -1), nullptr};
  q.node("gemm").output_quant = {nullptr};
  q.calibrate_with({at::full({1, 1}, 1.0f), at::full({1, 1}, 3.0f)});
  EXPECT_EQ(q.pass("correct-bias"), 0u);
  EXPECT_EQ(q.node("gemm").constant_input(2).item<float>(), 0);
}

/// Two convolutions: the second one's shift is measured on corrected outputs of the first.
TEST(CorrectBias, LayersSeeCorrectedInputs) {
  Quantizing q("(float[N,1,1,1] x) => (float[N,1,1,1] y) <float[1,1,1,1] v = {0.6}, float[1,1,1,1] w = {2.0}>",
               "[one] a = Conv(x, v) [two] y = Conv(a, w)");
  for (const char* name : {"one", "two"}) {
    q.node(name).quantized = true;
    q.node(name).input_quant = {nullptr, quarters()};
    q.node(name).output_quant = {nullptr};
  }
  q.calibrate_with({at::full({1, 1, 1, 1}, 1.0f), at::full({1, 1, 1, 1}, 2.0f)});
  EXPECT_EQ(q.pass("correct-bias"), 2u);
  // 0.6 rounds to 0.5: means 0.9 and 0.75. 2.0 is exact, so the second layer has nothing left to correct.
  EXPECT_NEAR(q.node("one").constant_input(2).item<double>(), 0.15, 1e-6);
  EXPECT_NEAR(q.node("two").constant_input(2).item<double>(), 0, 1e-6);
}

/// Two products with a Relu between them: what the second one loses depends on how far the first was moved, so on which samples
/// are looked at together. By a plain loop over groups of samples.
struct TwoLayers : Quantizing {
  TwoLayers()
      : Quantizing("(float[N,1] x) => (float[N,1] y) <float[1,1] v = {0.6}, float[1] b = {0.1}, float[1,1] w = {1.1}, float[1] c = {0}>",
                   "[one] a = Gemm(x, v, b) r = Relu(a) [two] y = Gemm(r, w, c)") {
    for (const char* name : {"one", "two"}) {
      node(name).quantized = true;
      node(name).input_quant = {nullptr, quarters(), nullptr};
      node(name).output_quant = {nullptr};
    }
    std::vector<at::Tensor> samples;
    for (const float x : kSamples) samples.push_back(at::full({1, 1}, x));
    calibrate_with(samples);
    context.trial = true;  // kept without a judge
  }
  std::pair<double, double> found() {
    EXPECT_EQ(pass("correct-bias"), 2u);
    return {node("one").constant_input(2).item<double>() - 0.1, node("two").constant_input(2).item<double>()};
  }
  static std::pair<double, double> expected(size_t group) {
    double one = 0, two = 0;
    for (size_t first = 0; first < kSamples.size(); first += group) {
      const size_t last = std::min(first + group, kSamples.size());
      double moved = 0, wanted = 0, got = 0;
      for (size_t i = first; i < last; ++i) moved += (0.6 - 0.5) * kSamples[i];
      one += moved;
      moved /= static_cast<double>(last - first);
      for (size_t i = first; i < last; ++i) {
        wanted += 1.1 * std::max(0.0, 0.6 * kSamples[i] + 0.1);
        got += 1.0 * std::max(0.0, 0.5 * kSamples[i] + 0.1 + moved);
      }
      two += wanted - got;
    }
    return {one / kSamples.size(), two / kSamples.size()};
  }
  static constexpr std::array<float, 8> kSamples = {1, -2, 3, -4, 0.5, 6, -0.25, 2};
};

TEST(CorrectBias, DoesNotDependOnTheBatchSize) {
  for (const size_t largest : {0u, 1u, 32u})  // not known, a network that mixes samples, one that does not
    for (const size_t batch : {1u, 3u, 8u}) {
      TwoLayers q;
      q.context.batch_size = batch, q.context.largest_batch = largest;
      const auto [one, two] = q.found();
      EXPECT_NEAR(one, TwoLayers::expected(8).first, 1e-6) << batch << " of " << largest;
      EXPECT_NEAR(two, TwoLayers::expected(8).second, 1e-6) << batch << " of " << largest;
    }
}

TEST(CorrectBias, LooksAtAsManySamplesAsFit) {
  for (const size_t fitting : {1u, 2u, 4u})
    for (const size_t batch : {1u, 3u, 5u, 8u}) {
      const size_t largest = batch == 8 ? 1 : 32;
      TwoLayers q;
      q.context.batch_size = batch, q.context.largest_batch = largest, q.context.sample_bytes = 100;
      q.context.max_memory = fitting * 100 + 99;
      EXPECT_NEAR(q.found().second, TwoLayers::expected(fitting).second, 1e-6) << fitting << ", batches of " << batch;
    }
  EXPECT_GT(std::abs(TwoLayers::expected(1).second - TwoLayers::expected(8).second), 0.01) << "the size matters";
}

/// Memory suffices for half of a group: it goes on in parts, each sample counts once, and a warning says so.
TEST(CorrectBias, GoesOnInHalvesWhereMemoryDoesNotSuffice) {
  PPQ_REQUIRE_CPU_MEMORY();
  for (const size_t batch : {1u, 16u}) {
    Quantizing q("(float[N,1] x, float[1,8192] W, float[8192] b) => (float[N,8192] y)", "[gemm] y = Gemm(x, W, b)", {"W", "b"});
    q.graph->find_value("W")->set_constant(at::full({1, 8192}, 0.6f));
    q.graph->find_value("b")->set_constant(at::zeros({8192}));
    q.node("gemm").quantized = true;
    q.node("gemm").input_quant = {nullptr, quarters(), nullptr};
    q.node("gemm").output_quant = {nullptr};
    std::vector<at::Tensor> samples;
    for (int i = 0; i < 16; ++i) samples.push_back(at::full({1, 1}, static_cast<float>(i * i)));
    q.calibrate_with(samples);
    q.context.trial = true;
    q.context.batch_size = batch, q.context.largest_batch = 32;
    std::vector<Warning> warnings;
    q.context.warnings = &warnings;
    {
      SmallMemory memory(10 * 8192 * sizeof(float));  // sums of a channel take 8
      EXPECT_EQ(q.pass("correct-bias"), 1u);
    }
    if (batch == 16) {
      EXPECT_THAT(warnings, testing::Contains(testing::Field(&Warning::text, HasSubstr("out of memory"))));
    }
    const at::Tensor bias = q.node("gemm").constant_input(2);
    EXPECT_NEAR(bias.min().item<double>(), 0.1 * 1240 / 16, 1e-4) << batch;
    EXPECT_NEAR(bias.max().item<double>(), 0.1 * 1240 / 16, 1e-4) << batch;
  }
}

}  // namespace
}  // namespace ppq::test
