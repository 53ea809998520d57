// What PPQ's targets do with activations, weights and biases, row by row from its documentation (and esp-ppq's), and where we differ.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include "ppq/graph.h"
#include "ppq/onnx.h"
#include "ppq/platform.h"
#include "ppq/setting.h"

namespace ppq::test {
namespace {

using enum Rounding;
constexpr double kOpen = 0;

struct Scheme {
  double min, max;
  bool symmetric = true;
  Rounding rounding = HalfEven;
  bool channels = false, power_of_two = false;
};

struct Target {
  const char* name;
  Scheme activation, conv_weight, gemm_weight;
  bool bias_in_float;
  Scheme bias;
  bool output_of_conv_in_float = false;
};

Scheme per_channel(Scheme scheme) {
  scheme.channels = true;
  return scheme;
}

const Scheme kInt8 = {-128, 127}, kNarrow = {-127, 127}, kUint8 = {0, 255, false}, kFloat = {kOpen, kOpen};
const Scheme kNarrowAway = {-127, 127, true, HalfFarFromZero}, kUint8Away = {0, 255, false, HalfFarFromZero},
             kInt8Away = {-128, 127, true, HalfFarFromZero};
Scheme pot(Scheme scheme, Rounding rounding) {
  scheme.power_of_two = true, scheme.rounding = rounding;
  return scheme;
}
const double k29 = 536870912, k30 = 1073741824, k31 = 2147483648;

std::vector<Target> targets() {
  const Scheme espdl8 = pot({-128, 127}, HalfEven), s3 = pot({-128, 127}, HalfUp), e16 = pot({-32768, 32767}, HalfEven),
               s16 = pot({-32768, 32767}, HalfUp);
  return {
      {"onnxruntime", kInt8, per_channel(kInt8), per_channel(kInt8), true, kFloat},
      {"trt_int8", kInt8, per_channel(kInt8), per_channel(kInt8), true, kFloat},
      {"trt_int8_input_only", kInt8, per_channel(kInt8), per_channel(kInt8), true, kFloat, true},
      {"openvino_int8", kInt8, per_channel(kInt8), per_channel(kInt8), true, kFloat},
      {"ncnn_int8", kNarrowAway, per_channel({-31, 31, true, HalfFarFromZero}), per_channel(kNarrowAway), true, kFloat, true},
      {"mnn_int8", kNarrowAway, per_channel(kNarrowAway), kNarrowAway, true, kFloat},
      {"nxp_int8", pot(kInt8, HalfDown), per_channel(pot(kInt8, HalfFarFromZero)), per_channel(pot(kInt8, HalfFarFromZero)), false,
       per_channel(pot({-k30, k30}, HalfUp))},
      {"fpga_int8", pot(kInt8, HalfEven), pot(kInt8, HalfEven), pot(kInt8, HalfEven), false, pot({-k29, k29}, HalfEven)},
      {"tengine_int8", kUint8, kUint8, kUint8, false, {-k29, k29 - 1}},
      {"asc_int8", kUint8Away, per_channel(kInt8Away), kInt8Away, true, kFloat},
      {"rknn_int8", kUint8, kUint8, kUint8, false, {-k29, k29}},
      {"rknn_int8_c", kUint8, per_channel(kNarrow), kUint8, false, per_channel({-k29, k29})},
      {"metax_int8_t", kUint8, kUint8, kUint8, true, kFloat},
      {"metax_int8_c", kNarrow, per_channel(kNarrow), per_channel(kNarrow), false, per_channel({-k29, k29})},
      {"ppl_cuda_int8", kInt8, per_channel(kInt8), per_channel(kInt8), false, per_channel({-k31 + 1, k31 - 1})},
      {"ppl_cuda_int4", {-8, 7}, per_channel({-8, 7}), per_channel({-8, 7}), false, per_channel({-k31 + 1, k31 - 1})},
      {"ppl_dsp_ti_int8", kInt8, per_channel(kInt8), per_channel(kInt8), true, kFloat},
      {"qnn_enpu_int8", kInt8, kInt8, kInt8, false, {-k31, k31 - 1}},
      {"qnn_htp_v85_int8", kUint8, per_channel(kInt8), per_channel(kInt8), false, per_channel({-k31, k31 - 1})},
      {"espdl_int8", espdl8, per_channel(espdl8), per_channel(espdl8), false, per_channel(pot({-k31, k31 - 1}, HalfEven))},
      {"espdl_int16", e16, per_channel(e16), per_channel(e16), false, per_channel(pot({-k30 * 512, k30 * 512 - 1}, HalfEven))},
      {"espdl_s3_int8", s3, s3, s3, false, pot({-k29 / 1024, k29 / 1024 - 1}, HalfUp)},
      {"espdl_s3_int16", s16, s16, s16, false, pot({-k30 * 512, k30 * 512 - 1}, HalfUp)},
      {"espdl_c_int8", s3, s3, s3, false, pot({-k31, k31 - 1}, HalfUp)},
      {"espdl_c_int16", s16, s16, s16, false, pot({-k31 * k31 * 2, k31 * k31 * 2}, HalfUp)},
  };
}

std::unique_ptr<Graph> network() {
  auto graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 15]>
    g (float[1,2,6,6] x, float[2,2,3,3] w, float[2] b, float[32,3] v, float[3] c) => (float[1,3] y) {
      [conv] a = Conv(x, w, b) [flat] f = Flatten(a) [gemm] y = Gemm(f, v, c) })");
  for (const char* name : {"w", "b", "v", "c"}) {
    Value* value = graph->find_value(name);
    std::vector<int64_t> sizes;
    for (const Dim& dim : *value->shape) sizes.push_back(dim.value);
    graph->remove_input(value);
    graph->make_constant(value, at::ones(sizes, at::kFloat));
  }
  return graph;
}

