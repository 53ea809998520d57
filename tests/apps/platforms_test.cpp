// Whole jobs for every platform, and for a platform from a file of the user's.
#include "apps/command.h"
#include "ppq/platform.h"

namespace ppq::test {
namespace {

class Platforms : public testing::Test {
 protected:
  static void SetUpTestSuite() { work_ = new Workspace("platforms"); }
  static void TearDownTestSuite() { delete work_; }
  static std::string path(const std::string& name) { return work_->folder + "/" + name; }
  static Result job(const std::string& platform, const std::string& folder, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"--platform", platform, "--output", path(folder), "--layerwise-samples", "0"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return ppq_torch(work_->quantize(arguments));
  }
  static Json report(const std::string& folder) { return Json::parse(read_file(path(folder + "/report.json"))); }
  inline static Workspace* work_ = nullptr;
};

/// Every target's rules, setting, passes and exporters go together; 4 bits on both sides lose most.
TEST_F(Platforms, EveryOneQuantizes) {
  for (const PlatformSpec& spec : platform_table()) {
    SCOPED_TRACE(spec.name);
    const Result result = job(spec.name, spec.name);
    ASSERT_EQ(result.code, 0) << result.err;
    const Json found = report(spec.name);
    EXPECT_EQ(found["platform"], spec.name);
    EXPECT_GT(found["nodes"]["quantized"], 0);
    const double error = found["outputs"][0]["snr"].get<double>();
    EXPECT_GT(error, 0);
    EXPECT_LT(error, spec.name == "ppl_cuda_int4" ? 0.2 : 0.02) << result.out;
    EXPECT_TRUE(std::filesystem::exists(path(spec.name + "/DEPLOY.md")));
  }
}

const char* const kRules = R"({"name": "my_npu", "types": ["Conv", "Relu", "Gemm", "Flatten", "GlobalAveragePool"],
  "slots": [{"role": "weight", "bits": 6, "symmetric": true, "granularity": "per-channel"}, {"role": "data"}, {"role": "output"}],
  "exporters": ["onnx", "encodings"]})";

TEST_F(Platforms, OnesOwnFromAFile) {
  write_file(path("my.json"), kRules);
  const Result result = job(path("my.json"), "own");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(report("own")["platform"], "my_npu");
  const Json table = Json::parse(read_file(path("own/quantized.table")));
  for (const auto& [name, encodings] : table["param_encodings"].items()) EXPECT_EQ(encodings[0]["bitwidth"], 6) << name;
  for (const auto& [name, encodings] : table["activation_encodings"].items()) EXPECT_EQ(encodings[0]["bitwidth"], 8) << name;
  const Result run = ppq_torch({"run", "--model", path("own/quantized.onnx"), "--table", path("own/quantized.table"), "--platform",
                                path("my.json"), "--input", path("samples"), "--output", path("ran")});
  EXPECT_EQ(run.code, 0) << run.err;
}

TEST_F(Platforms, WhatAFileNamesIsLookedUpBeforeAnythingRuns) {
  const auto refused = [&](const std::string& more, const char* where, const char* what) {
    std::string rules = kRules;
    rules.insert(rules.size() - 1, "," + more);
    write_file(path("bad.json"), rules);
    const Result result = job(path("bad.json"), "bad");
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_THAT(result.err, testing::AllOf(HasSubstr(where), HasSubstr(what)));
    EXPECT_FALSE(std::filesystem::exists(path("bad")));
  };
  refused(R"("setting": "dps")", "bad.json: setting", "did you mean dsp");
  refused(R"("passes": ["split-gem"])", "bad.json: passes", "did you mean split-gemm");
  refused(R"("like": 3)", "--platform", "like: got 3");
  EXPECT_EQ(job(path("none.json"), "bad").code, 5);
}

}  // namespace
}  // namespace ppq::test
