#include "analysis/report.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace ppq {
namespace {

using testing::HasSubstr;

Report example() {
  Report report;
  report.version = "1.2.3", report.model = "m<b>.onnx", report.platform = "qnn_dsp_int8", report.device = "cpu",
  report.setting_json = R"({"a": 1})";
  report.calibration_samples = 20, report.calibration_seconds = 4, report.batch_size = 5;
  report.timing = {{"load", 1.5}, {"total", 9}};
  report.peak_rss_bytes = 1000;
  Measure measure;
  measure.add(at::full({4}, 1.1f), at::ones({4}));
  report.errors.outputs = {{"<script>alert(1)</script>", measure}};
  TensorError tensor;
  tensor.name = "a & \"b\" <c>", tensor.op = "conv", tensor.type = "Conv";
  tensor.scale = {0.5}, tensor.offset = {3}, tensor.minimum = {-1.5}, tensor.maximum = {126};
  tensor.graphwise = measure, tensor.clipped = 0.25;
  TensorError channels = tensor;
  channels.name = "w", channels.scale = {0.5, 0.25}, channels.layerwise_snr = 0.125;
  report.errors.tensors = {tensor, channels};
  report.histograms = {{"w", -1.5, 2.5, {1, 2}, {0, 3}}};
  report.encodings_written = 7;
  report.encodings_missing = {"lost"};
  report.missing_reasons = {{"lost", "it has no elements"}};
  report.warnings = {{"", "careful <here>"}, {"bias-range", "it grew", {"w"}, {{"growth", 3}}, "--passes=-x"}};
  return report;
}

TEST(ReportJson, HasEveryKeyOfTheContract) {
  const auto json = nlohmann::json::parse(to_json(example()));
  EXPECT_EQ(json.at("ppq_torch"), "1.2.3");
  EXPECT_EQ(json.at("model"), "m<b>.onnx");
  EXPECT_EQ(json.at("platform"), "qnn_dsp_int8");
  EXPECT_EQ(json.at("device"), "cpu");
  EXPECT_EQ(json.at("setting"), nlohmann::json({{"a", 1}}));
  EXPECT_EQ(json.at("calibration"), nlohmann::json({{"samples", 20}, {"batch_size", 5}, {"seconds", 4.0}, {"samples_per_second", 5.0}}));
  for (const char* key : {"load", "optimize", "calibrate", "tune", "analyze", "export", "total"})
    EXPECT_TRUE(json.at("timing").at(key).is_number());
  EXPECT_EQ(json.at("timing").at("load"), 1.5);
  EXPECT_EQ(json.at("memory").at("peak_rss_bytes"), 1000);
  EXPECT_EQ(json.at("memory").at("peak_device_bytes"), 0);
  const auto& output = json.at("outputs").at(0);
  EXPECT_NEAR(output.at("snr").get<double>(), 0.01, 1e-6);
  EXPECT_NEAR(output.at("snr_db").get<double>(), 20, 1e-4);
  EXPECT_NEAR(output.at("mse").get<double>(), 0.01, 1e-6);
  EXPECT_NEAR(output.at("cosine").get<double>(), 1, 1e-12);
  const auto &tensor = json.at("tensors").at(0), &channels = json.at("tensors").at(1);
  EXPECT_EQ(tensor.at("scale"), 0.5);
  EXPECT_EQ(tensor.at("offset"), 3);
  EXPECT_EQ(tensor.at("min"), -1.5);
  EXPECT_EQ(tensor.at("max"), 126);
  EXPECT_EQ(tensor.at("bits"), 8);
  EXPECT_EQ(tensor.at("op"), "conv");
  EXPECT_EQ(tensor.at("type"), "Conv");
  EXPECT_EQ(tensor.at("clipped"), 0.25);
  EXPECT_TRUE(tensor.at("layerwise_snr").is_null()) << "not measured";
  EXPECT_EQ(channels.at("layerwise_snr"), 0.125);
  EXPECT_EQ(channels.at("scale"), nlohmann::json({0.5, 0.25}));
  EXPECT_EQ(json.at("encodings"), nlohmann::json({{"written", 7}, {"missing", {"lost"}}, {"reasons", {{"lost", "it has no elements"}}}}));
  EXPECT_EQ(json.at("warnings"), nlohmann::json({"careful <here>", "[bias-range] it grew"}));
  EXPECT_EQ(json.at("warning_details"), nlohmann::json::parse(R"([{"code": "bias-range", "text": "it grew", "tensors": ["w"],
    "figures": {"growth": 3.0}, "remedy": "--passes=-x"}])"));
  EXPECT_EQ(json.at("histograms"),
            nlohmann::json::parse(R"([{"tensor": "w", "low": -1.5, "high": 2.5, "float": [1, 2], "quantized": [0, 3]}])"));
}

TEST(ReportJson, InfinityAndBrokenTextStayValidJson) {
  Report report = example();
  Measure silent;
  silent.add(at::ones({1}), at::zeros({1}));
  report.errors.outputs = {{"bytes \xff", silent}};
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_TRUE(json.at("outputs").at(0).at("snr").is_null());
}

TEST(ReportSummary, SaysWhatToTry) {
  Report report = example();
  EXPECT_THAT(to_summary(report), testing::AllOf(HasSubstr("1.000 % (20.0 dB)"), HasSubstr("w (Conv)")));
  report.errors.outputs[0].second.noise *= 100;
  EXPECT_THAT(to_summary(report), HasSubstr("try: --observer minmax (25.000 % of its values are clipped)"));
  for (auto& tensor : report.errors.tensors) tensor.clipped = 0;
  EXPECT_THAT(to_summary(report), HasSubstr("try: --keep-float 'conv'"));
}

}  // namespace
}  // namespace ppq
