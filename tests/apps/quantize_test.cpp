// Whole jobs through the program: quantize, its files, and feeding them back.
#include "apps/command.h"

#include <cmath>

namespace ppq::test {
namespace {

class QuantizeJob : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    work_ = new Workspace("quantize");
    first_ = new Result(ppq_torch(work_->quantize({"--output", path("first")})));
  }
  static void TearDownTestSuite() { delete work_, delete first_; }
  static const Workspace& work() { return *work_; }
  static std::string path(const std::string& name) { return work_->folder + "/" + name; }
  void SetUp() override { ASSERT_EQ(first_->code, 0) << first_->err; }
  static Result first() { return *first_; }
  static Json report(const std::string& folder) { return Json::parse(read_file(path(folder) + "/report.json")); }

 private:
  inline static Workspace* work_ = nullptr;
  inline static Result* first_ = nullptr;
};

TEST_F(QuantizeJob, WritesEveryFileAndNothingElse) {
  auto files = files_in(path("first"));
  for (const char* name : {"quantized.onnx", "quantized.table", "report.html", "report.json", "setting.json", "DEPLOY.md"})
    EXPECT_THAT(files, testing::Contains(name));
  for (const auto& name : files) EXPECT_THAT(name, testing::Not(HasSubstr("partial")));
  EXPECT_EQ(first().out, "");
  EXPECT_THAT(first().err, HasSubstr("scores"));
}

TEST_F(QuantizeJob, ReportHasTheKeysOthersBuildOn) {
  const Json json = report("first");
  for (const char* key : {"ppq_torch", "model", "platform", "device", "setting", "calibration", "timing", "memory", "outputs", "tensors",
                          "encodings", "warnings"})
    EXPECT_TRUE(json.contains(key)) << key;
  for (const char* key : {"samples", "batch_size", "seconds", "samples_per_second"})
    EXPECT_TRUE(json["calibration"][key].is_number()) << key;
  for (const char* key : {"load", "optimize", "calibrate", "tune", "analyze", "export", "total"})
    EXPECT_TRUE(json["timing"][key].is_number()) << key;
  EXPECT_EQ(json["calibration"]["samples"], 4);
  EXPECT_EQ(json["platform"], "qnn_dsp_int8");
  EXPECT_EQ(json["device"], test_device().str());
  EXPECT_GT(json["memory"]["peak_rss_bytes"].get<double>(), 1e7);
  EXPECT_GE(json["timing"]["total"].get<double>(), json["timing"]["load"].get<double>());
  ASSERT_EQ(json["outputs"].size(), 1u);
  EXPECT_EQ(json["outputs"][0]["name"], "scores");
  EXPECT_LT(json["outputs"][0]["snr"].get<double>(), 0.01);
  EXPECT_GT(json["outputs"][0]["snr"].get<double>(), 0);
  EXPECT_NEAR(json["outputs"][0]["snr_db"].get<double>(), -10 * std::log10(json["outputs"][0]["snr"].get<double>()), 1e-9);
  std::vector<std::string> names;
  for (const auto& tensor : json["tensors"]) {
    names.push_back(tensor["name"]);
    for (const char* key :
         {"op", "type", "bits", "scale", "offset", "min", "max", "graphwise_snr", "layerwise_snr", "cosine", "mse", "clipped"})
      EXPECT_TRUE(tensor.contains(key)) << key;
  }
  EXPECT_THAT(names, testing::IsSupersetOf({"image", "r", "scores"}));
  EXPECT_TRUE(json["encodings"]["missing"].empty());
  EXPECT_THAT(json["warnings"].dump(), HasSubstr("4 sample(s)"));
}

TEST_F(QuantizeJob, ReportSaysWhatEachPassDidToTheError) {
  const Json json = report("first");
  double last = -1;
  size_t measured = 0;
  for (const Json& pass : json["passes"]) {
    if (!pass.contains("snr_after")) continue;
    ++measured;
    if (pass["name"] == "equalize-layers" || pass["name"] == "absorb-high-bias") continue;  // measured on trials of their own
    if (pass.contains("snr_before")) {
      EXPECT_DOUBLE_EQ(pass["snr_before"].get<double>(), last) << pass["name"] << ": one pass starts where the last one ended";
    }
    last = pass["snr_after"].get<double>();
    EXPECT_GE(last, 0);
    for (const Json& tensor : pass.value("tensors", Json::array())) {
      EXPECT_TRUE(tensor["name"].is_string());
      EXPECT_TRUE(tensor["before"].is_number());
      EXPECT_TRUE(tensor["after"].is_number());
    }
  }
  EXPECT_GE(measured, 2u) << "calibrate, and what comes after it";
  // All four samples calibrate, all four measure: the last figure of the passes is the report's own.
  EXPECT_NEAR(last, json["outputs"][0]["snr"].get<double>(), 0.05 * last);
  EXPECT_THAT(read_file(path("first/report.html")), HasSubstr("what it chose"));
}