void expect_scheme(const SlotRule* rule, const Scheme& expected, const char* what) {
  SCOPED_TRACE(what);
  ASSERT_NE(rule, nullptr);
  ASSERT_NE(rule->treatment, SlotRule::Treatment::Float);
  const QuantScheme& scheme = rule->scheme;
  EXPECT_EQ(scheme.quant_min, expected.min);
  EXPECT_EQ(scheme.quant_max, expected.max);
  EXPECT_EQ(scheme.symmetric, expected.symmetric);
  EXPECT_EQ(scheme.rounding, expected.rounding);
  EXPECT_EQ(scheme.power_of_two, expected.power_of_two);
  EXPECT_EQ(scheme.granularity, expected.channels ? Granularity::PerChannel : Granularity::PerTensor);
}

TEST(Targets, SchemesOfPpq) {
  const auto graph = network();
  const Node &conv = *graph->find_node("conv"), &gemm = *graph->find_node("gemm");
  for (const Target& target : targets()) {
    SCOPED_TRACE(target.name);
    const PlatformSpec& spec = find_platform(target.name);
    EXPECT_TRUE(spec.computes(conv));
    expect_scheme(spec.rule_for(conv, 0, SlotRole::Data), target.activation, "data");
    expect_scheme(spec.rule_for(conv, 1, SlotRole::Weight), target.conv_weight, "weight of Conv");
    expect_scheme(spec.rule_for(gemm, 1, SlotRole::Weight), target.gemm_weight, "weight of Gemm");
    const SlotRule *bias = spec.rule_for(conv, 2, SlotRole::Bias), *output = spec.rule_for(conv, 0, SlotRole::Output);
    if (target.bias_in_float) {
      EXPECT_TRUE(!bias || bias->treatment == SlotRule::Treatment::Float);
    } else {
      expect_scheme(bias, target.bias, "bias");
      EXPECT_EQ(bias->treatment, SlotRule::Treatment::Passive);
    }
    EXPECT_EQ(!output || output->treatment == SlotRule::Treatment::Float, target.output_of_conv_in_float);
    EXPECT_EQ(spec.rule_for(conv, 1, SlotRole::Bound) != nullptr, std::string(target.name).starts_with("qnn"))
        << "bounds of Clip are left as they are";
  }
}

/// Every row of the table above, and of the tests of table_test.cpp and of FP8 below.
TEST(Targets, EachHasARowHere) {
  std::set<std::string> tested = {"qnn_dsp_int8",  "snpe_int8",    "ppl_dsp_int8", "qnn_htp_int8",
                                  "qnn_htp_a16w8", "ppl_cuda_fp8", "trt_fp8",      "graphcore_fp8"};
  for (const Target& target : targets()) tested.insert(target.name);
  for (const PlatformSpec& spec : platform_table()) EXPECT_TRUE(tested.count(spec.name)) << spec.name;
}

