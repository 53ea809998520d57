// Options of `ppq_torch quantize` one by one: each must change what it says it changes.
#include "apps/command.h"

namespace ppq::test {
namespace {

class Options : public testing::Test {
 protected:
  static void SetUpTestSuite() { work_ = new Workspace("options"); }
  static void TearDownTestSuite() { delete work_; }
  static std::string path(const std::string& name) { return work_->folder + "/" + name; }
  /// Runs a job without layerwise analysis into a folder of the test's name.
  static Json report_of(const std::string& folder, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--output", path(folder)});
    if (std::find(more.begin(), more.end(), "--layerwise-samples") == more.end()) more.insert(more.end(), {"--layerwise-samples", "0"});
    const Result result = ppq_torch(work_->quantize(more));
    EXPECT_EQ(result.code, 0) << result.err;
    return result.code ? Json() : Json::parse(read_file(path(folder) + "/report.json"));
  }
  static Json tensor(const Json& report, const std::string& name) {
    for (const auto& t : report["tensors"])
      if (t["name"] == name) return t;
    return {};
  }
  static Json table(const std::string& file) { return Json::parse(read_file(path(file))); }
  inline static Workspace* work_ = nullptr;
};

TEST_F(Options, KeepFloatAndBits) {
  const Json report = report_of("bits", {"--keep-float", "GlobalAveragePool", "--bits", "conv=16", "--keep-float", "flat"});
  EXPECT_EQ(tensor(report, "image")["bits"], 16);
  EXPECT_TRUE(tensor(report, "p").is_null()) << "no quantization, no error";
  EXPECT_EQ(report["nodes"]["quantized"], 2);
  EXPECT_EQ(report["setting"]["ppq_torch"]["bits"]["conv"], 16);
}

TEST_F(Options, BatchSizeAndMemory) {
  EXPECT_EQ(report_of("batch", {"--batch-size", "3"})["calibration"]["batch_size"], 3);
  EXPECT_EQ(report_of("chosen")["calibration"]["batch_size"], 4) << "all of them fit and do not mix";
  EXPECT_EQ(report_of("memory", {"--max-memory", "1K"})["calibration"]["batch_size"], 1);
  for (const char* bad : {"-1G", "4X", "G", "1e30", "inf", "nan"})
    EXPECT_EQ(ppq_torch(work_->quantize({"--max-memory", bad, "--output", path("bad")})).code, 2) << bad;
  EXPECT_EQ(ppq_torch(work_->quantize({"--batch-size", "-2", "--output", path("bad")})).code, 2);
}

TEST_F(Options, GpuOptionsChangeNothingOnTheCpu) {
  const Json report = report_of("gpu_options", {"--device", "cpu", "--allow-tf32", "--no-cuda-graphs"});
  EXPECT_EQ(report["device"], "cpu");
  EXPECT_EQ(report["memory"]["peak_device_bytes"], 0);
  report_of("no_gpu_options", {"--device", "cpu"});
  EXPECT_EQ(read_file(path("gpu_options/quantized.table")), read_file(path("no_gpu_options/quantized.table")));
}

TEST_F(Options, CalibStepsLeaveTheRestForTheReport) {
  const Json report = report_of("steps", {"--calib-steps", "3", "--observer", "minmax"});
  EXPECT_EQ(report["calibration"]["samples"], 3);
  EXPECT_EQ(report["evaluation"]["samples"], 1);
  EXPECT_THAT(report["evaluation"]["on"].get<std::string>(), HasSubstr("not used for calibration"));
  double low = 0, high = 0;
  for (int i = 0; i < 3; ++i) {
    const at::Tensor x = noise({1, 3, 8, 8}, i);
    low = std::min(low, x.min().item<double>()), high = std::max(high, x.max().item<double>());
  }
  EXPECT_NEAR(tensor(report, "image")["scale"].get<double>(), (high - low) / 255, 1e-7);
}

TEST_F(Options, EvalSamplesAreApart) {
  write_npy(path("other/a.npy"), noise({1, 3, 8, 8}, 50));
  const Json report = report_of("eval", {"--eval", path("other")});
  EXPECT_EQ(report["calibration"]["samples"], 4);
  EXPECT_EQ(report["evaluation"]["samples"], 1);
  EXPECT_EQ(report["evaluation"]["on"], "separate samples");
}

TEST_F(Options, LayerwiseIsMeasuredWhenAsked) {
  EXPECT_TRUE(tensor(report_of("without"), "r")["layerwise_snr"].is_null());
  EXPECT_GT(tensor(report_of("with", {"--layerwise-samples", "1"}), "r")["layerwise_snr"].get<double>(), 0);
}

TEST_F(Options, ObserverAndPasses) {
  const Json report = report_of("passes", {"--observer", "minmax", "--passes", "-bake-parameters,correct-bias", "--verify"});
  std::vector<std::string> names;
  for (const auto& pass : report["passes"]) names.push_back(pass["name"]);
  EXPECT_THAT(names, testing::Contains("correct-bias"));
  EXPECT_THAT(names, testing::Not(testing::Contains("bake-parameters")));
  EXPECT_EQ(report["setting"]["quantize_activation_setting"]["calib_algorithm"], "minmax");
}

TEST_F(Options, GraphAndTableGoWhereTheyAreWanted) {
  report_of("saved", {"--save-graph", path("elsewhere/net.onnx"), "--save-table", path("elsewhere/net.json"), "--encodings", "1.0.0"});
  EXPECT_EQ(read_file(path("elsewhere/net.json")), read_file(path("saved/quantized.table")));
  EXPECT_EQ(read_file(path("elsewhere/net.onnx")), read_file(path("saved/quantized.onnx")));
  EXPECT_EQ(table("elsewhere/net.json")["version"], "1.0.0");
}

TEST_F(Options, OptionsOfAnExporter) {
  auto has_bias = [&](const std::string& folder) {
    return read_file(path(folder + "/quantized.table")).find("\"bias\"") != std::string::npos;
  };
  report_of("with_biases", {"--encodings", "2.0.0"});
  report_of("without_biases", {"--encodings", "2.0.0", "--export-option", "int32-bias=false"});
  EXPECT_TRUE(has_bias("with_biases"));
  EXPECT_FALSE(has_bias("without_biases"));
  EXPECT_THAT(read_file(path("without_biases/DEPLOY.md")), testing::HasSubstr("not written: biases"));
}

TEST_F(Options, ExportOfTheGraphAlone) {
  const Json report = report_of("graph_only", {"--export", "onnx"});
  EXPECT_TRUE(std::filesystem::exists(path("graph_only/quantized.onnx")));
  EXPECT_FALSE(std::filesystem::exists(path("graph_only/quantized.table")));
  EXPECT_EQ(report["encodings"]["written"], 0);
  EXPECT_THAT(read_file(path("graph_only/DEPLOY.md")), testing::Not(testing::HasSubstr("quantized.table"))) << "there is none";
}

TEST_F(Options, OverridesAreKept) {
  report_of("plain", {"--observer", "minmax"});
  Json fixed = {{"version", "0.6.1"}, {"activation_encodings", Json::object()}, {"param_encodings", Json::object()}};
  fixed["activation_encodings"]["r"] =
      Json::array({{{"bitwidth", 8}, {"is_symmetric", "False"}, {"max", 25.5}, {"min", 0.0}, {"offset", 0}, {"scale", 0.1}}});
  fixed["activation_encodings"]["stranger"] = fixed["activation_encodings"]["r"];
  write_file(path("fixed.json"), fixed.dump());
  const Json report = report_of("overridden", {"--overrides", path("fixed.json"), "--observer", "minmax"});
  EXPECT_NEAR(tensor(report, "r")["scale"].get<double>(), 0.1, 1e-7);
  EXPECT_NEAR(table("overridden/quantized.table")["activation_encodings"]["r"][0]["max"].get<double>(), 25.5, 1e-4);
  EXPECT_EQ(table("overridden/quantized.table")["activation_encodings"]["image"],
            table("plain/quantized.table")["activation_encodings"]["image"]);
  EXPECT_THAT(report["warnings"].dump(), HasSubstr("stranger"));
}

TEST_F(Options, RawSamplesLieBesideTheList) {
  report_of("raw", {"--raw-samples", "nhwc"});
  EXPECT_THAT(files_in(path("raw")), testing::IsSupersetOf({"input_list.txt", "raw/000000.raw", "raw/000003.raw"}));
  const std::string bytes = read_file(path("raw/raw/000001.raw"));
  const at::Tensor x = noise({1, 3, 8, 8}, 1).permute({0, 2, 3, 1}).contiguous();
  EXPECT_EQ(bytes, std::string(static_cast<const char*>(x.const_data_ptr()), x.nbytes()));
  EXPECT_EQ(ppq_torch(work_->quantize({"--raw-samples", "hwc", "--output", path("bad")})).code, 2);
}

TEST_F(Options, ConfigFilesAreChecked) {
  for (const auto& [text, says] : {std::pair{R"({"calib-step": 3})", "calib-steps"},
                                   {R"([1])", "expected a JSON object"},
                                   {R"({"bits": {"conv": 16}})", "'bits'"},
                                   {"{", "parse"}}) {
    write_file(path("config.json"), text);
    const Result result = ppq_torch(work_->quantize({"--config", path("config.json")}));
    EXPECT_EQ(result.code, 2) << text;
    EXPECT_THAT(result.err, testing::AllOf(HasSubstr("config.json"), HasSubstr(says)));
  }
  EXPECT_NE(ppq_torch(work_->quantize({"--config", path("none.json")})).code, 0);
}

TEST_F(Options, SeedChangesNothingAndVerboseSaysMore) {
  report_of("seed_one", {"--seed", "1"});
  report_of("seed_two", {"--seed", "2"});
  EXPECT_EQ(read_file(path("seed_one/quantized.table")), read_file(path("seed_two/quantized.table")));
  const Result verbose = ppq_torch(work_->quantize({"--output", path("verbose"), "--verbose"}));
  EXPECT_THAT(verbose.err, HasSubstr("Network Snapshot"));
  const Result quiet = ppq_torch(work_->quantize({"--output", path("quiet"), "--quiet"}));
  EXPECT_EQ(quiet.code, 0);
  EXPECT_THAT(quiet.err, testing::Not(HasSubstr("noise/signal")));
  EXPECT_TRUE(std::filesystem::exists(path("quiet/report.json")));
}

}  // namespace
}  // namespace ppq::test
