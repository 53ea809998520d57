// The programs of examples/ as a user runs them.
#include "apps/command.h"

namespace ppq::test {
namespace {

/// Runs the example in a folder of its own: output and exit code.
std::pair<std::string, int> example(const std::string& folder, const std::string& arguments,
                                    const std::string& program = "deploy_snpe_dsp") {
  std::FILE* pipe = ::popen(("cd " + folder + " && " PPQ_BUILD_DIR "/bin/" + program + " " + arguments + " 2>&1").c_str(), "r");
  std::string output;
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, n);
  return {output, WEXITSTATUS(::pclose(pipe))};
}

TEST(Example, WritesGraphAndTable) {
  const Workspace work("example");
  const auto [output, code] = example(work.folder, "small.onnx samples " + test_device_name() + " 3");
  ASSERT_EQ(code, 0) << output;
  EXPECT_THAT(output, HasSubstr("warning:"));  // 3 samples are fewer than 8
  EXPECT_EQ(read_onnx(work.folder + "/quantized.onnx")->outputs().at(0)->name(), "scores");
  const Json table = Json::parse(read_file(work.folder + "/quantized.table"));
  EXPECT_EQ(table["version"], "0.6.1");
  for (const char* name : {"image", "r", "scores"}) EXPECT_TRUE(table["activation_encodings"].contains(name)) << name;
  EXPECT_TRUE(table["param_encodings"].contains("weight"));
}

TEST(Example, RawSamplesGiveTheSameTableAsNumpyFiles) {
  const Workspace work("example");
  for (int i = 0; i < 4; ++i) {
    const at::Tensor sample = noise({1, 3, 8, 8}, i);
    write_file(work.folder + "/raw/" + std::to_string(i) + ".bin",
               std::string(static_cast<const char*>(sample.const_data_ptr()), sample.nbytes()));
  }
  ASSERT_EQ(example(work.folder, "small.onnx samples " + test_device_name()).second, 0);
  const std::string expected = read_file(work.folder + "/quantized.table");
  std::filesystem::remove(work.folder + "/quantized.table");
  ASSERT_EQ(example(work.folder, "small.onnx raw " + test_device_name()).second, 0);
  EXPECT_EQ(read_file(work.folder + "/quantized.table"), expected);
}

TEST(Example, ErrorsHaveTheExitCodesOfTheCommandLine) {
  const Workspace work("example");
  EXPECT_EQ(example(work.folder, "small.onnx").second, 2);
  EXPECT_EQ(example(work.folder, "small.onnx samples cpu none").second, 2);
  const auto [output, code] = example(work.folder, "small.onnx nowhere cpu");
  EXPECT_EQ(code, 5);
  EXPECT_THAT(output, HasSubstr("error: ["));
}

/// A factor of 1 is the job without the pass.
TEST(OwnPass, RunsInTheUsualJob) {
  const Workspace work("own_pass");
  for (const auto& [output, factor] : {std::pair("plain", "1"), {"wide", "1.25"}}) {
    const auto [text, code] = example(work.folder, "small.onnx samples qnn_dsp_int8 " + std::string(output) + " " + factor, "own_pass");
    ASSERT_EQ(code, 0) << text;
    EXPECT_THAT(text, testing::ContainsRegex("add-headroom: [1-9][0-9]* ranges widened"));
    EXPECT_THAT(read_file(work.folder + "/" + output + "/report.json"), HasSubstr("\"add-headroom\""));
  }
  const Json plain = Json::parse(read_file(work.folder + "/plain/quantized.table")),
             wide = Json::parse(read_file(work.folder + "/wide/quantized.table"));
  const auto scale = [](const Json& table, const char* name) { return table["activation_encodings"][name][0]["scale"].get<double>(); };
  // Not to the bit: candidates are tried with the headroom, and another one may do best.
  for (const char* name : {"image", "r"}) EXPECT_NEAR(scale(wide, name) / scale(plain, name), 1.25, 0.01) << name;
  EXPECT_EQ(wide["param_encodings"]["weight"], plain["param_encodings"]["weight"]);
}

TEST(OwnPass, ChecksItsNumber) {
  const Workspace work("own_pass");
  const auto [text, code] = example(work.folder, "small.onnx samples qnn_dsp_int8 out 0.5", "own_pass");
  EXPECT_EQ(code, 2);
  EXPECT_THAT(text, HasSubstr("[HEADROOM] got '0.5', expected at least 1"));
}

}  // namespace
}  // namespace ppq::test
