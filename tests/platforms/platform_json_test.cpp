#include "platforms/platform_json.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/file.h"
#include "ppq/error.h"
#include "ppq/graph.h"
#include "ppq/onnx.h"
#include "support/share.h"

namespace ppq::test {
namespace {

using platforms::platform_from_json;
using testing::HasSubstr;

const char* const kExample = R"({
  // An accelerator that no one asked for.
  "name": "my_npu",
  "summary": "my NPU",
  "types": ["Conv", "Relu", "Add", "Gemm"],
  "slots": [
    {"role": "weight", "types": ["Conv"], "when": {"kernel": [3, 3], "stride": 1, "group": 1},
     "bits": 6, "symmetric": true, "narrow": true, "granularity": "per-channel", "rounding": "half-away"},
    {"role": "weight", "bits": 8, "symmetric": true, "granularity": "per-block", "block_size": 32},
    {"role": "bias", "treatment": "passive", "bits": 32},
    {"role": "output", "types": ["Relu"], "range": [0, 6]},
    {"role": "output", "types": ["Gemm"], "treatment": "float"},
    {"role": "output", "bits": 8, "min_range": 1e-4},
    {"role": "data", "signed": true, "bits": 8, "quant_min": -100, "quant_max": 100, "observer": "percentile"},
    {"role": "constant", "format": "minifloat", "exponent_bits": 5, "power_of_two": false}
  ],
  "fused_activations": ["Relu"],
  "composites": ["Gelu"],
  "aligned": {"Add": "elementwise"},
  "setting": "dsp",
  "passes": ["split-gemm"],
  "exporters": ["onnx", "encodings"]
})";

Node node(const char* type) {
  Node node("node");
  node.op_type = type;
  return node;
}

TEST(PlatformJson, SaysWhatRulesSay) {
  const PlatformSpec spec = platform_from_json(kExample, "my.json");
  EXPECT_EQ(spec.name, "my_npu");
  EXPECT_EQ(spec.id, TargetPlatform::EXTENSION);
  EXPECT_EQ(spec.source, "my.json");
  EXPECT_EQ(spec.summary, "my NPU");
  EXPECT_EQ(spec.quant_types, (std::set<std::string>{"Conv", "Relu", "Add", "Gemm"}));
  const QuantScheme& weight = spec.rule_for(node("Gemm"), 1, SlotRole::Weight)->scheme;
  EXPECT_EQ(weight.granularity, Granularity::PerBlock);
  EXPECT_EQ(weight.block_size, 32);
  EXPECT_EQ(weight.quant_min, -128);
  const SlotRule& bias = *spec.rule_for(node("Conv"), 2, SlotRole::Bias);
  EXPECT_EQ(bias.treatment, SlotRule::Treatment::Passive);
  EXPECT_FALSE(bias.exported);
  EXPECT_EQ(bias.scheme.quant_max, 2147483647);
  EXPECT_TRUE(bias.scheme.symmetric);
  EXPECT_EQ(spec.rule_for(node("Relu"), 0, SlotRole::Output)->range, (std::pair{0.0, 6.0}));
  EXPECT_EQ(spec.rule_for(node("Gemm"), 0, SlotRole::Output)->treatment, SlotRule::Treatment::Float);
  EXPECT_EQ(spec.rule_for(node("Add"), 0, SlotRole::Output)->scheme.min_range, 1e-4);
  const QuantScheme& data = spec.rule_for(node("Add"), 0, SlotRole::Data)->scheme;
  EXPECT_EQ(data.quant_min, -100);
  EXPECT_EQ(data.quant_max, 100);
  EXPECT_FALSE(data.symmetric);
  EXPECT_EQ(data.observer, "percentile");
  const QuantScheme& constant = spec.rule_for(node("Add"), 1, SlotRole::Constant)->scheme;
  EXPECT_EQ(constant.format, NumberFormat::Floating);
  EXPECT_EQ(constant.exponent_bits, 5);
  EXPECT_EQ(constant.quant_max, 57344);
  EXPECT_FALSE(constant.power_of_two);
  EXPECT_EQ(spec.rule_for(node("Clip"), 1, SlotRole::Bound), nullptr);
  EXPECT_EQ(spec.fusion.activations, (std::set<std::string>{"Relu"}));
  EXPECT_EQ(spec.fusion.composites, (std::set<std::string>{"Gelu"}));
  EXPECT_EQ(spec.fusion.aligned.size(), 1u);
  EXPECT_EQ(spec.default_setting, "dsp");
  ASSERT_EQ(spec.passes.size(), 1u);
  EXPECT_EQ(spec.passes[0].name, "split-gemm");
  EXPECT_EQ(spec.exporters, (std::vector<std::string>{"onnx", "encodings"}));
}

