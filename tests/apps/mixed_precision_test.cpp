// --auto-mixed: which layers leave 8 bits, that the promise is kept, and that the options it prints give the same network.
#include "apps/float_outputs.h"

namespace ppq::test {
namespace {

/// q is added to 60 s and taken back, which 8 bits do not survive; around that five layers of 1024 (three), 2048 and 2560 MACs.
class Mixed : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    model_ = new SmallModel("mixed",
                            "(float[1,4,8,8] x, float k, float[4,4,1,1] t, float[4,4,1,1] r, float[4,4,1,1] u, float[8,4,1,1] v, "
                            "float[5,512] w) => (float[1,5] y)",
                            "[stem] s = Conv(x, t) [other] q = Conv(x, r) [scale] a = Mul(s, k) [add] b = Add(a, q) [sub] c = Sub(b, a) "
                            "[one] d = Conv(c, u) [relu] e = Relu(d) "
                            "[two] f = Conv(e, v) [flat] h = Flatten(f) [three] y = Gemm<transB = 1>(h, w)",
                            {{"k", at::full({}, 60.0)},
                             {"t", noise({4, 4, 1, 1}, 4)},
                             {"r", noise({4, 4, 1, 1}, 5)},
                             {"u", noise({4, 4, 1, 1}, 1)},
                             {"v", noise({8, 4, 1, 1}, 2)},
                             {"w", noise({5, 512}, 3)}});
    model_->samples({1, 4, 8, 8}, 12);
  }
  static void TearDownTestSuite() { delete model_; }

