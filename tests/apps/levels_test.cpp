// One job at every level of instructions this machine has: what is equal bit for bit, and how far the rest may differ.
#include "apps/command.h"

#include <cmath>
#include <map>
#include <utility>

#include "kernels/cpu/level.h"

namespace ppq::test {
namespace {

/// Our kernels' level and LibTorch's and oneDNN's like ones, as their environment variables spell them.
struct Level {
  std::string kernels, libtorch, onednn;
};

const std::vector<Level> kLevels{{"scalar", "default", "SSE41"}, {"avx2", "avx2", "AVX2"}, {"avx512", "avx512", "AVX512_CORE"}};

std::vector<Level> levels_here() {
  return {kLevels.begin(), kLevels.begin() + static_cast<int64_t>(kernels::cpu::available_levels().size())};
}

/// In front of the program: nothing lowered; our kernels alone; everything.
const std::string kOwn = "unset PPQ_CPU_KERNELS ATEN_CPU_CAPABILITY ONEDNN_MAX_CPU_ISA; ";
std::string lower_kernels(const Level& level) { return kOwn + "PPQ_CPU_KERNELS=" + level.kernels + " "; }
std::string lower_all(const Level& level) {
  return lower_kernels(level) + "ATEN_CPU_CAPABILITY=" + level.libtorch + " ONEDNN_MAX_CPU_ISA=" + level.onednn + " ";
}

/// `name = numbers` for a model's text. As magnitudes they are at least those that the number has before or after it is
/// rounded to 8 bits (half a step of at most 2 max / 255).
std::string numbers(const std::string& name, const std::vector<int64_t>& sizes, int seed, bool magnitudes) {
  const int64_t fan_in = sizes.size() > 1 ? c10::multiply_integers(sizes.begin() + 1, sizes.end()) : 50;
  at::Tensor values = noise(sizes, seed) * std::sqrt(3.0 / static_cast<double>(fan_in));
  if (magnitudes) values = values.abs() + values.abs().max() / 255;
  std::string text = "float[", separator;
  for (int64_t size : sizes) text += std::exchange(separator, ",") + std::to_string(size);
  text += "] " + name + " = {";
  separator.clear();
  for (int64_t i = 0; i < values.numel(); ++i) text += std::exchange(separator, ", ") + std::to_string(values.view(-1)[i].item<float>());
  return text + "}";
}

/// Roundings on the longest way to each tensor, whatever the order of summation: products and bias of a layer, an Add, a mean of 144.
const std::map<std::string, double> kRoundings{{"c1", 28}, {"r1", 28}, {"c2", 38}, {"r2", 38}, {"c3", 55},
                                               {"s", 56},  {"r3", 56}, {"p", 200}, {"f", 200}, {"scores", 217}};

std::string network(bool magnitudes) {
  const std::vector<std::pair<std::string, std::vector<int64_t>>> constants = {
      {"w1", {16, 3, 3, 3}},  {"b1", {16}}, {"w2", {16, 1, 3, 3}}, {"b2", {16}},
      {"w3", {16, 16, 1, 1}}, {"b3", {16}}, {"w4", {10, 16}},      {"b4", {10}}};
  std::string text, separator;
  for (size_t i = 0; i < constants.size(); ++i)
    text += std::exchange(separator, ", ") + numbers(constants[i].first, constants[i].second, 200 + static_cast<int>(i), magnitudes);
  return "<ir_version: 8, opset_import: [\"\" : 17]> levels (float[1,3,24,24] image) => (float[1,10] scores) <" + text +
         "> {"
         "[conv] c1 = Conv<pads=[1,1,1,1], strides=[2,2]>(image, w1, b1) [relu1] r1 = Relu(c1)"
         "[depthwise] c2 = Conv<group=16, pads=[1,1,1,1]>(r1, w2, b2) [relu2] r2 = Relu(c2)"
         "[pointwise] c3 = Conv(r2, w3, b3) [add] s = Add(c3, r1) [relu3] r3 = Relu(s)"
         "[pool] p = GlobalAveragePool(r3) [flat] f = Flatten(p) [gemm] scores = Gemm<transB=1>(f, w4, b4) }";
}

class Levels : public testing::Test {
 protected:
  static constexpr int kSamples = 6;
  static void SetUpTestSuite() {
    folder_ = temporary_dir("levels");
    for (bool magnitudes : {false, true}) {
      const std::string kind = path(magnitudes ? "magnitudes" : "network");
      write_onnx(*read_onnx_text(network(magnitudes)), kind + ".onnx");
      for (int i = 0; i < kSamples; ++i) {
        const at::Tensor sample = noise({1, 3, 24, 24}, i);
        write_npy(kind + "_samples/" + std::to_string(i) + ".npy", magnitudes ? sample.abs() : sample);
      }
    }
  }
  static std::string path(const std::string& name) { return folder_ + "/" + name; }

  /// Runs a job; `before` is kOwn or what lowers the levels.
  static void quantize(const std::string& output, const std::string& before, std::vector<std::string> more = {}) {
    more.insert(more.end(),
                {"--model", path("network.onnx"), "--calib", path("network_samples"), "--device", "cpu", "--output", path(output)});
    const Result result = ppq_torch(more, before);
    ASSERT_EQ(result.code, 0) << before << result.err;
  }
  static Json table(const std::string& output) { return Json::parse(read_file(path(output + "/quantized.table"))); }
  /// Activation scales of a job whose parameters take no part in what LibTorch computes: no pass that measures or chooses.
  static std::map<std::string, double> plain_scales(const std::string& observer, const std::string& output, const std::string& before) {
    quantize(output, before, {"--platform", "qnn_dsp_int8", "--setting", path("plain.json"), "--observer", observer});
    std::map<std::string, double> scales;
    const Json entries = table(output).at("activation_encodings");
    for (const auto& [name, entry] : entries.items()) scales[name] = entry.at(0).at("scale");
    return scales;
  }

