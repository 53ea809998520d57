// A target that is in no table runs through the Quantizer, by rules that no platform of the table has.
#include "support/sample_platform.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ppq/ppq.h"
#include "support/op_run.h"

namespace ppq::test {
namespace {

using testing::ElementsAre;

constexpr int64_t kClasses = 5;

/// x → Conv 3×3 → Relu → Conv 1×1 → MaxPool → Flatten → Gemm → MatMul → y.
std::unique_ptr<Graph> network() {
  auto graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 15]>
    g (float[1,2,6,6] x, float[4,2,3,3] a, float[4] b, float[4,4,1,1] c, float[16,8] d, float[8,5] e) => (float[1,5] y) {
      [wide] p = Conv(x, a, b) [relu] q = Relu(p) [point] r = Conv(q, c)
      [pool] s = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(r) [flat] t = Flatten(s) [gemm] u = Gemm(t, d) [last] y = MatMul(u, e) })");
  at::manual_seed(5);
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    Value* value = graph->find_value(name);
    std::vector<int64_t> sizes;
    for (const Dim& dim : *value->shape) sizes.push_back(dim.value);
    graph->remove_input(value);
    graph->make_constant(value, at::randn(sizes));
  }
  return graph;
}

std::vector<at::Tensor> samples() {
  at::manual_seed(6);
  std::vector<at::Tensor> list;
  for (int i = 0; i < 8; ++i) list.push_back(at::randn({1, 2, 6, 6}));
  return list;
}

struct Job {
  std::unique_ptr<Graph> graph = network();
  const std::unique_ptr<Graph> before = graph->clone();
  TorchExecutor executor{*graph, at::Device(at::kCPU)};
  Quantizer quantizer{*graph, sample_platform()};

  Job() {
    quantizer.set_verify(true);
    quantizer.quantize(samples()[0], samples(), executor, QuantizationSettingFactory::setting_for(sample_platform()));
  }
  const QuantScheme& weight(const char* node) const { return graph->find_node(node)->quant_of_input(1)->scheme; }
  at::Tensor baked(const char* node) const { return graph->find_node(node)->constant_input(1); }
  at::Tensor original(const char* node) const { return before->find_node(node)->constant_input(1); }
};

/// Rounded to `steps` steps on either side of 0, the largest magnitude of each row (all but the first dimension) being the last.
at::Tensor rounded_rows(const at::Tensor& rows, double steps) {
  at::Tensor result = rows.clone().contiguous();
  const int64_t width = rows.numel() / rows.size(0);
  auto* data = result.data_ptr<float>();
  for (int64_t row = 0; row < rows.size(0); ++row, data += width) {
    float largest = 0;
    for (int64_t i = 0; i < width; ++i) largest = std::max(largest, std::abs(data[i]));
    const double scale = static_cast<double>(largest) / steps;
    for (int64_t i = 0; i < width; ++i) data[i] = static_cast<float>(std::nearbyint(static_cast<double>(data[i]) / scale) * scale);
  }
  return result;
}

TEST(SamplePlatform, WeightsByOperatorAndCondition) {
  const Job job;
  EXPECT_EQ(job.weight("wide").bits, 6) << "3×3";
  EXPECT_EQ(job.weight("wide").granularity, Granularity::PerChannel);
  EXPECT_EQ(job.weight("point").bits, 8);
  EXPECT_EQ(job.weight("point").granularity, Granularity::PerChannel);
  EXPECT_EQ(job.weight("gemm").granularity, Granularity::PerTensor);
  EXPECT_EQ(job.weight("last").bits, 4);
  EXPECT_EQ(job.weight("last").granularity, Granularity::PerBlock);
  EXPECT_EQ(job.weight("last").axis, 0) << "blocks lie along what is summed over";
  EXPECT_EQ(job.weight("last").block_size, 4);
}

TEST(SamplePlatform, WeightsAreRoundedAsTheRulesSay) {
  const Job job;
  EXPECT_TENSOR_NEAR(job.baked("wide"), rounded_rows(job.original("wide"), 31), 1e-6);
  EXPECT_TENSOR_NEAR(job.baked("point"), rounded_rows(job.original("point"), 127), 1e-6);
  EXPECT_TENSOR_NEAR(job.baked("gemm"), rounded_rows(job.original("gemm").reshape({1, -1}), 127).reshape({16, 8}), 1e-6);
  // [8, 5] in blocks of 4 rows: a scale for each block of each column.
  const at::Tensor blocks = job.original("last").reshape({2, 4, kClasses}).permute({0, 2, 1}).reshape({2 * kClasses, 4});
  const at::Tensor expected = rounded_rows(blocks, 7).reshape({2, kClasses, 4}).permute({0, 2, 1}).reshape({8, kClasses});
  EXPECT_TENSOR_NEAR(job.baked("last"), expected, 1e-6);
}

TEST(SamplePlatform, OutputsOfComputingOperationsAndBiasesStayFloat) {
  const Job job;
  for (const char* name : {"wide", "point", "gemm", "last"}) {
    EXPECT_FALSE(job.graph->find_node(name)->quant_of_output()) << name;
    EXPECT_TRUE(job.graph->find_node(name)->quant_of_input(0)) << name;
  }
  EXPECT_FALSE(job.graph->find_node("wide")->quant_of_input(2));
  EXPECT_TRUE(job.graph->find_node("relu")->quant_of_output()) << "a rule for all other outputs";
}