/// A Conv of 4 input channels.
const QuantScheme& scheme_of_conv(const PlatformSpec& spec, const std::string& attributes, std::vector<int64_t> sizes) {
  const auto graph = read_onnx_text(
      "<ir_version: 8, opset_import: [\"\" : 15]> g (float[1,4,9,9] x, float[a,b,c,d] w) => (float[e,f,g,h] y) { [conv] y = Conv" +
          attributes + "(x, w) }",
      {.infer_shapes = false, .check = false});
  Value* value = graph->find_value("w");
  graph->remove_input(value);
  graph->make_constant(value, at::ones(sizes));
  return spec.rule_for(*graph->find_node("conv"), 1, SlotRole::Weight)->scheme;
}

TEST(PlatformJson, WordsOfAScheme) {
  const PlatformSpec spec = platform_from_json(kExample, "my.json");
  const QuantScheme& winograd = scheme_of_conv(spec, "", {4, 4, 3, 3});
  EXPECT_EQ(winograd.quant_min, -31) << "narrow";
  EXPECT_EQ(winograd.quant_max, 31);
  EXPECT_EQ(winograd.rounding, Rounding::HalfFarFromZero);
  EXPECT_EQ(winograd.granularity, Granularity::PerChannel);
  const PlatformSpec other = platform_from_json(
      R"({"name": "n", "types": ["Conv"], "slots": [{"role": "data", "symmetric": true, "power_of_two": true, "bits": 5},
          {"role": "output", "treatment": "quantized", "exported": false}]})",
      "my.json");
  EXPECT_TRUE(other.scheme(SlotRole::Data).power_of_two);
  EXPECT_EQ(other.scheme(SlotRole::Data).quant_min, -16);
  EXPECT_FALSE(other.rule_for(node("Conv"), 0, SlotRole::Output)->exported);
}

TEST(PlatformJson, ConditionsOfDilationAndDepth) {
  const auto bits = [](const std::string& when, const std::string& attributes, std::vector<int64_t> sizes) {
    const PlatformSpec spec = platform_from_json(
        R"({"name": "n", "types": ["Conv"], "slots": [{"role": "weight", "bits": 4, "when": )" + when + R"(}, {"role": "weight"}]})",
        "my.json");
    return scheme_of_conv(spec, attributes, std::move(sizes)).bits;
  };
  EXPECT_EQ(bits(R"({"dilation": 2})", "<dilations = [2, 2]>", {4, 4, 3, 3}), 4);
  EXPECT_EQ(bits(R"({"dilation": 2})", "<dilations = [2, 1]>", {4, 4, 3, 3}), 8);
  EXPECT_EQ(bits(R"({"dilation": 1})", "", {4, 4, 3, 3}), 4) << "1 where it is not said";
  EXPECT_EQ(bits(R"({"depthwise": true})", "<group = 4>", {4, 1, 3, 3}), 4);
  EXPECT_EQ(bits(R"({"depthwise": true})", "", {4, 4, 3, 3}), 8);
  EXPECT_EQ(bits(R"({"depthwise": false})", "<group = 4>", {4, 1, 3, 3}), 8);
  EXPECT_EQ(bits(R"({"depthwise": false})", "<group = 2>", {4, 2, 3, 3}), 4);
}