  /// A job into a folder of that name.
  static Result job(const std::string& name, std::vector<std::string> more, const std::string& platform = "qnn_htp_int8") {
    const std::string out = model_->folder + "/" + name;
    std::vector<std::string> arguments = {"--model",
                                          model_->folder + "/model.onnx",
                                          "--calib",
                                          model_->folder + "/data",
                                          "--output",
                                          out,
                                          "--platform",
                                          platform,
                                          "--device",
                                          test_device_name(),
                                          "--no-progress",
                                          "--layerwise-samples",
                                          "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return ppq_torch(arguments);
  }
  static Json report(const std::string& name) { return Json::parse(read_file(model_->folder + "/" + name + "/report.json")); }
  static void expect_same_files(const std::string& a, const std::string& b) {
    for (const char* file : {"/quantized.onnx", "/quantized.table", "/setting.json"})
      EXPECT_EQ(read_file(model_->folder + "/" + a + file), read_file(model_->folder + "/" + b + file)) << file;
  }
  /// What a shell makes of printed options.
  static std::vector<std::string> words_of(const std::string& options) {
    std::vector<std::string> words;
    std::istringstream stream(options);
    for (std::string word; stream >> word;) {
      std::erase(word, '\'');
      words.push_back(word);
    }
    return words;
  }
  inline static SmallModel* model_ = nullptr;
};

TEST_F(Mixed, FindsTheLayerThatCostsMost) {
  PPQ_REQUIRE_PYTHON();
  const Compared plain = compare_with_onnxruntime(model_->folder, "qnn_htp_int8");
  ASSERT_GT(plain.nsr(), 0.01);
  const Compared mixed = compare_with_onnxruntime(model_->folder, "qnn_htp_int8", {"--auto-mixed", "noise=0.01"});
  EXPECT_LT(mixed.nsr(), 0.011) << "onnxruntime's float outputs judge";
  const Json found = mixed.report["mixed"];
  EXPECT_TRUE(found["met"]);
  ASSERT_GE(found["layers"].size(), 1u);
  EXPECT_LE(found["layers"].size(), 2u) << found.dump();
  for (const Json& layer : found["layers"]) {
    EXPECT_THAT(layer["name"].get<std::string>(), testing::AnyOf("sub", "add"));
    EXPECT_EQ(layer["bits"], 16);
  }
  for (const char* tensor : {"a", "b"}) EXPECT_EQ(mixed.tensor(tensor)["bits"], 16) << tensor;
  EXPECT_EQ(mixed.tensor("f")["bits"], 8);
  EXPECT_NEAR(found["after"]["snr"].get<double>(), mixed.report["outputs"][0]["snr"].get<double>(), 1e-9) << "the report measures it";
  EXPECT_GT(found["before"]["snr"].get<double>(), 0.01);
  EXPECT_THAT(mixed.quantize.err, testing::AllOf(HasSubstr("noise=0.01: met by"), HasSubstr("the same without a search: --bits")));
}

TEST_F(Mixed, ThePrintedOptionsGiveTheSameNetwork) {
  for (const auto& [platform, budget] :
       {std::pair{"qnn_dsp_int8", "noise=0.01"}, {"qnn_htp_int8", "macs=0.4"}, {"qnn_htp_int8", "noise=1e-3,to=float"}}) {
    ASSERT_EQ(job("searched", {"--auto-mixed", budget}, platform).code, 0);
    const Json found = report("searched")["mixed"];
    ASSERT_FALSE(found["layers"].empty()) << budget;
    ASSERT_EQ(job("pasted", words_of(found["options"]), platform).code, 0);
    expect_same_files("searched", "pasted");
    EXPECT_EQ(report("searched")["outputs"], report("pasted")["outputs"]);
  }
}

/// By the tensors' bits in the report: a layer has left 8 bits where its data has.
TEST_F(Mixed, NoMoreMacsMoveThanAllowed) {
  const std::map<std::string, double> macs = {{"x", 2048}, {"c", 1024}, {"e", 2048}, {"h", 2560}};
  const double all = 2048 + 1024 + 2048 + 2560;
  double least = 2;
  for (const double share : {0.01, 0.4, 1.0}) {
    ASSERT_EQ(job("macs", {"--auto-mixed", "macs=" + std::to_string(share)}).code, 0);
    const Json found = report("macs");
    double moved = 0;
    for (const Json& tensor : found["tensors"])
      if (const auto layer = macs.find(tensor["name"]); layer != macs.end() && tensor["bits"] == 16) moved += layer->second / all;
    EXPECT_LE(moved, share);
    EXPECT_NEAR(found["mixed"]["macs_share"].get<double>(), moved, 1e-9) << found["mixed"].dump();
    EXPECT_TRUE(found["mixed"]["met"]);
    EXPECT_LE(found["outputs"][0]["snr"].get<double>(), least * 1.1) << "more bits, less error";
    least = found["outputs"][0]["snr"];
  }
  EXPECT_LT(least, 0.01);
}

TEST_F(Mixed, WhereEightBitsDoNothingIsChanged) {
  ASSERT_EQ(job("plain", {}).code, 0);
  const Result result = job("content", {"--auto-mixed", "noise=5"});
  ASSERT_EQ(result.code, 0) << result.err;
  expect_same_files("plain", "content");
  EXPECT_TRUE(report("content")["mixed"]["met"]);
  EXPECT_TRUE(report("content")["mixed"]["layers"].empty());
  EXPECT_THAT(result.err, HasSubstr("met as it is"));
}

TEST_F(Mixed, ABudgetThatCannotBeMetGivesTheBestAndAWarning) {
  const Result result = job("missed", {"--auto-mixed", "noise=1e-12"});
  ASSERT_EQ(result.code, 0) << "weights keep their 8 bits: " << result.err;
  const Json found = report("missed");
  EXPECT_FALSE(found["mixed"]["met"]);
  EXPECT_THAT(result.err, testing::AllOf(HasSubstr("[budget-missed]"), HasSubstr("not met by")));
  Json warning;
  for (const Json& one : found["warning_details"])
    if (one["code"] == "budget-missed") warning = one;
  ASSERT_FALSE(warning.is_null());
  EXPECT_EQ(warning["remedy"], "--auto-mixed 'noise=1e-12,to=float'");
  double least = 1;
  for (const Json& point : found["mixed"]["curve"]) least = std::min(least, point["snr"].get<double>());
  EXPECT_LT(least, found["mixed"]["before"]["snr"].get<double>() / 100);
  for (const Json& point : found["mixed"]["curve"])
    if (point["layers"] == found["mixed"]["layers"].size()) {
      EXPECT_EQ(point["snr"], least) << "the best of those that were tried";
    }
  EXPECT_EQ(found["mixed"]["after"]["snr"], warning["figures"]["noise"]);
}

/// What has 16 bits already can only go to float.
TEST_F(Mixed, SixteenBitsGoToFloat) {
  ASSERT_EQ(job("wide", {}, "qnn_htp_a16w8").code, 0);
  const double before = report("wide")["outputs"][0]["snr"];
  ASSERT_EQ(job("wider", {"--auto-mixed", "noise=" + Json(before / 3).dump()}, "qnn_htp_a16w8").code, 0);
  const Json found = report("wider")["mixed"];
  EXPECT_TRUE(found["met"]) << found.dump();
  ASSERT_FALSE(found["layers"].empty());
  for (const Json& layer : found["layers"]) EXPECT_EQ(layer["bits"], "float");
  EXPECT_THAT(found["options"].get<std::string>(), HasSubstr("--keep-float"));
}

TEST_F(Mixed, AgreementIsABudgetOfScores) {
  const Result result = job("agreement", {"--auto-mixed", "agreement=1"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json found = report("agreement");
  EXPECT_EQ(found["mixed"]["met"], found["outputs"][0]["top1_agreement"] == 1);
  const SmallModel image("mixed_image", "(float[1,2,4,4] x, float[2,2,1,1] w) => (float[1,2,4,4] y)", "y = Conv(x, w)",
                         {{"w", noise({2, 2, 1, 1}, 1)}});
  image.samples({1, 2, 4, 4});
  const Result none = ppq_torch({"--model", image.folder + "/model.onnx", "--calib", image.folder + "/data", "--platform", "qnn_dsp_int8",
                                 "--device", test_device_name(), "--output", image.folder + "/out", "--auto-mixed", "agreement=0.9"});
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("agreement cannot be measured"));
  EXPECT_FALSE(std::filesystem::exists(image.folder + "/out/quantized.onnx"));
}

/// What was kept is the first network's calibration, whatever the search does.
TEST_F(Mixed, Resumes) {
  at::Tensor broken = noise({1, 4, 8, 8}, 9);
  broken[0][0][0][0] = std::numeric_limits<float>::quiet_NaN();
  write_npy(model_->folder + "/eval/broken.npy", broken);
  ASSERT_EQ(job("resumed", {"--auto-mixed", "noise=0.01", "--eval", model_->folder + "/eval"}).code, 5);
  ASSERT_EQ(files_in(model_->folder + "/resumed"), std::vector<std::string>{".calibration.json"});
  const Result result = job("resumed", {"--auto-mixed", "noise=0.01", "--resume"});
  ASSERT_EQ(result.code, 0) << result.err;
  ASSERT_EQ(job("whole", {"--auto-mixed", "noise=0.01"}).code, 0);
  expect_same_files("resumed", "whole");
}

TEST_F(Mixed, SensitivityIsPrinted) {
  ASSERT_EQ(job("plain", {}).code, 0);
  const std::string out = model_->folder + "/plain";
  const Result result =
      ppq_torch({"analyze", "--model", out + "/quantized.onnx", "--table", out + "/quantized.table", "--platform", "qnn_htp_int8",
                 "--calib", model_->folder + "/data", "--output", out + "/analysis", "--device", test_device_name(), "--sensitivity"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json ranking = Json::parse(read_file(out + "/analysis/report.json"))["sensitivity"];
  ASSERT_GE(ranking.size(), 6u);
  const std::string worst = ranking[0]["name"];
  EXPECT_THAT(worst, testing::AnyOf("sub", "add")) << ranking.dump();
  EXPECT_EQ(ranking[0]["try"], "--bits '" + worst + "=16'");
  double share = 0;
  for (size_t i = 0; i < ranking.size(); ++i) {
    share += ranking[i]["macs_share"].get<double>();
    EXPECT_GE(ranking[i > 0 ? i - 1 : 0]["snr_alone"].get<double>(), ranking[i]["snr_alone"].get<double>());
  }
  EXPECT_NEAR(share, 1, 1e-9);
  EXPECT_THAT(result.err, testing::AllOf(HasSubstr("each layer alone"), HasSubstr("  --bits '" + worst + "=16'")));
}

}  // namespace
}  // namespace ppq::test
