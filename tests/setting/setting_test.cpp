#include "ppq/setting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include "ppq/error.h"

namespace ppq {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using Factory = QuantizationSettingFactory;

/// What PPQ 0.6.6 writes for its default setting, typed from the description of the format (explanatory texts left out).
constexpr const char* kPpqDefault = R"json({
    "bias_correct": false,
    "bias_correct_setting": {
        "block_size": 4,
        "collecting_device": "executor",
        "interested_layers": [],
        "steps": 32
    },
    "blockwise_reconstruction": false,
    "blockwise_reconstruction_setting": {
        "block_size": 4,
        "collecting_device": "cuda",
        "gamma": 1.0,
        "interested_layers": [],
        "is_scale_trainable": false,
        "lr": 0.001,
        "steps": 5000
    },
    "channel_split": false,
    "channel_split_setting": {
        "act_multiplier": 0.5,
        "bias_multiplier": 0.5,
        "including_act": false,
        "including_bias": false,
        "iterations": 10,
        "opt_level": 1,
        "value_threshold": 0.5
    },
    "dispatcher": "conservative",
    "dispatching_table": {
        "attention": "…",
        "dispatchings": {
            "DSP INT8 OPERATION NAME": 301,
            "FP32 OPERATION NAME": 0,
            "NXP INT8 OPERATION NAME": 501,
            "PPL INT8 OPERATION NAME": 201,
            "SOI OPERATION NAME": -1,
            "TRT INT8 OPERATION NAME": 101,
            "YOUR OEPRATION NAME": "TARGET PLATFORM(INT)"
        },
        "intro_0": "…",
        "intro_1": "…",
        "intro_2": "…"
    },
    "equalization": false,
    "equalization_setting": {
        "act_multiplier": 0.5,
        "bias_multiplier": 0.5,
        "including_act": false,
        "including_bias": false,
        "iterations": 10,
        "opt_level": 1,
        "value_threshold": 0.5
    },
    "extension": false,
    "extension_setting": {
        "my_first_parameter": "…"
    },
    "fusion": true,
    "fusion_setting": {
        "align_avgpooling_to": "None",
        "align_concat_to": "Align to Output",
        "align_elementwise_to": "Align to Large",
        "align_quantization": true,
        "align_resize_to": "Align to Output",
        "force_alignment_overlap": true,
        "fuse_activation": true,
        "fuse_passive_op": true,
        "remove_useless_quantization": true
    },
    "graph_format_setting": {
        "delete_isolate": true,
        "format_cast": true,
        "format_constant_op": true,
        "format_paramters": true,
        "fuse_conv_bn": true
    },
    "lsq_optimization": false,
    "lsq_optimization_setting": {
        "block_size": 4,
        "collecting_device": "cuda",
        "gamma": 0.0,
        "interested_layers": [],
        "is_scale_trainable": true,
        "lr": 1e-05,
        "steps": 500
    },
    "matrix_factorization": false,
    "matrix_factorization_setting": {
        "interested_layers": [],
        "method": "svd"
    },
    "quantize_activation": true,
    "quantize_activation_setting": {
        "calib_algorithm": null
    },
    "quantize_parameter": true,
    "quantize_parameter_setting": {
        "baking_parameter": true,
        "calib_algorithm": null,
        "quantize_passive_parameter": true
    },
    "signature": "PPL Quantization Tool",
    "ssd_equalization": false,
    "ssd_setting": {
        "channel_ratio": 0.5,
        "iteration": 3,
        "layer_norm": false,
        "loss_threshold": 0.8,
        "opt_level": 1
    },
    "version": "0.6.6",
    "weight_split": false,
    "weight_split_setting": {
        "interested_layers": [],
        "method": "balance",
        "value_threshold": 2.0
    }
})json";