TEST(PlatformJson, ConditionsOnAConv) {
  const PlatformSpec spec = platform_from_json(kExample, "my.json");
  const auto bits = [&](const std::string& attributes, std::vector<int64_t> sizes) {
    return scheme_of_conv(spec, attributes, std::move(sizes)).bits;
  };
  EXPECT_EQ(bits("", {4, 4, 3, 3}), 6);
  EXPECT_EQ(bits("<strides = [1, 1]>", {4, 4, 3, 3}), 6);
  EXPECT_EQ(bits("<dilations = [2, 2]>", {4, 4, 3, 3}), 6) << "nothing is said of it";
  EXPECT_EQ(bits("<strides = [2, 1]>", {4, 4, 3, 3}), 8);
  EXPECT_EQ(bits("<group = 4>", {4, 1, 3, 3}), 8);
  EXPECT_EQ(bits("", {4, 4, 5, 5}), 8);
}

TEST(PlatformJson, LikeAPlatform) {
  const PlatformSpec spec = platform_from_json(R"({"name": "wide", "like": "qnn_htp_int8", "less_types": ["Gather"],
    "more_types": ["Erf"], "slots": [{"role": "weight", "types": ["Gemm"], "bits": 4, "symmetric": true}]})",
                                               "my.json");
  const PlatformSpec& htp = find_platform("qnn_htp_int8");
  EXPECT_EQ(spec.name, "wide");
  EXPECT_TRUE(spec.aliases.empty());
  EXPECT_TRUE(spec.quant_types.count("Erf"));
  EXPECT_FALSE(spec.quant_types.count("Gather"));
  EXPECT_EQ(spec.quant_types.size(), htp.quant_types.size());
  EXPECT_EQ(spec.rule_for(node("Gemm"), 1, SlotRole::Weight)->scheme.bits, 4);
  EXPECT_EQ(spec.rule_for(node("Conv"), 1, SlotRole::Weight)->scheme, htp.rule_for(node("Conv"), 1, SlotRole::Weight)->scheme);
  EXPECT_EQ(spec.exporters, htp.exporters);
  EXPECT_TRUE(spec.adjust_setting);
}