/// The network by hand: only inputs are rounded, on the scales that were found, and nothing behind a computing operation.
TEST(SamplePlatform, TheSimulationIsWhatTheRulesSay) {
  Job job;
  const at::Tensor x = samples()[3];
  auto rounded = [&](const char* node, const at::Tensor& value, bool output = false) {
    const Node* n = job.graph->find_node(node);
    const TensorQuantPtr quant = output ? n->quant_of_output() : n->quant_of_input(0);
    EXPECT_EQ(quant->scheme.quant_min, -127) << node;
    const auto scale = quant->params.scale.item<double>();
    return ((value.to(at::kDouble) / scale).round().clamp(-127, 127) * scale).to(at::kFloat);
  };
  float largest = 0;
  for (const at::Tensor& sample : samples()) largest = std::max(largest, sample.abs().max().item<float>());
  EXPECT_NEAR(job.graph->find_node("wide")->quant_of_input(0)->params.scale.item<double>(), static_cast<double>(largest) / 127, 1e-7);

  const at::Tensor p = at::conv2d(rounded("wide", x), job.baked("wide"), job.before->find_node("wide")->constant_input(2));
  const at::Tensor q = rounded("relu", at::relu(rounded("relu", p)), /*output=*/true);
  const at::Tensor r = at::conv2d(rounded("point", q), job.baked("point"));
  const at::Tensor t = rounded("flat", at::max_pool2d(rounded("pool", r), {2, 2})).flatten(1);
  const at::Tensor y = at::matmul(rounded("last", at::matmul(t, job.baked("gemm"))), job.baked("last"));
  EXPECT_TENSOR_NEAR(job.executor.forward(x)[0], y, 1e-5);
}

TEST(SamplePlatform, ItsOwnPassesRunAtTheirPlaces) {
  const Job job;
  EXPECT_EQ(job.graph->doc, "sample-first;sample-last;");
  std::vector<std::string> names;
  for (const PassRecord& record : job.quantizer.passes()) names.push_back(record.name);
  EXPECT_EQ(names.at(1), "sample-first") << "before equalization, which this setting leaves out";
  EXPECT_EQ(names.back(), "sample-last");
}

TEST(SamplePlatform, TheQuantizerKeepsItsRules) {
  const auto graph = network();
  TorchExecutor executor(*graph, at::Device(at::kCPU));
  auto platform = std::make_unique<PlatformSpec>(sample_platform());
  Quantizer quantizer(*graph, *platform);
  const QuantizationSetting setting = QuantizationSettingFactory::setting_for(*platform);
  platform.reset();
  quantizer.quantize(samples()[0], samples(), executor, setting);
  EXPECT_EQ(graph->find_node("wide")->quant_of_input(1)->scheme.bits, 6);
}

TEST(SlotRules, TheFirstThatFitsDecides) {
  const PlatformSpec platform = sample_platform();
  const auto graph = network();
  const Node &wide = *graph->find_node("wide"), &point = *graph->find_node("point"), &relu = *graph->find_node("relu");
  EXPECT_EQ(platform.rule_for(wide, 1, SlotRole::Weight)->scheme.bits, 6);
  EXPECT_EQ(platform.rule_for(point, 1, SlotRole::Weight)->scheme.bits, 8) << "the condition does not hold";
  EXPECT_EQ(platform.rule_for(wide, 0, SlotRole::Output)->treatment, SlotRule::Treatment::Float);
  EXPECT_EQ(platform.rule_for(relu, 0, SlotRole::Output)->treatment, SlotRule::Treatment::Quantized);
  EXPECT_EQ(platform.rule_for(wide, 2, SlotRole::Bias), nullptr) << "no rule: float";
  EXPECT_EQ(platform.scheme(SlotRole::Weight).granularity, Granularity::PerTensor) << "the last rule is the general one";
  EXPECT_EQ(platform.scheme(SlotRole::Output).quant_min, -127) << "of those that quantize";
}

TEST(SlotRules, ATargetMayComputeSomeNodesOfAType) {
  const auto graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 15]>
    g (float[1,4] x, float[1,4] v) => (float[1,4] y) <float[4] k = {1, 2, 3, 4}> { [one] a = Add(x, k) [two] y = Add(a, v) })");
  const PlatformSpec platform = sample_platform();
  EXPECT_TRUE(platform.computes(*graph->find_node("one")));
  EXPECT_FALSE(platform.computes(*graph->find_node("two")));
  dispatch_graph(*graph, platform, "allin");
  QuantizationSetting setting;
  PassContext context;
  context.platform = &platform;
  context.setting = &setting;
  run_passes(*graph, {"configure-quantization"}, context);
  EXPECT_TRUE(graph->find_node("one")->quantized);
  EXPECT_FALSE(graph->find_node("two")->quantized);
}

TEST(SlotRules, SchemesOfTheWords) {
  auto limits = [](const QuantScheme& scheme) { return std::vector<double>{scheme.quant_min, scheme.quant_max}; };
  EXPECT_THAT(limits(rules::unsigned_asymmetric(8)), ElementsAre(0, 255));
  EXPECT_THAT(limits(rules::unsigned_asymmetric(16)), ElementsAre(0, 65535));
  EXPECT_THAT(limits(rules::signed_symmetric(8)), ElementsAre(-128, 127));
  EXPECT_THAT(limits(rules::signed_symmetric(32)), ElementsAre(-2147483648.0, 2147483647.0));
  EXPECT_THAT(limits(rules::narrow_symmetric(6)), ElementsAre(-31, 31));
  EXPECT_FALSE(rules::unsigned_asymmetric(8).symmetric);
  EXPECT_TRUE(rules::narrow_symmetric(8).symmetric);
  EXPECT_FALSE(rules::passive(SlotRole::Bias, {}).exported);
  EXPECT_TRUE(rules::quantized(SlotRole::Data, {}).exported);
}

}  // namespace
}  // namespace ppq::test
