#include "exporters/qualcomm/deploy.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "core/file.h"
#include "ppq/onnx.h"
#include "ppq/quantizer.h"
#include "support/share.h"

namespace ppq::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::unique_ptr<Graph> quantized(const std::string& text, const char* platform,
                                 const QuantizationSetting& setting = QuantizationSettingFactory::default_setting()) {
  auto graph = read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]>\n" + text);
  const TargetPlatform id = find_platform(platform).id;
  Tensors sample;
  for (const InputSpec& spec : input_specs(*graph)) {
    std::vector<int64_t> sizes;
    for (const Dim& dim : spec.shape) sizes.push_back(dim.known() ? dim.value : 1);
    sample.push_back(at::linspace(-1, 1, at::zeros(sizes).numel()).reshape(sizes));
  }
  dispatch_graph(*graph, id);
  TorchExecutor executor(*graph, "cpu");
  Quantizer(*graph, id).quantize(sample, make_dataset(std::vector<Tensors>{sample}), executor, setting, 1);
  return graph;
}

std::string guide(const Graph& graph, const char* platform, const std::string& version = "0.6.1") {
  ExportOptions options;
  options.set("encodings", version);
  return deploy_guide(graph, find_platform(platform), options);
}

const char* const kImage = "g (float[1,2,4,4] image) => (float[1,2,4,4] y) <float[2,2,1,1] w = {1, 2, 3, 4}> { y = Conv(image, w) }";

TEST(Deploy, CommandsAreFilledIn) {
  const std::string text = guide(*quantized(kImage, "qnn_dsp_int8"), "qnn_dsp_int8");
  EXPECT_THAT(
      text,
      HasSubstr("\nsnpe-onnx-to-dlc --input_network quantized.onnx --quantization_overrides quantized.table --output_path model.dlc\n"));
  EXPECT_THAT(text, HasSubstr("\nsnpe-dlc-quantize --input_dlc model.dlc --input_list input_list.txt --override_params --act_bitwidth 8 "
                              "--weights_bitwidth 8 --bias_bitwidth 32 --output_dlc model_a8.dlc\n"));
  EXPECT_THAT(text, HasSubstr("--override_params --act_bitwidth 16 "));
  EXPECT_THAT(text, HasSubstr("\nsnpe-net-run --container model_a8.dlc --input_list input_list.txt --use_dsp "));
  EXPECT_THAT(
      text,
      HasSubstr(
          "\nqairt-converter --input_network quantized.onnx --quantization_overrides quantized.table --output_path model_qairt.dlc\n"));
  EXPECT_THAT(text, HasSubstr("\nqairt-quantizer --input_dlc model_qairt.dlc --input_list input_list.txt "));
  EXPECT_THAT(text, HasSubstr("--raw-layout nhwc"));
}

/// Every option of a command is one that the tools' pages list.
TEST(Deploy, OptionsAreTheTools) {
  const std::map<std::string, std::set<std::string>> known = {
      {"snpe-onnx-to-dlc", {"input_network", "input_dim", "quantization_overrides", "output_path"}},
      {"snpe-dlc-quantize",
       {"input_dlc", "input_list", "output_dlc", "override_params", "weights_bitwidth", "act_bitwidth", "bias_bitwidth",
        "use_per_channel_quantization", "use_per_row_quantization"}},
      {"snpe-net-run", {"container", "input_list", "use_dsp", "output_dir"}},
      {"qairt-converter", {"input_network", "source_model_input_shape", "quantization_overrides", "output_path"}},
      {"qairt-quantizer",
       {"input_dlc", "output_dlc", "input_list", "bias_bitwidth", "act_bitwidth", "weights_bitwidth", "use_per_channel_quantization",
        "use_per_row_quantization"}}};
  const std::string text =
      guide(*quantized("g (float[N,8] x) => (float[N,2] y) <float[8,2] w = {1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7}> { y = MatMul(x, w) }",
                       "qnn_htp_int8"),
            "qnn_htp_int8");
  std::set<std::string> seen;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto tool = known.find(line.substr(0, line.find(' ')));
    if (tool == known.end()) continue;
    seen.insert(tool->first);
    const std::regex option("--([a-z_-]+)");
    for (std::sregex_iterator it(line.begin(), line.end(), option), end; it != end; ++it) EXPECT_TRUE(tool->second.count((*it)[1])) << line;
  }
  EXPECT_EQ(seen.size(), known.size());
  EXPECT_THAT(text, HasSubstr("--input_dim x 1,8 "));
  EXPECT_THAT(text, HasSubstr("--source_model_input_shape x 1,8 "));
  EXPECT_THAT(text, AllOf(HasSubstr("--use_per_channel_quantization"), HasSubstr("--use_per_row_quantization"), HasSubstr("- Batch:")));
}

