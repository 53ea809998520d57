// Jobs with the exporters of several runtimes side by side.
#include <set>

#include "apps/command.h"

namespace ppq::test {
namespace {

TEST(Exporters, SeveralWriteIntoOneFolder) {
  const Workspace work("several_exporters");
  const std::string out = work.folder + "/out";
  const Result job = ppq_torch(work.quantize({"--export", "encodings,ppq-json,tengine-scale,snpe-json,onnx-qdq", "--output", out,
                                              "--observer", "minmax", "--layerwise-samples", "0"}));
  ASSERT_EQ(job.code, 0) << job.err;
  EXPECT_THAT(files_in(out), testing::ElementsAre("DEPLOY.md", "quantized.onnx", "quantized.table", "quantized_ppq.json",
                                                  "quantized_qdq.onnx", "quantized_snpe.json", "quantized_tengine.json",
                                                  "quantized_tengine.scale", "report.html", "report.json", "setting.json"));
  const std::string guide = read_file(out + "/DEPLOY.md");
  for (const char* word : {"snpe-onnx-to-dlc", "quantized_ppq.json", "quant_tool_uint8", "quantized_snpe.json"})
    EXPECT_THAT(guide, HasSubstr(word));
  const Json missing = Json::parse(read_file(out + "/report.json"))["encodings"]["missing"];
  EXPECT_EQ(std::set<std::string>(missing.begin(), missing.end()).size(), missing.size()) << "each once";
}

/// PPQ's JSON as a table: the same outputs as by encodings.
TEST(Exporters, PpqJsonIsATableToo) {
  const Workspace work("ppq_table");
  const std::string out = work.folder + "/out";
  ASSERT_EQ(ppq_torch(work.quantize({"--export", "encodings,ppq-json", "--output", out, "--layerwise-samples", "0"})).code, 0);
  for (const auto& [table, folder] : {std::pair("quantized.table", "/by_table"), {"quantized_ppq.json", "/by_ppq"}}) {
    const Result run = ppq_torch({"run", "--model", out + "/quantized.onnx", "--table", out + "/" + table, "--platform", "qnn_dsp_int8",
                                  "--input", work.samples, "--output", work.folder + folder, "--device", test_device_name()});
    ASSERT_EQ(run.code, 0) << run.err;
  }
  EXPECT_THAT(files_in(work.folder + "/by_table"), testing::SizeIs(4));
  for (const std::string& file : files_in(work.folder + "/by_table"))
    EXPECT_TRUE(at::equal(read_npy(work.folder + "/by_table/" + file), read_npy(work.folder + "/by_ppq/" + file))) << file;
  const Result again = ppq_torch(work.quantize({"--overrides", out + "/quantized_ppq.json", "--output", work.folder + "/again", "--export",
                                                "encodings", "--layerwise-samples", "0"}));
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(Json::parse(read_file(work.folder + "/again/quantized.table"))["activation_encodings"],
            Json::parse(read_file(out + "/quantized.table"))["activation_encodings"]);
}

/// Before the samples are read: the last one is no file of samples.
TEST(Exporters, ATargetThatTheFormatCannotSpeakOfIsRefusedAtOnce) {
  const Workspace work("refused_exporter");
  write_file(work.samples + "/4.npy", "no samples");
  const Result job = ppq_torch(work.quantize({"--export", "tensorrt-json", "--output", work.folder + "/out"}));
  EXPECT_EQ(job.code, 4) << job.err;
  EXPECT_THAT(job.err, testing::AllOf(HasSubstr("[platform qnn_dsp_int8] TensorRT's"), HasSubstr("0..255"), HasSubstr("-128..127")));
  EXPECT_FALSE(std::filesystem::exists(work.folder + "/out"));
}

}  // namespace
}  // namespace ppq::test
