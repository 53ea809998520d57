// What a job says and does around its work: output, numbers, threads, settings, shapes, clean-up.
#include "apps/command.h"

namespace ppq::test {
namespace {

TEST(OutputFolder, IsTriedBeforeTheSamplesAreRead) {
  Workspace work("unwritable");
  write_file(work.folder + "/file", "");
  at::Tensor bad = at::full({1, 3, 8, 8}, std::numeric_limits<float>::infinity());
  write_npy(work.samples + "/3.npy", bad);  // calibration would fail on it with exit code 5
  for (const std::string& output : {work.folder + "/file/below", std::string("/proc/none")}) {
    const Result result = ppq_torch(work.quantize({"--output", output}));
    EXPECT_EQ(result.code, 6) << result.err;
    EXPECT_THAT(result.err, HasSubstr("cannot write"));
  }
}

TEST(Numbers, AWrongOneNamesItsOption) {
  Workspace work("numbers");
  const Result result = ppq_torch(work.quantize({"--calib-steps", "abc"}));
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, testing::AllOf(HasSubstr("--calib-steps"), HasSubstr("'abc'")));
}

TEST(Threads, SpinALittleUnlessTheUserSaysHowToWait) {
  Workspace work("spinning");
  const std::vector<std::string> arguments = {"run", "--model", work.model, "--input", work.samples, "--output", work.folder + "/out"};
  // With OMP_DISPLAY_ENV the OpenMP runtime prints what it was told.
  const Result usual = ppq_torch(arguments, "env -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT OMP_DISPLAY_ENV=verbose ");
  ASSERT_EQ(usual.code, 0) << usual.err;
  EXPECT_THAT(usual.err, HasSubstr("GOMP_SPINCOUNT = '1000'"));
  EXPECT_THAT(usual.err, testing::Not(HasSubstr("GOMP_SPINCOUNT = '300000'"))) << "the first start reads nothing";
  const Result asleep = ppq_torch(arguments, "env -u GOMP_SPINCOUNT OMP_WAIT_POLICY=passive OMP_DISPLAY_ENV=verbose ");
  EXPECT_THAT(asleep.err, HasSubstr("GOMP_SPINCOUNT = '0'"));
  const Result told = ppq_torch(arguments, "env -u OMP_WAIT_POLICY GOMP_SPINCOUNT=77 OMP_DISPLAY_ENV=verbose ");
  ASSERT_EQ(told.code, 0) << told.err;
  EXPECT_THAT(told.err, HasSubstr("GOMP_SPINCOUNT = '77'"));
}

TEST(Settings, WhatHasNoPassIsSaidAloud) {
  Workspace work("no_pass");
  write_file(work.folder + "/setting.json", R"({"lsq_optimization": true, "channel_split": true})");
  const Result result = ppq_torch(work.quantize({"--output", work.folder + "/out", "--setting", work.folder + "/setting.json"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, testing::AllOf(HasSubstr("asks for lsq_optimization"), HasSubstr("asks for channel_split"),
                                         testing::Not(HasSubstr("weight_split"))));
}

TEST(InputShape, NeedsNoNameWhereThereIsOneInput) {
  Workspace work("nameless");
  auto graph =
      read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g (float[N,3,H,W] image) => (float[N,3,H,W] y) { y = Relu(image) }");
  write_onnx(*graph, work.model);
  const Result result =
      ppq_torch({"run", "--model", work.model, "--input", work.samples, "--output", work.folder + "/out", "--input-shape", "1x3x8x8"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(ppq_torch(work.quantize({"--output", work.folder + "/q", "--input-shape", "1x3x8x8"})).code, 0);
  EXPECT_EQ(ppq_torch(work.quantize({"--output", work.folder + "/q", "--input-shape", "1x3x9x8"})).code, 5) << "and it is checked";
}

TEST(CleanUp, GraphFormatSettingAndPassesSwitchItOff) {
  Workspace work("cleanup");
  auto graph = read_onnx_text(
      "<ir_version: 8, opset_import: [\"\" : 17]> bn (float[1,3,8,8] image) => (float[1,3,8,8] y)"
      " <float[3,3,1,1] w = {1, 0, 0, 0, 1, 0, 0, 0, 1}, float[3] s = {1, 2, 3}, float[3] b = {0, 0, 0}, float[3] m = {0, 0, 0}, float[3] "
      "v = {1, 1, 1}> {"
      " c = Conv(image, w) y = BatchNormalization(c, s, b, m, v) }");
  write_onnx(*graph, work.model);
  auto nodes = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"--dry-run"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Result result = ppq_torch(work.quantize(arguments));
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out.substr(0, result.out.find(" nodes"));
  };
  EXPECT_EQ(nodes({}), "model: 1");
  EXPECT_EQ(nodes({"--passes", "-fuse-batch-norm,-batch-norm-to-conv"}), "model: 2");
  write_file(work.folder + "/setting.json", R"({"graph_format_setting": {"fuse_conv_bn": false}})");
  EXPECT_EQ(nodes({"--setting", work.folder + "/setting.json"}), "model: 2");
}

}  // namespace
}  // namespace ppq::test