TEST(Deploy, OnlyTheTrapsOfThisModel) {
  const std::string flat = guide(*quantized("g (float[1,4] x) => (float[1,4] y) { y = Relu(x) }", "qnn_dsp_int8"), "qnn_dsp_int8");
  for (const char* trap : {"- Layout:", "- Names:", "- Batch:", "- Inputs:", "- Minimum range:", "- Dead channels:", "- Per-row weights:",
                           "--raw-layout", "nhwc"})
    EXPECT_THAT(flat, Not(HasSubstr(trap)));
  EXPECT_THAT(flat, HasSubstr("- Version 0.6.1"));

  const std::string image = guide(*quantized(kImage, "qnn_dsp_int8"), "qnn_dsp_int8", "2.0.0");
  EXPECT_THAT(image, AllOf(HasSubstr("- Layout:"), HasSubstr("- Version 2.0.0"), Not(HasSubstr("- Batch:"))));

  const auto sum = quantized("g (float[1,4] a, float[1,4] b) => (float[1,4] y) { y = Add(a, b) }", "qnn_dsp_int8");
  sum->rename(sum->find_value("a"), "/a/x");
  const std::string two = guide(*sum, "qnn_dsp_int8");
  EXPECT_THAT(two, AllOf(HasSubstr("- Inputs: there are 2"), HasSubstr("/a/x:=raw/_a_x/000000.raw b:=raw/b/000000.raw"),
                         HasSubstr("- Names: `/a/x`")));

  const std::string fixed = guide(*quantized("g (float[4,3] x) => (float[4,3] y) { y = Relu(x) }", "qnn_dsp_int8"), "qnn_dsp_int8");
  EXPECT_THAT(fixed, HasSubstr("- Batch: input `x` has a fixed leading dimension"));
}

/// The tools widen ranges below 0.0001: a table that says less than that would not be what runs.
TEST(Deploy, NearlyConstantTensorsAreWidenedAndNamed) {
  for (const char* platform : {"qnn_dsp_int8", "qnn_htp_a16w8"}) {
    const auto graph =
        quantized("g (float[1,2,4,4] x) => (float[1,1,4,4] s) <float[1,2,1,1] w = {1e-6, 2e-6}> { s = Conv(x, w) }", platform);
    EXPECT_THAT(guide(*graph, platform), HasSubstr("- Minimum range: `s`")) << platform;
    EXPECT_THAT(guide(*graph, platform), Not(HasSubstr("range: `x`"))) << platform << ": the input's range is wide";
    ExportOptions options;
    const std::string folder = temporary_dir("range");
    find_exporter("encodings").write(*graph, find_platform(platform), "", folder + "/table.json", options);
    const auto table = nlohmann::json::parse(read_file(folder + "/table.json"));
    for (const auto& [name, entry] : table.at("activation_encodings").items()) {
      const double low = entry.at(0).at("min"), high = entry.at(0).at("max");
      EXPECT_GE(high - low, 1e-4 * (1 - 1e-6)) << platform << " " << name;
      EXPECT_LE(low, 0) << name;
      EXPECT_GE(high, 0) << name;
    }
    const auto& narrow = table.at("activation_encodings").at("s").at(0);
    const double range = narrow.at("max").get<double>() - narrow.at("min").get<double>();
    EXPECT_NEAR(range, std::max(1e-4, 1e-8 * (std::ldexp(1.0, narrow.at("bitwidth").get<int>()) - 1)), 1e-9)
        << platform << ": the tools' range, or 1e-8 a step";
  }
}