TEST(Targets, Fp8IsE4M3WithPowersOfTwo) {
  const auto graph = network();
  const Node &conv = *graph->find_node("conv"), &flat = *graph->find_node("flat");
  for (const char* name : {"ppl_cuda_fp8", "trt_fp8", "graphcore_fp8"}) {
    SCOPED_TRACE(name);
    const PlatformSpec& spec = find_platform(name);
    const QuantScheme &data = spec.scheme(SlotRole::Data), &weight = spec.scheme(SlotRole::Weight);
    EXPECT_EQ(data.format, NumberFormat::Floating);
    EXPECT_EQ(data.exponent_bits, 4);
    EXPECT_EQ(data.bits, 8);
    EXPECT_EQ(data.quant_max, 448);
    EXPECT_EQ(data.quant_min, -448);
    EXPECT_TRUE(data.power_of_two);
    EXPECT_EQ(data.observer, "floating");
    EXPECT_EQ(weight.granularity, Granularity::PerChannel);
    EXPECT_EQ(weight.exponent_bits, 4);
    EXPECT_EQ(spec.rule_for(conv, 2, SlotRole::Bias), nullptr);
    EXPECT_EQ(spec.rule_for(conv, 0, SlotRole::Output)->treatment == SlotRule::Treatment::Float, std::string(name) == "trt_fp8");
  }
  EXPECT_FALSE(find_platform("trt_fp8").computes(flat));
  EXPECT_TRUE(find_platform("graphcore_fp8").computes(flat));
  EXPECT_EQ(rules::minifloat(5).quant_max, 57344) << "E5M2";
}

/// ncnn: 6 bits where Winograd's method computes, also where the size of the kernel is only in the weight (PPQ fails there).
TEST(Targets, NcnnKnowsWinogradByTheWeight) {
  const PlatformSpec& spec = find_platform("ncnn_int8");
  const auto bits = [&](const std::string& attributes, const std::string& weight) {
    auto graph = read_onnx_text("<ir_version: 8, opset_import: [\"\" : 15]> g (float[1,4,9,9] x, float[" + weight +
                                    "] w) => (float[a,b,c,d] y) { [conv] y = Conv<" + attributes + ">(x, w) }",
                                {.infer_shapes = false, .check = false});
    Value* value = graph->find_value("w");
    std::vector<int64_t> sizes;
    for (const Dim& dim : *value->shape) sizes.push_back(dim.value);
    graph->remove_input(value);
    graph->make_constant(value, at::ones(sizes, at::kFloat));
    return spec.rule_for(*graph->find_node("conv"), 1, SlotRole::Weight)->scheme.bits;
  };
  EXPECT_EQ(bits("group = 1", "4,4,3,3"), 6);
  EXPECT_EQ(bits("strides = [1, 1], dilations = [1, 1]", "4,4,3,3"), 6);
  EXPECT_EQ(bits("strides = [2, 1]", "4,4,3,3"), 8);
  EXPECT_EQ(bits("dilations = [2, 2]", "4,4,3,3"), 8);
  EXPECT_EQ(bits("group = 4", "4,1,3,3"), 8);
  EXPECT_EQ(bits("group = 1", "4,4,1,1"), 8);
  EXPECT_EQ(bits("group = 1", "4,4,3,1"), 8);
}

TEST(Targets, NxpRoundsHalvesDownInWhatComesFromOutside) {
  const auto graph = network();
  const PlatformSpec& spec = find_platform("nxp_int8");
  Node &conv = *graph->find_node("conv"), &gemm = *graph->find_node("gemm"), &flat = *graph->find_node("flat");
  conv.quantized = gemm.quantized = true;
  EXPECT_EQ(spec.rule_for(conv, 0, SlotRole::Data)->scheme.rounding, HalfDown) << "the network's input";
  EXPECT_EQ(spec.rule_for(gemm, 0, SlotRole::Data)->scheme.rounding, HalfDown) << "Flatten is no operation of NXP's list";
  flat.quantized = true;
  EXPECT_EQ(spec.rule_for(gemm, 0, SlotRole::Data)->scheme.rounding, HalfUp);
}

