#include "analysis/compare.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "data/npy.h"
#include "ppq/error.h"
#include "support/share.h"

namespace ppq::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

void write_raw(const std::string& path, const at::Tensor& tensor) {
  const at::Tensor values = tensor.contiguous();
  write_file(path, std::string(static_cast<const char*>(values.const_data_ptr()), values.nbytes()));
}

at::Tensor ramp(std::vector<int64_t> sizes) {
  int64_t count = 1;
  for (int64_t size : sizes) count *= size;
  return at::arange(1, count + 1, at::kFloat).reshape(sizes);
}

struct Folders {
  std::string root = temporary_dir("compare"), reference = root + "/reference", candidate = root + "/candidate";
};

std::string error_of(const Folders& folders, const CompareOptions& options = {}) {
  try {
    compare_dumps(folders.reference, folders.candidate, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Data);
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

TEST(Compare, MeasuresAgainstHandComputedNumbers) {
  Folders f;
  write_npy(f.reference + "/a/t.npy", at::tensor({3.f, 4.f, 0.f}));
  write_npy(f.candidate + "/a/t.npy", at::tensor({3.f, 4.f, 0.5f}));
  CompareOptions options;
  options.scales["t"] = 0.25;
  const auto result = compare_dumps(f.reference, f.candidate, options);
  ASSERT_EQ(result.tensors.size(), 1u);
  EXPECT_DOUBLE_EQ(result.tensors[0].snr, 0.25 / 25);
  EXPECT_NEAR(result.tensors[0].cosine, 25 / (5 * std::sqrt(25.25)), 1e-12);
  EXPECT_DOUBLE_EQ(result.tensors[0].max_difference, 0.5);
  EXPECT_DOUBLE_EQ(result.tensors[0].max_steps.value(), 2);
  EXPECT_TRUE(result.tensors[0].off);
  options.max_steps = 2;
  EXPECT_EQ(compare_dumps(f.reference, f.candidate, options).first_off(), nullptr);
}

TEST(Compare, ChannelsLastRawFilesOfTheDevice) {
  Folders f;
  const at::Tensor image = ramp({1, 3, 2, 4}), vector = ramp({1, 5});
  write_npy(f.reference + "/s/image.npy", image);
  write_npy(f.reference + "/s/vector.npy", vector);
  write_raw(f.candidate + "/s/image.raw", image.permute({0, 2, 3, 1}));
  write_raw(f.candidate + "/s/vector.raw", vector);
  CompareOptions options;
  EXPECT_GT(compare_dumps(f.reference, f.candidate, options).tensors[0].snr, 0.01);
  options.layout = Layout::NHWC;
  for (const auto& tensor : compare_dumps(f.reference, f.candidate, options).tensors) EXPECT_EQ(tensor.max_difference, 0) << tensor.name;
}

TEST(Compare, NamesAsTheSdkSpellsThemAndResultFolders) {
  Folders f;
  for (int i = 0; i < 2; ++i) {
    write_npy(f.reference + "/raw_00000" + std::to_string(i) + "/_features_conv.0_Conv_output_0.npy", at::full({2}, i + 1.f));
    write_raw(f.candidate + "/Result_" + std::to_string(i) + "/features/conv_0/Conv_output_0.raw.raw", at::full({2}, i + 1.f));
  }
  write_npy(f.reference + "/raw_000000/x.1.npy", at::ones({2}));
  write_npy(f.reference + "/raw_000000/x_1.npy", at::ones({2}));
  write_raw(f.candidate + "/Result_0/x:1.raw", at::ones({2}));  // either of two: neither
  const auto result = compare_dumps(f.reference, f.candidate, {});
  ASSERT_EQ(result.tensors.size(), 1u);
  EXPECT_EQ(result.tensors[0].samples, 2u);
  EXPECT_EQ(result.tensors[0].max_difference, 0);
  EXPECT_THAT(result.only_candidate, ElementsAre("Result_0/x:1"));
  EXPECT_THAT(result.only_reference, ElementsAre("raw_000000/x.1", "raw_000000/x_1"));
}

TEST(Compare, OrderAndStepsComeFromTheTable) {
  Folders f;
  write_file(f.root + "/t.table", R"({"version": "0.6.1", "param_encodings": {}, "activation_encodings": {
    "/z/first": [{"bitwidth": 8, "dtype": "int", "is_symmetric": "False", "min": 0.0, "max": 25.5, "offset": 0, "scale": 0.1}],
    "a_second": [{"bitwidth": 8, "dtype": "int", "is_symmetric": "False", "min": 0.0, "max": 25.5, "offset": 0, "scale": 0.1}]}})");
  for (const char* name : {"_z_first", "a_second", "a_unknown"}) {
    write_npy(f.reference + "/s/" + name + ".npy", at::ones({4}));
    write_npy(f.candidate + "/s/" + name + ".npy", at::full({4}, 1.2f));
  }
  CompareOptions options;
  read_scales(f.root + "/t.table", options);
  const auto result = compare_dumps(f.reference, f.candidate, options);
  ASSERT_EQ(result.tensors.size(), 3u);
  EXPECT_EQ(result.tensors[0].name, "/z/first");
  EXPECT_NEAR(result.tensors[0].max_steps.value(), 2, 1e-5);
  EXPECT_EQ(result.tensors[1].name, "a_second");
  EXPECT_EQ(result.tensors[2].name, "a_unknown");
  EXPECT_FALSE(result.tensors[2].max_steps);
  EXPECT_TRUE(result.tensors[2].off);  // 0.04 of noise over signal
  EXPECT_EQ(result.first_off()->name, "/z/first");
}