TEST(Deploy, DeadChannelsAndFloatLayersAreNamed) {
  const char* const dead = "g (float[1,2,4,4] image) => (float[1,2,4,4] y) <float[2,2,1,1] w = {1, 2, 0, 0}> { [conv] y = Conv(image, w) }";
  EXPECT_THAT(guide(*quantized(dead, "qnn_htp_int8"), "qnn_htp_int8"), HasSubstr("- Dead channels: 1 weight channels"));
  EXPECT_THAT(guide(*quantized(dead, "qnn_dsp_int8"), "qnn_dsp_int8"), Not(HasSubstr("- Dead channels:"))) << "one scale for all channels";

  auto setting = QuantizationSettingFactory::default_setting();
  setting.extra.keep_float = {"conv"};
  const std::string kept = guide(*quantized(dead, "qnn_htp_int8", setting), "qnn_htp_int8");
  EXPECT_THAT(kept, AllOf(HasSubstr("- Float layers: `conv`"),
                          HasSubstr("For Conv, Gemm and MatMul one float tensor of output, weight and bias makes all three float")));
  EXPECT_THAT(guide(*quantized(dead, "qnn_htp_int8"), "qnn_htp_int8", "1.0.0"),
              AllOf(HasSubstr("- Version 1.0.0"), HasSubstr("Bitwidth must be present"), Not(HasSubstr("- Float layers:"))));
}

TEST(Deploy, SixteenBitPlatformQuantizesWithSixteenBitsFirst) {
  const std::string text = guide(*quantized(kImage, "qnn_htp_a16w8"), "qnn_htp_a16w8");
  EXPECT_LT(text.find("--act_bitwidth 16"), text.find("--act_bitwidth 8"));
  EXPECT_THAT(text, AllOf(HasSubstr("--container model_a16.dlc"), HasSubstr("--use_per_channel_quantization")));
}

std::vector<float> floats_of(const std::string& path) {
  const std::string bytes = read_file(path);
  std::vector<float> values(bytes.size() / 4);
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(values.data()));
  return values;
}

TEST(RawSamples, ChannelsLastValueByValue) {
  const std::string folder = temporary_dir("raw");
  const at::Tensor image = at::arange(24, at::kFloat).reshape({1, 2, 3, 4});
  const std::vector<InputSpec> inputs = {{"image", DataType::Float, {{1, ""}, {2, ""}, {3, ""}, {4, ""}}}};
  EXPECT_EQ(write_raw_samples(*make_dataset(std::vector<at::Tensor>{image, image + 1, image + 2}), inputs, folder, Layout::NHWC, 2), 2u);
  EXPECT_EQ(read_file(folder + "/input_list.txt"), "raw/000000.raw\nraw/000001.raw\n");
  const auto values = floats_of(folder + "/raw/000001.raw");
  ASSERT_EQ(values.size(), 24u);
  for (int h = 0, i = 0; h < 3; ++h)
    for (int w = 0; w < 4; ++w)
      for (int c = 0; c < 2; ++c, ++i) EXPECT_EQ(values[i], c * 12 + h * 4 + w + 1) << i;
  write_raw_samples(*make_dataset(std::vector<at::Tensor>{image}), inputs, folder, Layout::NCHW, 9);
  for (int i = 0; i < 24; ++i) EXPECT_EQ(floats_of(folder + "/raw/000000.raw")[i], i);
}

TEST(RawSamples, SeveralInputsAreNamedAndReadBack) {
  const std::string folder = temporary_dir("raw");
  const std::vector<InputSpec> inputs = {{"a/b", DataType::Float, {{1, ""}, {3, ""}, {2, ""}, {2, ""}}},
                                         {"ids", DataType::Int64, {{1, ""}, {2, ""}}}};
  const at::Tensor image = at::arange(12, at::kFloat).reshape({1, 3, 2, 2}), ids = at::tensor({7, 9}, at::kLong).reshape({1, 2});
  write_raw_samples(*make_dataset(std::vector<Tensors>{{image, ids}}), inputs, folder, Layout::NHWC, 1);
  EXPECT_EQ(read_file(folder + "/input_list.txt"), "a/b:=raw/a_b/000000.raw ids:=raw/ids/000000.raw\n");
  EXPECT_THAT(floats_of(folder + "/raw/ids/000000.raw"), testing::ElementsAre(7, 9));
  DataOptions options;
  options.raw_layout = Layout::NHWC;
  const Tensors back = open_dataset(folder + "/input_list.txt", inputs, options)->sample(0);
  EXPECT_TRUE(at::equal(back[0], image));
  EXPECT_TRUE(at::equal(back[1], ids));
}

}  // namespace
}  // namespace ppq::test
