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

/// A target with passes of its own; "mine" and "also-mine" stand in for them.
PlatformSpec with_own_passes() {
  PlatformSpec platform = find_platform(TargetPlatform::QNN_DSP_INT8);
  auto make = [] { return make_pass("remove-dead-code"); };
  platform.passes = {{"at-the-end", "", make}, {"mine", "calibrate", make}, {"also-mine", "calibrate", make}, {"absorb-high-bias"}};
  return platform;
}

TEST(QuantizationPipeline, HoldsTheTargetsOwnPassesAtTheirPlaces) {
  const auto names = quantization_pipeline(with_own_passes(), {});
  const auto calibrate = std::find(names.begin(), names.end(), "calibrate");
  ASSERT_GE(calibrate - names.begin(), 2);
  EXPECT_EQ(*(calibrate - 1), "also-mine");
  EXPECT_EQ(*(calibrate - 2), "mine");
  EXPECT_EQ(names.back(), "at-the-end");
  EXPECT_EQ(names.front(), "raise-small-ranges");
  EXPECT_EQ(names[1], "absorb-high-bias") << "a pass of the table stands at its usual place";
  EXPECT_THAT(pipeline({}), Not(Contains("mine"))) << "other targets have none";
}

TEST(QuantizationPipeline, OwnPassesKeepTheirPlaceWhereTheirNeighbourIsAbsent) {
  QuantizationSetting setting;
  setting.quantize_activation = false;
  setting.bias_correct = true;
  const auto names = quantization_pipeline(with_own_passes(), setting);
  EXPECT_THAT(names, Not(Contains("calibrate")));
  EXPECT_TRUE(before(names, "quantize-parameters", "mine"));
  EXPECT_TRUE(before(names, "mine", "align-quantization"));
}

TEST(QuantizationPipeline, OwnPassesCanBeTakenAway) {
  QuantizationSetting setting;
  setting.extra.passes = {{"mine", false}, {"absorb-high-bias", false}, {"equalize-ssd", true}};
  const auto names = quantization_pipeline(with_own_passes(), setting);
  EXPECT_THAT(names, Not(Contains("mine")));
  EXPECT_THAT(names, Not(Contains("absorb-high-bias")));
  EXPECT_THAT(names, Contains("also-mine"));
  EXPECT_EQ(names[1], "equalize-ssd");
  EXPECT_EQ(thrown([&] { pipeline(setting); }).kind(), ErrorKind::Usage) << "another target does not know the name";
}

TEST(QuantizationPipeline, APlaceThatDoesNotExistIsABugOfTheTarget) {
  PlatformSpec platform = with_own_passes();
  platform.passes[1].before = "calibrat";
  EXPECT_EQ(thrown([&] { quantization_pipeline(platform, {}); }).kind(), ErrorKind::Internal);
}

}  // namespace
}  // namespace ppq::test
