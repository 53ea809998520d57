// scripts/write_qparams_to_snpe_dlc.py against a stand-in of the SDK's module that records calls.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "support/python.h"
#include "support/share.h"

namespace ppq::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Json = nlohmann::json;

const char* const kTable = R"({"version": "0.6.1", "param_encodings": {}, "activation_encodings": {
  "image": [{"bitwidth": 8, "dtype": "int", "is_symmetric": "False", "min": -1.0, "max": 1.55, "offset": -100, "scale": 0.01}],
  "/split/left": [{"bitwidth": 8, "dtype": "int", "is_symmetric": "False", "min": 0.0, "max": 2.55, "offset": 0, "scale": 0.01}],
  "/split/right": [{"bitwidth": 16, "dtype": "int", "is_symmetric": "False", "min": -3.0, "max": 4.0, "offset": -28086, "scale": 0.0001068}],
  "kept": [{"bitwidth": 32, "dtype": "float"}]}})";

class WriteQparams : public testing::Test {
 protected:
  void SetUp() override {
    PPQ_REQUIRE_PYTHON();
    write_file(folder_ + "/in.dlc", "dlc");
    write_file(folder_ + "/q.json", kTable);
    shell(PPQ_TEST_PYTHON " " PPQ_SOURCE_DIR "/tests/scripts/fake_sdk.py " + folder_ + "/sdk");
  }
  std::pair<std::string, int> shell(const std::string& command) {
    std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    std::string output;
    char buffer[4096];
    while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, n);
    return {output, WEXITSTATUS(::pclose(pipe))};
  }
  std::pair<std::string, int> run(const std::string& layers, bool sdk = true) {
    write_file(folder_ + "/layers.json", layers);
    return shell("env FAKE_LAYERS=" + folder_ + "/layers.json PYTHONPATH=" + (sdk ? folder_ + "/sdk" : folder_) +
                 " PYTHONDONTWRITEBYTECODE=1 " PPQ_TEST_PYTHON " " PPQ_SOURCE_DIR
                 "/scripts/write_qparams_to_snpe_dlc.py --input_dlc_model " +
                 folder_ + "/in.dlc --output_dlc_model " + folder_ + "/out.dlc --qparam " + folder_ + "/q.json");
  }
  Json calls() { return Json::parse(read_file(folder_ + "/out.dlc")); }
  const std::string folder_ = temporary_dir("qparams");
};

TEST_F(WriteQparams, EveryOutputByItsOwnIndexAndBitWidth) {
  const auto [output, code] = run(R"([
    {"name": "image", "output_names": ["image"], "input_names": []},
    {"name": "image.ncs", "output_names": ["image.ncs"], "input_names": ["image"]},
    {"name": "split", "output_names": ["_split_left", "/split/right"], "input_names": ["image.ncs"]},
    {"name": "kept", "output_names": ["kept"], "input_names": ["/split/right"]},
    {"name": "fused", "output_names": ["nobody"], "input_names": ["kept"]},
    {"name": "reorder", "output_names": ["other.ncs"], "input_names": ["/split/right"]}])");
  ASSERT_EQ(code, 0) << output;
  const Json expected = {{"load", folder_ + "/in.dlc"},          {"set_tf_encoding_type", "TF"},    {"set", "image", 0, 8, -1.0, 1.55},
                         {"set", "image.ncs", 0, 8, -1.0, 1.55}, {"set", "split", 0, 8, 0.0, 2.55}, {"set", "split", 1, 16, -3.0, 4.0},
                         {"set", "reorder", 0, 16, -3.0, 4.0},   {"quantize_weights", true},        Json::array({"save"})};
  EXPECT_EQ(calls(), expected);
  EXPECT_THAT(output, AllOf(HasSubstr("skipped: kept[0] kept: float in the table"), HasSubstr("skipped: fused[0] nobody: no encoding"),
                            HasSubstr("5 set, 2 skipped")));
}

TEST_F(WriteQparams, MissingSdkIsSaid) {
  const auto [output, code] = run("[]", false);
  EXPECT_EQ(code, 4);
  EXPECT_THAT(output, AllOf(HasSubstr("error: [SNPE SDK]"), HasSubstr("--quantization_overrides")));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/out.dlc"));
}

TEST_F(WriteQparams, TableOfAnotherModelWritesNothing) {
  const auto [output, code] = run(R"([{"name": "a", "output_names": ["a"], "input_names": []}])");
  EXPECT_EQ(code, 5);
  EXPECT_THAT(output, HasSubstr("names no tensor"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/out.dlc"));
}

TEST_F(WriteQparams, OtherVersionsAndBrokenFilesAreSaid) {
  write_file(folder_ + "/q.json", R"({"version": "1.0.0", "activation_encodings": [], "param_encodings": []})");
  EXPECT_THAT(run("[]").first, HasSubstr("got version 1.0.0, expected 0.6.1"));
  write_file(folder_ + "/q.json", "{");
  EXPECT_EQ(run("[]").second, 5);
  std::filesystem::remove(folder_ + "/q.json");
  EXPECT_THAT(run("[]").first, HasSubstr("cannot read"));
}

}  // namespace
}  // namespace ppq::test