/// Removes the lines of one top-level object of an indented document, and replaces explanatory texts by "…".
std::string comparable(const std::string& text, const std::string& removed_key) {
  std::string out;
  bool skipping = false;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    if (end == std::string::npos) end = text.size();
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.starts_with("    \"" + removed_key + "\"")) skipping = true;
    const bool last = skipping && line.starts_with("    }");
    if (!skipping) {
      for (const char* key : {"\"intro_", "\"attention\"", "\"my_first_parameter\""}) {
        const size_t at = line.find(key);
        if (at == std::string::npos) continue;
        const size_t colon = line.find("\": \"", at);
        line = line.substr(0, colon + 4) + "…\"" + (line.ends_with(",") ? "," : "");
      }
      out += (out.empty() ? "" : "\n") + line;
    }
    if (last) skipping = false;
  }
  return out;
}

TEST(SettingJson, DefaultIsPpqsDocumentByteForByte) {
  EXPECT_EQ(comparable(Factory::default_setting().to_json(), "ppq_torch"), kPpqDefault);
}

/// Its rows of examples, whose platform is a text, included.
TEST(SettingJson, PpqsDocumentLoadsWithoutAWord) {
  for (const bool changed : {false, true}) {
    json document = json::parse(kPpqDefault);
    QuantizationSetting expected;
    if (changed) {
      document["fusion_setting"]["align_concat_to"] = "Align to Large";
      document["dispatching_table"]["dispatchings"]["Conv_0"] = 0;
      document["lsq_optimization_setting"]["lr"] = 2;  // as Python writes a whole number
      expected.fusion_setting.align_concat_to = "Align to Large";
      expected.dispatching_table["Conv_0"] = 0;
      expected.lsq_optimization_setting.lr = 2;
    }
    std::vector<std::string> warnings;
    EXPECT_EQ(QuantizationSetting::from_json(document.dump(), &warnings), expected);
    EXPECT_THAT(warnings, ElementsAre());
  }
}

TEST(SettingJson, OurAdditionsAreUnderOneKey) {
  const json document = json::parse(Factory::default_setting().to_json());
  json expected = json::parse(kPpqDefault);
  std::vector<std::string> extra;
  for (const auto& [key, value] : document.items()) {
    if (!expected.contains(key)) extra.push_back(key);
  }
  EXPECT_THAT(extra, ElementsAre("ppq_torch"));
}

TEST(SettingJson, FloatsAreWrittenAsPythonDoes) {
  QuantizationSetting setting;
  for (const auto& [value, text] : std::vector<std::pair<double, std::string>>{
           {3e-5, "3e-05"}, {1e-4, "0.0001"}, {0.1, "0.1"}, {2.5e-7, "2.5e-07"}, {1234.5, "1234.5"}, {2, "2.0"}}) {
    setting.lsq_optimization_setting.lr = value;
    EXPECT_THAT(setting.to_json(), HasSubstr("\"lr\": " + text + ",")) << value;
  }
}

TEST(SettingJson, EveryFactoryComesBack) {
  for (const auto& name : Factory::names()) {
    std::vector<std::string> warnings;
    const auto setting = Factory::by_name(name);
    EXPECT_EQ(QuantizationSetting::from_json(setting.to_json(), &warnings), setting) << name;
    EXPECT_THAT(warnings, ElementsAre()) << name;
  }
}

TEST(SettingJson, EveryFieldComesBack) {
  // Change every plain field of the document to another legal value; reading and writing must give that very document.
  json document = json::parse(Factory::default_setting().to_json());
  document["dispatcher"] = "allin";
  document["ssd_setting"]["channel_ratio"] = 0.25;
  document["weight_split_setting"]["method"] = "random";
  document["weight_split_setting"]["interested_layers"] = {"fc1"};
  document["quantize_activation_setting"]["calib_algorithm"] = "kl";
  document["fusion_setting"]["align_concat_to"] = "Align to Large";
  document["dispatching_table"]["dispatchings"]["conv é"] = 0;
  document["ppq_torch"]["passes"] = {{"fuse-batch-norm", false}};
  document["ppq_torch"]["bits"] = {{"MatMul", 16}};
  document["ppq_torch"]["keep_float"] = {"Softmax"};
  for (auto& [key, value] : document.items()) {
    if (value.is_boolean()) value = !value.get<bool>();
    if (!value.is_object()) continue;
    for (auto& [inner, item] : value.items()) {
      if (item.is_boolean()) item = !item.get<bool>();
      if (item.is_number_integer() && inner != "opt_level") item = item.get<int>() + 1;
    }
  }
  EXPECT_EQ(json::parse(QuantizationSetting::from_json(document.dump()).to_json()), document);
}