std::string error_of(const std::string& text) {
  try {
    platform_from_json(text, "my.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Usage);
    EXPECT_EQ(error.where(), "my.json");
    return error.problem();
  }
  return "no error";
}

std::string with_slot(const std::string& slot) { return R"({"name": "n", "types": ["Conv"], "slots": [{"role": "data"}, )" + slot + "]}"; }

TEST(PlatformJson, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(error_of("{"), "is no JSON");
  EXPECT_THAT(error_of("[]"), HasSubstr("got [], expected an object"));
  EXPECT_THAT(error_of("{}"), testing::AllOf(HasSubstr("name: missing"), HasSubstr("slots: missing"), HasSubstr("types: nothing")));
  EXPECT_THAT(error_of(R"({"name": "a b", "like": "qnn"})"), HasSubstr("name: got 'a b'"));
  EXPECT_THAT(error_of(R"({"name": "n", "like": "qnn_htp_int9"})"), HasSubstr("like: unknown platform: got 'qnn_htp_int9'"));
  EXPECT_THAT(error_of(R"({"name": "n", "like": "other.json"})"), HasSubstr("like: got 'other.json'"));
  EXPECT_THAT(error_of(R"({"name": "n", "like": "qnn", "typs": []})"), HasSubstr("typs: no such key, did you mean types"));
  EXPECT_THAT(error_of(R"({"name": "n", "like": "qnn", "types": [1]})"), HasSubstr("types: got [1], expected a list of words"));
  EXPECT_THAT(error_of(R"({"name": "n", "like": "qnn", "less_types": ["Erf"]})"), HasSubstr("less_types: 'Erf'"));
  EXPECT_THAT(error_of(R"({"name": "n", "like": "qnn", "aligned": {"Add": "elementwize"}})"), HasSubstr("aligned.Add: got 'elementwize'"));
  EXPECT_THAT(error_of(R"({"name": "n", "like": "qnn", "composites": ["LayerNorm"]})"),
              HasSubstr("composites: got 'LayerNorm', expected LayerNormalization"));
  EXPECT_THAT(error_of(with_slot("3")), HasSubstr("slots[1]: got 3, expected an object"));
  EXPECT_THAT(error_of(with_slot("{}")), HasSubstr("slots[1].role: missing"));
  EXPECT_THAT(error_of(with_slot(R"({"role": "weigth"})")), HasSubstr("slots[1].role: got 'weigth', did you mean weight"));
  EXPECT_THAT(error_of(with_slot(R"({"role": "data", "bits": 1})")), HasSubstr("slots[1].bits: got 1"));
  EXPECT_THAT(error_of(with_slot(R"({"role": "data", "bits": 7.5})")), HasSubstr("slots[1].bits: got 7.5"));
  EXPECT_THAT(error_of(with_slot(R"({"role": "data", "bits": 17})")), HasSubstr("slots[1].bits: got 17"));
  EXPECT_THAT(error_of(with_slot(R"({"role": "data", "narrow": true})")), HasSubstr("slots[1].narrow"));
  EXPECT_THAT(error_of(with_slot(R"({"role": "data", "quant_max": 300})")), HasSubstr("slots[1].quant_min: got 0 to 300"));
  EXPECT_THAT(error_of(with_slot(R"({"role": "data", "granularity": "per-channel"})")), HasSubstr("slots[1].granularity: scales of"));
  EXPECT_THAT(error_of(with_slot(R"({"role": "weight", "granularity": "per-block"})")), HasSubstr("slots[1].block_size: goes with"));
  EXPECT_THAT(error_of(with_slot(R"({"role": "weight", "rounding": "up-half"})")), HasSubstr("slots[1].rounding: got 'up-half'"));
  EXPECT_THAT(error_of(with_slot(R"({"role": "data", "observer": "floating"})")),
              HasSubstr("slots[1].observer: observer floating serves minifloats only"));
  EXPECT_THAT(error_of(with_slot(R"({"role": "data", "range": [1, 0]})")), HasSubstr("slots[1].range: got [1,0]"));
  EXPECT_THAT(error_of(with_slot(R"({"role": "data", "min_range": -1})")), HasSubstr("slots[1].min_range"));
  EXPECT_THAT(error_of(with_slot(R"({"role": "weight", "when": {"kernel": [0]}})")), HasSubstr("slots[1].when.kernel: got [0]"));
  EXPECT_THAT(error_of(with_slot(R"({"role": "weight", "when": {"strides": 1}})")), HasSubstr("slots[1].when.strides: no such key"));
}

/// The example of the documentation is one.
TEST(PlatformJson, TheExampleOfTheDocumentation) {
  const std::string page = read_file(PPQ_SOURCE_DIR "/docs/platforms.md");
  const size_t begin = page.find("```json\n") + 8, end = page.find("```", begin);
  ASSERT_NE(end, std::string::npos);
  const PlatformSpec spec = platform_from_json(page.substr(begin, end - begin), "docs/platforms.md");
  EXPECT_EQ(spec.name, "my_npu");
  EXPECT_EQ(spec.rule_for(node("Conv"), 1, SlotRole::Weight)->scheme.granularity, Granularity::PerChannel);
}

TEST(PlatformJson, FoundByItsPath) {
  const std::string folder = temporary_dir("platform_json"), path = folder + "/my.json";
  write_file(path, kExample);
  const PlatformSpec& first = find_platform(path);
  EXPECT_EQ(first.name, "my_npu");
  EXPECT_EQ(&find_platform(path), &first);
  write_file(path, R"({"name": "other", "like": "qnn"})");
  EXPECT_EQ(find_platform(path).name, "other") << "the file has changed";
  EXPECT_EQ(first.name, "my_npu") << "what was read stays";
  EXPECT_THROW(find_platform(folder + "/none.json"), Error);
}

}  // namespace
}  // namespace ppq::test