 private:
  inline static std::string folder_;
};

TEST_F(Levels, OurKernelsAloneChangeNothing) {
  // One job with every choice and correction, one that searches ranges per channel.
  const std::vector<std::vector<std::string>> jobs = {{"--platform", "qnn_dsp_int8"}, {"--platform", "qnn_htp_int8", "--observer", "kl"}};
  for (size_t job = 0; job < jobs.size(); ++job) {
    const std::string own = "own" + std::to_string(job);
    quantize(own, kOwn, jobs[job]);
    for (const Level& level : levels_here()) {
      const std::string lower = level.kernels + std::to_string(job);
      quantize(lower, lower_kernels(level), jobs[job]);
      for (const char* file : {"/quantized.table", "/quantized.onnx", "/setting.json"})
        EXPECT_EQ(read_file(path(own + file)), read_file(path(lower + file))) << lower << file;
      const Json a = Json::parse(read_file(path(own + "/report.json"))), b = Json::parse(read_file(path(lower + "/report.json")));
      for (const char* key : {"outputs", "tensors"}) EXPECT_EQ(a.at(key), b.at(key)) << lower;
    }
  }
}

/// How far two levels' values of a tensor may lie apart. Each is off the true sum by n roundings at most (n · 2^-24, first order) of the
/// sum of magnitudes, in whatever order it was added; a network of magnitudes gives that sum.
std::map<std::string, double> apart(const std::string& magnitudes) {
  std::map<std::string, double> largest;
  for (const std::string& name : files_in(magnitudes)) {
    double& value = largest[std::filesystem::path(name).stem().string()];
    value = std::max(value, read_npy(magnitudes + "/" + name).max().item<double>());
  }
  constexpr double kUnit = 1.0 / (1 << 24);
  for (auto& [name, value] : largest)
    value *= 2 * kRoundings.at(name) * kUnit * 1.01;  // 1.01: terms of second order, and its own roundings
  return largest;
}

TEST_F(Levels, ScalesMoveByTheOrderOfSummationAndByABinAtMost) {
  write_file(path("plain.json"), R"({"equalization": false, "bias_correct": false, "ppq_torch": {"weight_search": "minmax"},
    "fusion_setting": {"align_elementwise_to": "None", "align_concat_to": "None"}})");
  const Result run = ppq_torch({"run", "--model", path("magnitudes.onnx"), "--input", path("magnitudes_samples"), "--tensors", "all",
                                "--output", path("magnitudes")});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto moved = apart(path("magnitudes"));
  const auto extremes = plain_scales("minmax", "minmax", kOwn), shares = plain_scales("percentile-global", "percentile", kOwn);
  const Json weights = table("minmax").at("param_encodings");
  for (const char* name : {"image", "r1", "r2", "c3", "r3", "scores"}) ASSERT_TRUE(extremes.count(name) && shares.count(name)) << name;
  ASSERT_EQ(extremes.size(), shares.size());
  for (const Level& level : levels_here()) {
    SCOPED_TRACE(level.kernels);
    const auto lower_extremes = plain_scales("minmax", "minmax_" + level.kernels, lower_all(level));
    const auto lower_shares = plain_scales("percentile-global", "percentile_" + level.kernels, lower_all(level));
    for (const char* name : {"w1", "w2", "w3", "w4"})
      EXPECT_EQ(table("minmax_" + level.kernels).at("param_encodings").at(name), weights.at(name)) << name;
    for (const auto& [name, scale] : extremes) {
      // Both ends of the range move by that; a scale is the range over 255, and is itself rounded.
      const double by = name == "image" ? 0 : 2 * moved.at(name) / 255;
      EXPECT_NEAR(lower_extremes.at(name), scale, by) << name;
      EXPECT_LT(by, 0.01 * scale) << name << ": the bound says something";
      // An end is exact to a bin, a 2048th of the range at most.
      EXPECT_NEAR(lower_shares.at(name), shares.at(name), name == "image" ? 0 : by + 2 * (scale + by) / 2048) << name;
    }
  }
}

TEST_F(Levels, AreNamedByListDevices) {
  const auto cpu = [](const std::string& before) {
    return Json::parse(ppq_torch({"list", "devices", "--json"}, before).out).at(0).at("summary").get<std::string>();
  };
  EXPECT_THAT(cpu(kOwn), HasSubstr("kernels: " + levels_here().back().kernels + ", LibTorch: "));
  for (const Level& level : levels_here())
    EXPECT_THAT(cpu(lower_all(level)), HasSubstr("kernels: " + level.kernels + ", LibTorch: " + level.libtorch));
  EXPECT_THAT(ppq_torch({"--help"}).out, HasSubstr("PPQ_CPU_KERNELS=scalar|avx2|avx512"));
}

TEST_F(Levels, OnesThatAreNotHereAreUsageErrors) {
  const Result typo = ppq_torch({"list", "devices"}, "PPQ_CPU_KERNELS=avx1024 ");
  EXPECT_EQ(typo.code, 2);
  EXPECT_THAT(typo.err, HasSubstr("[PPQ_CPU_KERNELS] got 'avx1024', expected scalar, avx2 or avx512"));
  for (size_t i = levels_here().size(); i < kLevels.size(); ++i) {
    const Result missing = ppq_torch({"list", "devices"}, "PPQ_CPU_KERNELS=" + kLevels[i].kernels + " ");
    EXPECT_EQ(missing.code, 2);
    EXPECT_THAT(missing.err, HasSubstr("this machine lacks " + kLevels[i].kernels));
  }
}

}  // namespace
}  // namespace ppq::test