TEST(SettingJson, MissingKeysKeepDefaults) {
  std::vector<std::string> warnings;
  const auto setting = QuantizationSetting::from_json(R"({"equalization": true, "lsq_optimization_setting": {"lr": 3}})", &warnings);
  QuantizationSetting expected;
  expected.equalization = true;
  expected.lsq_optimization_setting.lr = 3;
  EXPECT_EQ(setting, expected);
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("version")));
}

TEST(SettingJson, UnknownKeysAreWarningsWithNearestNames) {
  std::vector<std::string> warnings;
  const auto setting = QuantizationSetting::from_json(
      R"({"version": "0.6.6", "equalisation": true, "fusion_setting": {"align_conct_to": "None"}, "zzzzzzzz": 1})", &warnings);
  EXPECT_EQ(setting, QuantizationSetting());
  ASSERT_EQ(warnings.size(), 3u);
  EXPECT_THAT(warnings, testing::Contains(testing::AllOf(HasSubstr("$.equalisation"), HasSubstr("did you mean equalization"))));
  EXPECT_THAT(warnings, testing::Contains(testing::AllOf(HasSubstr("$.fusion_setting.align_conct_to"), HasSubstr("align_concat_to"))));
  EXPECT_THAT(warnings, testing::Contains(testing::AllOf(HasSubstr("$.zzzzzzzz"), testing::Not(HasSubstr("did you mean")))));
}

TEST(SettingJson, EveryWrongValueIsListedWithItsPath) {
  try {
    QuantizationSetting::from_json(R"({
      "dispatcher": "conservatve", "fusion": 1, "equalization_setting": {"iterations": 2.5, "opt_level": 3},
      "lsq_optimization_setting": {"interested_layers": ["a", 2], "lr": "fast", "block_size": 0},
      "bias_correct_setting": [], "fusion_setting": {"align_elementwise_to": "align to large"},
      "dispatching_table": {"dispatchings": {"conv": "QNN_DPS_INT8", "fc": 77, "pool": 1.5}},
      "ppq_torch": {"bits": {"a": 1}}})");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Usage);
    const std::string text = error.what();
    for (const char* part :
         {"13 wrong values", "$.dispatcher: got \"conservatve\"", "did you mean 'conservative'", "$.fusion: got 1, expected true or false",
          "$.equalization_setting.iterations: got 2.5, expected a whole number", "$.equalization_setting.opt_level: got 3, expected 1 to 2",
          "$.lsq_optimization_setting.interested_layers[1]: got 2", "$.lsq_optimization_setting.lr: got \"fast\"",
          "$.lsq_optimization_setting.block_size: got 0, expected at least 1", "$.bias_correct_setting: got [], expected an object",
          "$.fusion_setting.align_elementwise_to", "$.dispatching_table.dispatchings.conv", "QNN_DSP_INT8",
          "$.dispatching_table.dispatchings.fc: got 77", "$.dispatching_table.dispatchings.pool", "$.ppq_torch.bits.a: got 1"}) {
      EXPECT_THAT(text, HasSubstr(part));
    }
  }
}

TEST(SettingJson, BrokenDocuments) {
  for (const char* text : {"", "{", "[]", "null", "{\"fusion\": tru}"}) {
    EXPECT_THROW(QuantizationSetting::from_json(text), Error) << text;
  }
}

