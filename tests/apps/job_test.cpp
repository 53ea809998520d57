// What a job says and does around its work: output, numbers, threads, settings, shapes, clean-up.
#include <set>

#include "apps/command.h"
#include "ppq/job.h"
#include "support/thrown.h"

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

/// The library's Job is what the program runs: the same options give the same files, and the result says what they are.
TEST(LibraryJob, GivesTheFilesOfTheProgram) {
  Workspace work("library_job");
  ASSERT_EQ(ppq_torch(work.quantize({"--output", work.folder + "/program", "--observer", "minmax", "--calib-steps", "3"})).code, 0);
  JobOptions options;
  options.model = work.model, options.calib = work.samples, options.platform = "qnn_dsp_int8", options.device = test_device_name();
  options.output = work.folder + "/library", options.observer = "minmax", options.calib_steps = 3;
  Job job(options);
  std::set<std::string> steps;
  std::vector<std::string> said;
  job.on_progress([&](const std::string& what, size_t, size_t) { steps.insert(what); });
  job.on_say([&](const std::string& text) { said.push_back(text); });
  const JobPlan plan = job.plan();
  EXPECT_EQ(plan.calibration_samples, 3u);
  EXPECT_EQ(plan.output, options.output);
  EXPECT_THAT(plan.passes, testing::Contains("calibrate"));
  EXPECT_FALSE(std::filesystem::exists(options.output)) << "a plan writes nothing";
  const JobResult result = job.run();
  for (const char* name : {"/quantized.onnx", "/quantized.table", "/setting.json"})
    EXPECT_EQ(read_file(options.output + name), read_file(work.folder + "/program" + name)) << name;
  EXPECT_THAT(result.files, testing::IsSupersetOf({"quantized.onnx", "quantized.table", "report.json", "report.html", "DEPLOY.md"}));
  for (const std::string& file : result.files) EXPECT_TRUE(std::filesystem::exists(result.output + "/" + file)) << file;
  EXPECT_EQ(read_file(options.output + "/report.json"), result.report);
  EXPECT_THAT(result.summary, HasSubstr("encodings: "));
  EXPECT_TRUE(result.graph && result.graph->node_count() > 0);
  EXPECT_THAT(result.records, testing::Contains(testing::Field(&PassRecord::name, "calibrate")));
  EXPECT_THAT(said, testing::Contains(HasSubstr("in the first sample")));
  EXPECT_THAT(steps, testing::Contains("calibrate"));
  EXPECT_EQ(thrown([&] { job.run(); }).kind(), ErrorKind::Internal) << "once";
}

TEST(LibraryJob, SaysWhatIsMissingOrWrongAtOnce) {
  JobOptions options;
  EXPECT_THAT(thrown([&] { Job job(options); }).what(), HasSubstr("--model is missing"));
  options.model = "m.onnx", options.calib = "c";
  EXPECT_THAT(thrown([&] { Job job(options); }).what(), HasSubstr("--platform is missing"));
  options.platform = "qnn_dsp_int9";
  EXPECT_THAT(thrown([&] { Job job(options); }).what(), HasSubstr("qnn_dsp_int9"));
  options.platform = "qnn_dsp_int8", options.calib_steps = 0;
  EXPECT_THAT(thrown([&] { Job job(options); }).what(), HasSubstr("--calib-steps"));
}

/// Linux hands a process's peak on to what it starts: the program must say its own.
TEST(Memory, ThePeakIsTheProgramsOwn) {
  Workspace work("peak");
  const std::vector<char> large(size_t{3} << 29, 1);
  const Result result = ppq_torch(work.quantize({"--output", work.folder + "/out"}), "exec ");
  ASSERT_EQ(result.code, 0) << result.err;
  const Json report = Json::parse(read_file(work.folder + "/out/report.json"));
  EXPECT_LT(report["memory"]["peak_rss_bytes"].get<double>(), static_cast<double>(large.size()));
}

TEST(LibraryJob, AFailedPlanIsNoPlan) {
  Workspace work("failed_plan");
  JobOptions options;
  options.model = work.model, options.calib = work.folder + "/nothing", options.platform = "qnn_dsp_int8";
  options.output = work.folder + "/out";
  Job job(options);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(thrown([&] { job.plan(); }).kind(), ErrorKind::Data) << "again";
  EXPECT_EQ(thrown([&] { job.run(); }).kind(), ErrorKind::Data);
  EXPECT_FALSE(std::filesystem::exists(options.output));
}

/// The report, --dump-config and the job's options are one list.
TEST(JobOptions, TheReportHasThemAsDumpConfigSpellsThem) {
  Workspace work("options");
  const auto arguments = work.quantize({"--output", work.folder + "/out", "--keep-float", "Relu", "--mean", "1.50,2", "--std", "1,1"});
  ASSERT_EQ(ppq_torch(arguments).code, 0);
  auto dump = arguments;
  dump.emplace_back("--dump-config");
  const Result config = ppq_torch(dump);
  ASSERT_EQ(config.code, 0) << config.err;
  const Json told = Json::parse(config.out), report = Json::parse(read_file(work.folder + "/out/report.json")).at("options");
  for (const auto& [name, value] : report.items()) {
    ASSERT_TRUE(told.contains(name)) << name;
    if (name == "mean") continue;  // below
    EXPECT_EQ(told.at(name), value) << name;
  }
  EXPECT_EQ(report.at("mean"), "1.5,2");
  EXPECT_EQ(report.at("keep-float"), "Relu");
  const std::set<std::string> elsewhere = {"threads", "quiet", "verbose", "log-format", "no-progress", "dry-run"};
  for (const auto& [name, value] : told.items()) EXPECT_EQ(report.contains(name), !elsewhere.count(name)) << name;
}

TEST(Settings, WhatHasNoPassIsSaidAloud) {
  Workspace work("no_pass");
  write_file(work.folder + "/setting.json", R"({"lsq_optimization": true, "blockwise_reconstruction": true, "channel_split": true})");
  const Result result = ppq_torch(work.quantize({"--output", work.folder + "/out", "--setting", work.folder + "/setting.json"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, testing::AllOf(HasSubstr("asks for lsq_optimization"), HasSubstr("asks for blockwise_reconstruction"),
                                         testing::Not(HasSubstr("asks for channel_split"))));
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
