#include "ppq/platform.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exporters/exporter.h"
#include "ppq/error.h"
#include "ppq/setting.h"

namespace ppq {
namespace {

TEST(PlatformTable, FindsByNameAliasAndAnySpelling) {
  EXPECT_EQ(find_platform("qnn_dsp_int8").id, TargetPlatform::QNN_DSP_INT8);
  EXPECT_EQ(find_platform("QNN_DSP_INT8").id, TargetPlatform::QNN_DSP_INT8);
  EXPECT_EQ(find_platform("Qnn-Dsp-Int8").id, TargetPlatform::QNN_DSP_INT8);
  EXPECT_EQ(find_platform("snpe").id, TargetPlatform::SNPE_INT8);
  EXPECT_EQ(find_platform(TargetPlatform::PPL_DSP_INT8).name, "ppl_dsp_int8");
}

TEST(PlatformTable, TypoNamesCandidates) {
  try {
    find_platform("qnn_dps_int8");
    FAIL() << "a typo was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Usage);
    EXPECT_THAT(error.what(), testing::HasSubstr("qnn_dps_int8"));
    EXPECT_THAT(error.hint(), testing::HasSubstr("qnn_dsp_int8"));
  }
}

TEST(PlatformTable, TargetsOfPpqWithoutRulesAreUnsupported) {
  for (const char* name : {"PPL_CUDA_MIX", "hexagon_int8"}) {
    try {
      find_platform(name);
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::Unsupported) << name;
    }
  }
  EXPECT_THROW(find_platform(TargetPlatform::HOST_INT8), Error);
}

TEST(PlatformTable, EveryRowNamesWhatExists) {
  std::set<std::string> words;
  std::set<int> ids;
  for (const auto& spec : platform_table()) {
    SCOPED_TRACE(spec.name);
    EXPECT_TRUE(words.insert(spec.name).second);
    for (const auto& alias : spec.aliases) EXPECT_TRUE(words.insert(alias).second) << alias;
    EXPECT_TRUE(ids.insert(static_cast<int>(spec.id)).second);
    EXPECT_FALSE(spec.summary.empty());
    EXPECT_EQ(parse_target_platform(spec.name), spec.id);
    for (const auto& exporter : spec.exporters) EXPECT_NO_THROW(find_exporter(exporter)) << exporter;
    EXPECT_NO_THROW(QuantizationSettingFactory::by_name(spec.default_setting));
  }
}

TEST(TargetPlatforms, NumbersOfPpq) {
  EXPECT_EQ(static_cast<int>(*parse_target_platform("trt_int8")), 101);
  EXPECT_EQ(static_cast<int>(*parse_target_platform("QNN-DSP-INT8")), 304);
  EXPECT_EQ(static_cast<int>(*parse_target_platform("SOI")), -1);
  EXPECT_EQ(static_cast<int>(*parse_target_platform("extension")), -10086);
  EXPECT_FALSE(parse_target_platform("qnn").has_value());
  EXPECT_EQ(name_of(TargetPlatform::METAX_INT8_T), "METAX_INT8_T");
  EXPECT_EQ(name_of(static_cast<TargetPlatform>(12345)), "12345");
}

Node node(const char* type) {
  Node node("node");
  node.op_type = type;
  return node;
}

/// The activation, weight and bias rules of PPQ's DSP quantizer, which its three DSP targets share.
class DspPlatform : public testing::TestWithParam<const char*> {};

TEST_P(DspPlatform, Schemes) {
  const auto& spec = find_platform(GetParam());
  for (SlotRole role : {SlotRole::Data, SlotRole::Output, SlotRole::Constant, SlotRole::Bound, SlotRole::Weight}) {
    const QuantScheme* scheme = &spec.scheme(role);
    EXPECT_EQ(scheme->bits, 8);
    EXPECT_EQ(scheme->quant_min, 0);
    EXPECT_EQ(scheme->quant_max, 255);
    EXPECT_FALSE(scheme->symmetric);
    EXPECT_FALSE(scheme->power_of_two);
    EXPECT_EQ(scheme->granularity, Granularity::PerTensor);
    EXPECT_EQ(scheme->rounding, Rounding::HalfEven);
  }
  EXPECT_EQ(spec.scheme(SlotRole::Data).min_range, 1e-4);
  EXPECT_EQ(spec.scheme(SlotRole::Weight).min_range, 0);
  EXPECT_FALSE(spec.weights_per_channel());
  const Node conv = node("Conv"), sigmoid = node("Sigmoid"), softmax = node("Softmax"), clip = node("Clip");
  const SlotRule* bias = spec.rule_for(conv, 2, SlotRole::Bias);
  ASSERT_NE(bias, nullptr);
  EXPECT_EQ(bias->treatment, SlotRule::Treatment::Passive);
  EXPECT_FALSE(bias->exported);
  EXPECT_EQ(bias->scheme.bits, 30);
  EXPECT_EQ(bias->scheme.quant_min, -536870912);
  EXPECT_EQ(bias->scheme.quant_max, 536870911);
  EXPECT_TRUE(bias->scheme.symmetric);
  EXPECT_EQ(spec.rule_for(clip, 1, SlotRole::Bound)->treatment, SlotRule::Treatment::Passive);
  EXPECT_FALSE(spec.rule_for(clip, 1, SlotRole::Bound)->exported);
  EXPECT_EQ(spec.fusion.activations, (std::set<std::string>{"Relu", "Clip"}));
  EXPECT_EQ(spec.rule_for(sigmoid, 0, SlotRole::Output)->range, std::make_pair(0.0, 1.0));
  EXPECT_EQ(spec.rule_for(softmax, 0, SlotRole::Output)->range, std::make_pair(0.0, 1.0));
  EXPECT_FALSE(spec.rule_for(conv, 0, SlotRole::Output)->range);
}

TEST_P(DspPlatform, OperatorTypes) {
  const auto& types = find_platform(GetParam()).quant_types;
  for (const char* type : {"Conv",
                           "ConvTranspose",
                           "Gemm",
                           "Relu",
                           "PRelu",
                           "Clip",
                           "Pad",
                           "Resize",
                           "MaxPool",
                           "AveragePool",
                           "GlobalMaxPool",
                           "GlobalAveragePool",
                           "Softmax",
                           "Mul",
                           "Add",
                           "Max",
                           "Sub",
                           "Div",
                           "Reshape",
                           "LeakyRelu",
                           "Concat",
                           "Sigmoid",
                           "Slice",
                           "Interp",
                           "ReduceMean",
                           "Flatten",
                           "Scale",
                           "MatMul",
                           "Transpose",
                           "Split",
                           "Squeeze",
                           "Unsqueeze",
                           "HardSwish",
                           "HardSigmoid",
                           "Tanh",
                           "BatchNormalization",
                           "LayerNormalization",
                           "Gelu",
                           "DepthToSpace",
                           "Gather",
                           "InstanceNormalization"}) {
    EXPECT_TRUE(types.count(type)) << type;
  }
  for (const char* type : {"Shape", "TopK", "NonMaxSuppression", "Cast", "Pow", "ConstantOfShape"}) {
    EXPECT_FALSE(types.count(type)) << type;
  }
}

INSTANTIATE_TEST_SUITE_P(Hexagon, DspPlatform, testing::Values("qnn_dsp_int8", "snpe_int8", "ppl_dsp_int8"));

TEST(PlatformSettings, OnlyHexagonLeavesTheOperandsOfAddAlone) {
  EXPECT_EQ(QuantizationSettingFactory::setting_for("qnn_htp_int8").fusion_setting.align_elementwise_to, "None");
  PlatformSpec other;
  const QuantizationSetting setting = QuantizationSettingFactory::setting_for(other);
  EXPECT_EQ(setting.fusion_setting.align_elementwise_to, "Align to Large") << "PPQ's default";
  EXPECT_TRUE(setting.bias_correct);
}

TEST(HtpPlatform, SymmetricWeightsPerChannel) {
  for (const char* name : {"qnn_htp_int8", "qnn_htp_a16w8"}) {
    const auto& spec = find_platform(name);
    EXPECT_TRUE(spec.weights_per_channel());
    const QuantScheme &weight = spec.scheme(SlotRole::Weight), &activation = spec.scheme(SlotRole::Data);
    EXPECT_EQ(weight.granularity, Granularity::PerChannel);
    EXPECT_TRUE(weight.symmetric);
    EXPECT_EQ(weight.quant_min, -128);
    EXPECT_EQ(weight.quant_max, 127);
    EXPECT_EQ(spec.scheme(SlotRole::Bias).bits, 32);
    EXPECT_FALSE(activation.symmetric);
    EXPECT_EQ(activation.quant_min, 0);
  }
  EXPECT_EQ(find_platform("qnn_htp_int8").scheme(SlotRole::Data).quant_max, 255);
  EXPECT_EQ(find_platform("qnn_htp_a16w8").scheme(SlotRole::Data).quant_max, 65535);
  EXPECT_EQ(find_platform("qnn_htp_a16w8").scheme(SlotRole::Output).bits, 16);
}

}  // namespace
}  // namespace ppq