TEST(SettingJson, VersionsCompareByNumber) {
  const auto warnings_for = [](const std::string& version) {
    std::vector<std::string> warnings;
    QuantizationSetting::from_json("{\"version\": \"" + version + "\"}", &warnings);
    return warnings.size();
  };
  EXPECT_EQ(warnings_for("0.6.6"), 0u);
  EXPECT_EQ(warnings_for("0.10.0"), 0u);
  EXPECT_EQ(warnings_for("1.0"), 0u);
  EXPECT_EQ(warnings_for("0.6.5.1"), 1u);
  EXPECT_EQ(warnings_for("0.5.9"), 1u);
  EXPECT_EQ(warnings_for("newest"), 1u);
}

TEST(SettingJson, DispatchingTakesNumbersAndNames) {
  const auto setting = QuantizationSetting::from_json(R"json({"dispatching_table": {"dispatchings": {
      "YOUR OEPRATION NAME": "TARGET PLATFORM(INT)", "FP32 OPERATION NAME": 0,
      "a": 0, "b": -1, "c": "QNN_DSP_INT8", "d": "fp32", "e": 101}}})json");
  EXPECT_EQ(setting.dispatching_table, (std::map<std::string, int>{{"a", 0}, {"b", -1}, {"c", 304}, {"d", 0}, {"e", 101}}));
}

TEST(SettingJson, WeightSplitNeedsLayers) {
  EXPECT_THROW(QuantizationSetting::from_json(R"({"weight_split": true})"), Error);
  EXPECT_NO_THROW(QuantizationSetting::from_json(R"({"weight_split": true, "weight_split_setting": {"interested_layers": ["x"]}})"));
}

TEST(SettingFactory, DifferencesFromTheDefault) {
  const QuantizationSetting plain;
  EXPECT_EQ(Factory::default_setting(), plain);
  EXPECT_EQ(Factory::trt_setting(), plain);
  EXPECT_EQ(Factory::mnn_setting(), plain);
  for (const auto& setting : {Factory::academic_setting(), Factory::ncnn_setting(), Factory::ascend_setting()}) {
    QuantizationSetting expected;
    expected.fusion = false;
    EXPECT_EQ(setting, expected);
  }
  QuantizationSetting dsp;
  dsp.equalization = true;
  dsp.equalization_setting.iterations = 3;
  EXPECT_EQ(Factory::dsp_setting(), dsp);
  QuantizationSetting fpga;
  fpga.equalization = true;
  fpga.equalization_setting.including_bias = true;
  EXPECT_EQ(Factory::fpga_setting(), fpga);
  EXPECT_TRUE(Factory::metax_pertensor_setting().equalization);
}

TEST(SettingFactory, ByName) {
  EXPECT_EQ(Factory::by_name("dsp"), Factory::dsp_setting());
  EXPECT_EQ(Factory::by_name("DSP_setting"), Factory::dsp_setting());
  EXPECT_EQ(Factory::by_name("metax-pertensor"), Factory::metax_pertensor_setting());
  try {
    Factory::by_name("dps");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Usage);
    EXPECT_THAT(error.hint(), HasSubstr("dsp"));
  }
}

TEST(SettingFactory, ByFile) {
  const auto folder = std::filesystem::temp_directory_path() / ("ppq_setting_test_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const std::string file = (folder / "my.json").string();
  std::ofstream(file) << R"({"version": "0.6.6", "bias_correct": true, "typo": 0})";
  std::vector<std::string> warnings;
  EXPECT_TRUE(Factory::by_name(file, &warnings).bias_correct);
  EXPECT_EQ(warnings.size(), 1u);
  std::ofstream(file) << "{\"bias_correct\": 3}";
  try {
    Factory::by_name(file);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.where(), HasSubstr(file));
    EXPECT_THAT(error.what(), HasSubstr("$.bias_correct"));
  }
  EXPECT_THROW(Factory::by_name((folder / "missing.json").string()), Error);
  std::filesystem::remove_all(folder);
}

TEST(SettingFactory, ForAPlatform) {
  EXPECT_TRUE(Factory::setting_for("QNN_DSP_INT8").equalization);
  EXPECT_THROW(Factory::setting_for("nope"), Error);
}

}  // namespace
}  // namespace ppq