TEST_F(QuantizeJob, ReportSaysHowOftenTheTop1Agrees) {
  const Json output = report("first")["outputs"][0];
  ASSERT_TRUE(output.contains("top1_agreement"));
  const double agreement = output["top1_agreement"].get<double>();
  EXPECT_TRUE(agreement == 0 || agreement == 0.25 || agreement == 0.5 || agreement == 0.75 || agreement == 1) << agreement;
  EXPECT_THAT(first().err, HasSubstr("same top-1 as float on"));
}

TEST_F(QuantizeJob, TableHoldsTheRangeOfTheSamples) {
  const Json table = Json::parse(read_file(path("first/quantized.table")));
  float low = 0, high = 0;
  for (int i = 0; i < 4; ++i) {
    const at::Tensor sample = noise({1, 3, 8, 8}, i);
    low = std::min(low, sample.min().item<float>()), high = std::max(high, sample.max().item<float>());
  }
  const Json& image = table.at("activation_encodings").at("image").at(0);
  const double step = (high - low) / 255;
  EXPECT_NEAR(image.at("min").get<double>(), low, step);
  EXPECT_NEAR(image.at("max").get<double>(), high, step);
  EXPECT_EQ(image.at("bitwidth"), 8);
  EXPECT_TRUE(table.at("param_encodings").contains("weight"));
}

TEST_F(QuantizeJob, TheSameJobGivesTheSameFiles) {
  ASSERT_EQ(ppq_torch(work().quantize({"--output", path("second"), "--threads", "1"})).code, 0);
  for (const char* name : {"/quantized.onnx", "/quantized.table", "/setting.json"})
    EXPECT_EQ(read_file(path("first") + name), read_file(path("second") + name)) << name;
}

TEST_F(QuantizeJob, ItsOwnSettingGivesTheSameResult) {
  const std::vector<std::string> odd = {"--keep-float", "GlobalAveragePool", "--bits", "Conv=16", "--observer", "percentile"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), odd.begin(), odd.end());
    return more;
  };
  ASSERT_EQ(ppq_torch(work().quantize(with({"--output", path("odd")}))).code, 0);
  const Result again = ppq_torch(work().quantize({"--output", path("odd_again"), "--setting", path("odd/setting.json")}));
  ASSERT_EQ(again.code, 0) << again.err;
  for (const char* name : {"/quantized.onnx", "/quantized.table", "/setting.json"})
    EXPECT_EQ(read_file(path("odd") + name), read_file(path("odd_again") + name)) << name;
  EXPECT_NE(read_file(path("odd/quantized.table")), read_file(path("first/quantized.table")));
  const Json activations = Json::parse(read_file(path("odd/quantized.table"))).at("activation_encodings");
  EXPECT_EQ(activations.at("image").at(0).at("bitwidth"), 16);
}

TEST_F(QuantizeJob, ConfigFileAndFlagsGiveTheSameJob) {
  const Result dumped = ppq_torch(
      work().quantize({"--output", path("config"), "--calib-steps", "3", "--keep-float", "pool", "--keep-float", "flat", "--dump-config"}));
  ASSERT_EQ(dumped.code, 0) << dumped.err;
  ASSERT_TRUE(Json::accept(dumped.out)) << dumped.out;
  EXPECT_EQ(Json::parse(dumped.out).at("keep-float"), Json({"pool", "flat"}));
  EXPECT_FALSE(std::filesystem::exists(path("config")));
  write_file(path("config.json"), dumped.out);
  const Result again = ppq_torch({"--config", path("config.json"), "--dump-config"});
  EXPECT_EQ(Json::parse(again.out), Json::parse(dumped.out));
  const Result job = ppq_torch({"--config", path("config.json"), "--calib-steps", "2"});
  ASSERT_EQ(job.code, 0) << job.err;
  EXPECT_EQ(report("config")["calibration"]["samples"], 2) << "the command line beats the file";

  write_file(path("bad.json"), R"({"modle": "x"})");
  const Result unknown = ppq_torch({"--config", path("bad.json")});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, testing::AllOf(HasSubstr("'modle'"), HasSubstr("--model")));
  write_file(path("broken.json"), R"({"model": )");
  EXPECT_EQ(ppq_torch({"--config", path("broken.json")}).code, 2);
  write_file(path("wrong_type.json"), R"({"calib-steps": {"a": 1}})");
  EXPECT_EQ(ppq_torch({"--config", path("wrong_type.json")}).code, 2);
}