TEST(Targets, WhatTensorrtLeavesInFloat) {
  const auto graph = read_onnx_text(R"(<ir_version: 9, opset_import: ["" : 17]>
    g (float[2,4] x) => (float[2,4] y) <float[4] k = {1, 2, 3, 4}> { [norm] y = LayerNormalization(x, k, k) })");
  const Node& norm = *graph->find_node("norm");
  for (const char* name : {"trt_int8", "openvino_int8"}) {
    const PlatformSpec& spec = find_platform(name);
    EXPECT_TRUE(spec.computes(norm));
    EXPECT_EQ(spec.rule_for(norm, 0, SlotRole::Data)->treatment, SlotRule::Treatment::Quantized);
    EXPECT_EQ(spec.rule_for(norm, 1, SlotRole::Constant)->treatment, SlotRule::Treatment::Float);
    EXPECT_EQ(spec.rule_for(norm, 2, SlotRole::Constant)->treatment, SlotRule::Treatment::Float);
  }
}

TEST(Targets, AscendTakesGemmsThatScaleNothing) {
  const auto graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 15]>
    g (float[2,4] x, float[4,4] v) => (float[2,4] y) { [one] a = Gemm(x, v) [two] y = Gemm<alpha = 2.0>(a, v) })");
  EXPECT_TRUE(find_platform("asc_int8").computes(*graph->find_node("one")));
  EXPECT_FALSE(find_platform("asc_int8").computes(*graph->find_node("two")));
}

TEST(Targets, V85FixesTanhAndRoundsNothingBehindGather) {
  const PlatformSpec& spec = find_platform("qnn_htp_v85_int8");
  Node node("node");
  node.op_type = "Tanh";
  EXPECT_EQ(spec.rule_for(node, 0, SlotRole::Output)->range, (std::pair{-1.0, 1.0}));
  node.op_type = "Softmax";
  EXPECT_EQ(spec.rule_for(node, 0, SlotRole::Output)->range, (std::pair{0.0, 1.0}));
  node.op_type = "Gather";
  EXPECT_EQ(spec.rule_for(node, 0, SlotRole::Output)->treatment, SlotRule::Treatment::Float);
}

/// Mish keeps its inner tensors in float on onnxruntime; alone, Tanh and Softplus are computed in float.
TEST(Targets, OnnxruntimeKnowsMish) {
  const auto graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 15]>
    g (float[2,4] x) => (float[2,4] y, float[2,4] z) {
      [soft] s = Softplus(x) [tanh] t = Tanh(s) [mul] y = Mul(x, t) [alone] z = Tanh(x) })");
  const PlatformSpec& spec = find_platform("onnxruntime");
  EXPECT_TRUE(spec.computes(*graph->find_node("soft")));
  EXPECT_TRUE(spec.computes(*graph->find_node("tanh")));
  EXPECT_FALSE(spec.computes(*graph->find_node("alone")));
}

TEST(Targets, MetaxLeavesTheBiasOfAProductInFloat) {
  const auto graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 15]>
    g (float[2,4] x) => (float[2,4] y) <float[4,4] w = {1,2,3,4,5,6,7,8,1,2,3,4,5,6,7,8}, float[4] k = {1, 2, 3, 4}> {
      [product] p = MatMul(x, w) [bias] a = Add(p, k) [add] y = Add(a, k) })");
  for (const char* name : {"metax_int8_c", "metax_int8_t"}) {
    const PlatformSpec& spec = find_platform(name);
    EXPECT_EQ(spec.rule_for(*graph->find_node("bias"), 1, SlotRole::Constant)->treatment, SlotRule::Treatment::Float);
    EXPECT_EQ(spec.rule_for(*graph->find_node("add"), 1, SlotRole::Constant)->treatment, SlotRule::Treatment::Quantized);
  }
}

TEST(Targets, WeightsPerTensorAreEqualized) {
  for (const char* name : {"rknn_int8", "tengine_int8", "fpga_int8", "metax_int8_t", "espdl_s3_int8", "qnn_enpu_int8"})
    EXPECT_TRUE(QuantizationSettingFactory::setting_for(name).equalization) << name;
  for (const char* name : {"rknn_int8_c", "trt_int8", "ncnn_int8"})
    EXPECT_FALSE(QuantizationSettingFactory::setting_for(name).equalization) << name;
}

}  // namespace
}  // namespace ppq::test