TEST(Compare, PpqsConfigurationIsATableToo) {
  Folders f;
  write_file(f.root + "/t.json", R"({"configs": {
    "one": {"x": {"state": "FP32", "hash": 1, "dominator": 1}, "w": {"state": "BAKED", "hash": 2, "dominator": 2},
            "second": {"state": "OVERLAPPED", "hash": 3, "dominator": 4}},
    "two": {"second": {"state": "OVERLAPPED", "hash": 5, "dominator": 4}, "first": {"state": "ACTIVATED", "hash": 4, "dominator": 4},
            "channels": {"state": "ACTIVATED", "hash": 6, "dominator": 6}, "lost": {"state": "ACTIVATED", "hash": 7, "dominator": 9}}},
    "dispatchings": {}, "values": {"2": {"scale": 7, "zero_point": 0}, "4": {"scale": 0.1, "zero_point": 3}, "6": {"scale": [1, 2]}}})");
  CompareOptions options;
  read_scales(f.root + "/t.json", options);
  EXPECT_EQ(options.order, (std::vector<std::string>{"second", "first", "channels", "lost"}));
  EXPECT_EQ(options.scales, (std::map<std::string, double>{{"first", 0.1}, {"second", 0.1}}));
}

TEST(Compare, MissingTensorsOfEitherSideAreReported) {
  Folders f;
  for (const char* name : {"both", "mine"}) write_npy(f.reference + "/s/" + name + ".npy", at::ones({2}));
  for (const char* name : {"both", "theirs"}) write_npy(f.candidate + "/s/" + name + ".npy", at::ones({2}));
  const auto result = compare_dumps(f.reference, f.candidate, {});
  EXPECT_THAT(result.only_reference, ElementsAre("s/mine"));
  EXPECT_THAT(result.only_candidate, ElementsAre("s/theirs"));
}

TEST(Compare, NaNIsOff) {
  Folders f;
  write_npy(f.reference + "/s/t.npy", at::ones({2}));
  write_npy(f.candidate + "/s/t.npy", at::tensor({1.f, NAN}));
  CompareOptions options;
  EXPECT_NE(compare_dumps(f.reference, f.candidate, options).first_off(), nullptr);
  options.scales["t"] = 1;
  EXPECT_NE(compare_dumps(f.reference, f.candidate, options).first_off(), nullptr);
}

TEST(Compare, WhatCannotBeComparedIsSaid) {
  Folders f;
  EXPECT_THAT(error_of(f), HasSubstr("no such folder"));
  std::filesystem::create_directories(f.reference);
  EXPECT_THAT(error_of(f), HasSubstr("no tensors"));
  write_npy(f.reference + "/s/t.npy", at::ones({1, 3}));
  write_npy(f.candidate + "/s/t.npy", at::ones({1, 4}));
  EXPECT_THAT(error_of(f), HasSubstr("shape: got [1, 4], expected [1, 3]"));
  std::filesystem::remove_all(f.candidate);
  write_raw(f.candidate + "/s/t.raw", at::ones({4}));
  EXPECT_THAT(error_of(f), HasSubstr("number of values: got 4, expected 3"));
  write_file(f.candidate + "/s/t.raw", "12345");
  EXPECT_THAT(error_of(f), HasSubstr("got 5 bytes"));
}

TEST(Compare, CommandPrintsJsonAndExitsWithFiveWhereNothingIsInCommon) {
  Folders f;
  write_npy(f.reference + "/s/t.npy", at::ones({2}));
  write_npy(f.candidate + "/s/t.npy", at::full({2}, 3.f));
  auto run = [&](const std::string& options) {
    std::FILE* pipe =
        ::popen((PPQ_BINARY " compare --reference " + f.reference + " --candidate " + f.candidate + options + " 2>/dev/null").c_str(), "r");
    std::string output(4096, '\0');
    output.resize(std::fread(output.data(), 1, output.size(), pipe));
    return std::pair(output, WEXITSTATUS(::pclose(pipe)));
  };
  const auto [text, code] = run(" --json");
  EXPECT_EQ(code, 0);
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json["first_off"], "t");
  EXPECT_EQ(json["tensors"][0]["max_difference"], 2);
  EXPECT_THAT(run("").first, HasSubstr("first tensor that is off: t"));
  EXPECT_EQ(run(" --layout sideways").second, 2);
  std::filesystem::rename(f.candidate + "/s/t.npy", f.candidate + "/s/other.npy");
  EXPECT_EQ(run("").second, 5);
}

}  // namespace
}  // namespace ppq::test