TEST_F(QuantizeJob, DryRunWritesNothing) {
  const Result plan = ppq_torch(work().quantize({"--output", path("dry"), "--dry-run"}));
  EXPECT_EQ(plan.code, 0) << plan.err;
  EXPECT_THAT(plan.out, testing::AllOf(HasSubstr("qnn_dsp_int8"), HasSubstr("calibration: 4 samples"), HasSubstr("calibrate")));
  EXPECT_FALSE(std::filesystem::exists(path("dry")));
}

TEST_F(QuantizeJob, RunSimulatesTheTable) {
  const Result plain = ppq_torch({"run", "--model", work().model, "--input", work().samples, "--output", path("float")});
  ASSERT_EQ(plain.code, 0) << plain.err;
  const Result simulated =
      ppq_torch({"run", "--model", path("first/quantized.onnx"), "--table", path("first/quantized.table"), "--platform", "qnn_dsp_int8",
                 "--input", work().samples, "--output", path("simulated"), "--tensors", "r"});
  ASSERT_EQ(simulated.code, 0) << simulated.err;
  const auto names = files_in(path("float"));
  ASSERT_EQ(names.size(), 4u);
  EXPECT_EQ(files_in(path("simulated")).size(), 8u) << "scores and r of each sample";
  double noise_sum = 0, signal = 0;
  for (const auto& name : names) {
    const at::Tensor f = read_npy(path("float/" + name)), q = read_npy(path("simulated/" + name));
    ASSERT_EQ(f.sizes().vec(), (std::vector<int64_t>{1, 4}));
    for (int64_t i = 0; i < 4; ++i) {
      const double a = f[0][i].item<double>(), b = q[0][i].item<double>();
      noise_sum += (a - b) * (a - b), signal += a * a;
    }
  }
  EXPECT_NEAR(noise_sum / signal, report("first")["outputs"][0]["snr"].get<double>(), 1e-3 * noise_sum / signal + 1e-9)
      << "the report's number, measured by hand";

  const Result typo = ppq_torch({"run", "--model", work().model, "--input", work().samples, "--output", path("x"), "--tensors", "scorse"});
  EXPECT_EQ(typo.code, 2);
  EXPECT_THAT(typo.err, HasSubstr("scores"));
  EXPECT_EQ(ppq_torch({"run", "--model", work().model, "--table", path("first/quantized.table"), "--input", work().samples, "--output",
                       path("x")})
                .code,
            2);
}

TEST_F(QuantizeJob, AnalyzeMeasuresATable) {
  const Result result =
      ppq_torch({"analyze", "--model", path("first/quantized.onnx"), "--table", path("first/quantized.table"), "--platform", "qnn_dsp_int8",
                 "--calib", work().samples, "--output", path("analysis"), "--device", test_device_name()});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(report("analysis")["outputs"][0]["name"], "scores");
  EXPECT_LT(report("analysis")["outputs"][0]["snr"].get<double>(), 0.01);
  EXPECT_GT(report("analysis")["outputs"][0]["snr"].get<double>(), 0);
}

TEST_F(QuantizeJob, InspectCountsParametersAndMacs) {
  const Result result = ppq_torch({"inspect", "--model", work().model, "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["parameters"], 4 * 3 * 3 * 3 + 4);
  EXPECT_EQ(json["macs"], 4 * 8 * 8 * (3 * 3 * 3));
  EXPECT_EQ(json["nodes"], 4);
  EXPECT_EQ(json["ops"]["Conv"], 1);
  EXPECT_EQ(json["inputs"][0]["shape"], "[1, 3, 8, 8]");
  EXPECT_TRUE(json["unsupported"].empty());
  EXPECT_THAT(ppq_torch({"inspect", "--model", work().model}).out, testing::AllOf(HasSubstr("image"), HasSubstr("GlobalAveragePool")));
}

}  // namespace
}  // namespace ppq::test
