// AIMET loads our encodings of every version and simulates the same network. Needs a Python with aimet-onnx, named by the
// environment variable PPQ_AIMET_PYTHON; skipped without one. The comparison is in aimet_check.py.
#include <ATen/ATen.h>

#include <map>
#include <sstream>

#include "exporters/model_samples.h"
#include "support/python.h"

namespace ppq::test {
namespace {

/// Models that AIMET's simulation cannot hold, and why.
const std::map<std::string, const char*> kNotInAimet = {
    {"silero_vad", "three inputs, an If with sub-graphs: AIMET has no quantizers inside sub-graphs"},
};

struct Case {
  std::string model;  ///< a folder of shared/models
  const char* platform;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.model << " " << c.platform; }

std::vector<Case> cases() {
  std::vector<Case> all;
  if (!have_shared()) return {{"none", "qnn_dsp_int8"}};
  for (const auto& entry : std::filesystem::directory_iterator(shared("models"))) {
    const std::string model = entry.path().filename().string();
    all.push_back({model, "qnn_dsp_int8"});
    if (model.find("resnet8") != std::string::npos || model.find("mobilenet_v1_025") != std::string::npos)
      for (const char* platform : {"qnn_htp_int8", "qnn_htp_a16w8"}) all.push_back({model, platform});
  }
  std::sort(all.begin(), all.end(), [](const Case& a, const Case& b) { return a.model + a.platform < b.model + b.platform; });
  return all;
}

/// Each output agrees end to end, or, where rounding of halves runs apart through the layers, every layer agrees on its own.
void expect_agreement(const Json& found, bool sixteen_bits) {
  // float32 sums come out a little differently in another order; a step of 16 bits is near that.
  const double share = sixteen_bits ? 1e-2 : 1e-3;
  EXPECT_EQ(found["unset"], found["moved"]) << "2.0.0 moves entries of data movement to its input; nothing else is left out";
  for (const auto& [name, tie] : found["ties"].items())
    EXPECT_EQ(tie[1].get<double>(), 0) << name << ": AIMET rounds more than exact halves to another integer";
  double worst = 0;
  for (const auto& [name, snr] : found["outputs"].items()) worst = std::max(worst, snr.get<double>());
  EXPECT_FALSE(found["outputs"].empty());
  EXPECT_GT(found["compared"].get<int>(), 2);
  for (const Json& layer : found["layers"]) {
    EXPECT_LE(layer[1].get<double>(), std::max(1.0, share * layer[2].get<double>())) << layer.dump();
    EXPECT_LE(layer[3].get<double>(), 4.01) << layer.dump() << ": a step before a PRelu of slope 3 is three steps behind it";
  }
  // A single element one step apart in an early layer is enough for networks that amplify it; more than this is no rounding.
  EXPECT_LE(worst, 0.01) << found["outputs"].dump();
}

class Aimet : public testing::TestWithParam<Case> {};

TEST_P(Aimet, LoadsEveryVersionAndAgrees) {
  PPQ_REQUIRE_SHARED();
  const char* python = std::getenv("PPQ_AIMET_PYTHON");
  if (!python) GTEST_SKIP() << "no AIMET: set PPQ_AIMET_PYTHON to a Python that has aimet-onnx";
  const auto& [model, platform] = GetParam();
  if (const auto no = kNotInAimet.find(model); no != kNotInAimet.end()) GTEST_SKIP() << model << ": " << no->second;
  const std::string file = model_file(model), folder = temporary_dir("aimet"), samples = folder + "/samples",
                    first = folder + "/0.6.1/quantized";
  write_samples(model, *read_onnx(file), samples);
  std::vector<std::string> arguments = {first + ".onnx", samples + "/0.npy", folder + "/ours/0.npy"};
  for (const char* version : {"0.6.1", "1.0.0", "2.0.0"}) {
    const Result result =
        ppq_torch({"--model", file, "--calib", samples, "--platform", platform, "--device", "cpu", "--observer", "minmax",
                   "--passes=-correct-bias", "--layerwise-samples", "0", "--encodings", version, "--output", folder + "/" + version});
    ASSERT_EQ(result.code, 0) << result.err;
    arguments.push_back(folder + "/" + version + "/quantized.table");
    EXPECT_EQ(read_file(folder + "/" + version + "/quantized.onnx"), read_file(first + ".onnx")) << "one graph, three tables";
  }
  const Result run = ppq_torch({"run", "--model", first + ".onnx", "--table", first + ".table", "--platform", platform, "--device", "cpu",
                                "--input", samples + "/0.npy", "--tensors", "all", "--output", folder + "/ours"});
  ASSERT_EQ(run.code, 0) << run.err;
  std::istringstream lines(run_python(read_file(PPQ_SOURCE_DIR "/tests/exporters/aimet_check.py"), arguments, python));
  size_t versions = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("{\"version\"", 0) != 0) continue;
    ++versions;
    SCOPED_TRACE(line);
    expect_agreement(Json::parse(line), std::string(platform).find("a16") != std::string::npos);
    std::printf("%s %s\n", platform, line.substr(0, 1500).c_str());
  }
  EXPECT_EQ(versions, 3u);
}

INSTANTIATE_TEST_SUITE_P(Models, Aimet, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.model + "_" + info.param.platform; });

}  // namespace
}  // namespace ppq::test
