#include "passes/quantizing.h"

namespace ppq::test {
namespace {

using testing::Contains;
using testing::Not;

std::vector<std::string> pipeline(const QuantizationSetting& setting) {
  return quantization_pipeline(find_platform(TargetPlatform::QNN_DSP_INT8), setting);
}
bool before(const std::vector<std::string>& names, const std::string& a, const std::string& b) {
  const auto x = std::find(names.begin(), names.end(), a), y = std::find(names.begin(), names.end(), b);
  return x != names.end() && y != names.end() && x < y;
}

TEST(QuantizationPipeline, OrderOfTheDefault) {
  const auto names = pipeline({});
  for (const auto& [a, b] : {std::pair{"configure-quantization", "fuse-quantization"},
                             {"fuse-quantization", "simplify-quantization"},
                             {"simplify-quantization", "quantize-parameters"},
                             {"quantize-parameters", "calibrate"},
                             {"calibrate", "choose-observer"},
                             {"choose-observer", "align-quantization"},
                             {"align-quantization", "quantize-passive-parameters"},
                             {"quantize-passive-parameters", "bake-parameters"}})
    EXPECT_TRUE(before(names, a, b)) << a << " before " << b;
  EXPECT_THAT(names, Not(Contains("correct-bias")));
  EXPECT_THAT(names, Not(Contains("equalize-layers")));
}

TEST(QuantizationPipeline, EverySwitchOfTheSettingCounts) {
  struct Case {
    void (*change)(QuantizationSetting&);
    std::vector<const char*> in, out;
  };
  for (const Case& c : std::vector<Case>{
           {[](QuantizationSetting& s) { s.equalization = true; }, {"equalize-layers"}, {}},
           {[](QuantizationSetting& s) { s.bias_correct = true; }, {"correct-bias"}, {}},
           {[](QuantizationSetting& s) { s.fusion = false; },
            {"calibrate"},
            {"fuse-quantization", "simplify-quantization", "align-quantization"}},
           {[](QuantizationSetting& s) { s.fusion_setting.remove_useless_quantization = false; },
            {"fuse-quantization"},
            {"simplify-quantization"}},
           {[](QuantizationSetting& s) { s.fusion_setting.align_quantization = false; }, {"fuse-quantization"}, {"align-quantization"}},
           {[](QuantizationSetting& s) { s.quantize_parameter = false; },
            {"calibrate"},
            {"quantize-parameters", "quantize-passive-parameters", "bake-parameters"}},
           {[](QuantizationSetting& s) { s.quantize_activation = false; }, {"quantize-parameters"}, {"calibrate", "choose-observer"}},
           {[](QuantizationSetting& s) { s.quantize_parameter_setting.quantize_passive_parameter = false; },
            {"bake-parameters"},
            {"quantize-passive-parameters"}},
           {[](QuantizationSetting& s) { s.quantize_parameter_setting.baking_parameter = false; },
            {"quantize-parameters"},
            {"bake-parameters"}},
       }) {
    QuantizationSetting setting;
    c.change(setting);
    for (const char* name : c.in) EXPECT_THAT(pipeline(setting), Contains(name));
    for (const char* name : c.out) EXPECT_THAT(pipeline(setting), Not(Contains(name)));
  }
}

TEST(QuantizationPipeline, TheUserAddsAndRemoves) {
  QuantizationSetting setting;
  setting.extra.passes = {{"correct-bias", true}, {"align-quantization", false}, {"equalize-layers", false}};
  const auto names = pipeline(setting);
  EXPECT_THAT(names, Not(Contains("align-quantization")));
  EXPECT_TRUE(before(names, "choose-observer", "correct-bias")) << "at its place in the usual order";
  EXPECT_TRUE(before(names, "correct-bias", "quantize-passive-parameters"));
  for (bool wanted : {true, false}) {
    setting.extra.passes = {{"corect-bias", wanted}};
    const Error error = thrown([&] { pipeline(setting); });
    EXPECT_EQ(error.kind(), ErrorKind::Usage);
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("'corect-bias'"), HasSubstr("correct-bias")));
  }
}

}  // namespace
}  // namespace ppq::test
