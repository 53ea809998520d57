// Jobs that end badly, each said so under its code, and their likes that end well, in silence.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "analysis/warnings.h"
#include "core/file.h"
#include "data/npy.h"
#include "ppq/job.h"
#include "ppq/onnx.h"
#include "support/device.h"
#include "support/share.h"

namespace ppq {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;
using Constants = std::vector<std::pair<std::string, at::Tensor>>;

/// A model given as text with samples, quantized.
class Judging : public testing::Test {
 protected:
  Judging() { at::manual_seed(7); }

  /// Inputs of the text that `constants` names become constants.
  void model(const std::string& text, const Constants& constants) {
    auto graph = read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g " + text);
    for (const auto& [name, tensor] : constants) {
      Value* value = graph->find_value(name);
      graph->remove_input(value);
      graph->make_constant(value, tensor);
    }
    write_onnx(*graph, folder + "/model.onnx");
  }
  void samples(size_t count, const std::function<at::Tensor(size_t)>& make) const {
    for (size_t i = 0; i < count; ++i) write_npy(folder + "/data/" + std::to_string(100 + i) + ".npy", make(i));
  }
  void quantize(const std::function<void(JobOptions&)>& change = nullptr) {
    JobOptions options;
    options.model = folder + "/model.onnx", options.calib = folder + "/data", options.output = folder + "/q";
    options.platform = "qnn_dsp_int8", options.device = test::test_device_name();
    if (change) change(options);
    result = Job(options).run();
  }
  std::vector<std::string> codes() const {
    std::vector<std::string> all;
    for (const Warning& warning : result.warnings) all.push_back(warning.code);
    return all;
  }
  const Warning* warning(const std::string& code) const {
    const auto found = std::find_if(result.warnings.begin(), result.warnings.end(), [&](const Warning& one) { return one.code == code; });
    return found == result.warnings.end() ? nullptr : &*found;
  }
  /// What is in the remedy, as options of a job: each is a pair of a word and its value.
  static std::function<void(JobOptions&)> remedy_of(const Warning& warning) {
    return [text = warning.remedy](JobOptions& options) {
      for (size_t at = 0; at < text.size();) {
        const size_t space = text.find_first_of(" =", at), quote = text[space + 1] == '\'' ? 1 : 0;
        size_t end = quote ? text.find('\'', space + 2) : text.find(' ', space + 1);
        end = std::min(end, text.size());
        const std::string name = text.substr(at, space - at), value = text.substr(space + 1 + quote, end - space - 1 - quote);
        if (name == "--bits")
          options.bits.push_back(value);
        else if (name == "--keep-float")
          options.keep_float.push_back(value);
        else if (name == "--observer")
          options.observer = value;
        else if (name == "--passes")
          options.passes.push_back(value);
        else if (name == "--auto-mixed")
          options.auto_mixed = value;
        else
          FAIL() << text;
        at = std::min(text.size(), end + quote + 1);
      }
    };
  }

  const std::string folder = test::temporary_dir("judging");
  JobResult result;
};

TEST_F(Judging, AGoodJobIsSilent) {
  model(
      "(float[1,3,8,8] x, float[8,3,3,3] w, float[8] b, float[8,12] v) => (float[1,12] y) "
      "{ c = Conv(x, w, b) r = Relu(c) p = GlobalAveragePool(r) f = Flatten(p) y = MatMul(f, v) }",
      {{"w", at::randn({8, 3, 3, 3}) / 5}, {"b", at::randn({8})}, {"v", at::randn({8, 12})}});
  samples(16, [](size_t) { return at::randn({1, 3, 8, 8}); });
  quantize();
  EXPECT_THAT(codes(), testing::IsEmpty()) << result.warnings[0].text;
}

/// What is left of two large numbers.
TEST_F(Judging, NoisyOutput) {
  model(
      "(float[1,3,8,8] x, float[3,3,1,1] w, float[3,3,1,1] v, float k) => (float[1,3,8,8] y) "
      "{ [large] a = Conv(x, w) b = Conv(x, v) s = Mul(b, k) [sum] t = Add(a, s) [rest] y = Sub(t, a) }",
      {{"w", at::randn({3, 3, 1, 1})}, {"v", at::randn({3, 3, 1, 1})}, {"k", at::full({}, 1e-3)}});
  samples(16, [](size_t) { return at::randn({1, 3, 8, 8}); });
  quantize();
  const Warning* noisy = warning("output-noise");
  ASSERT_TRUE(noisy);
  const auto report = nlohmann::json::parse(result.report);
  EXPECT_EQ(noisy->tensors, std::vector<std::string>{"y"});
  EXPECT_GT(noisy->figures.at("noise"), 0.1);
  EXPECT_DOUBLE_EQ(noisy->figures.at("noise"), report["outputs"][0]["snr"].get<double>());
  EXPECT_THAT(result.summary + noisy->text, HasSubstr("noise"));
  quantize(remedy_of(*noisy));
  EXPECT_LE(nlohmann::json::parse(result.report)["outputs"][0]["snr"].get<double>(), 0.1);
  EXPECT_EQ(warning("output-noise"), nullptr);
}

/// By more than 1 %, and half of all noise.
TEST(WarningsTest, FloatOutputsThatMoved) {
  const auto graph = read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g (float[1,4] x) => (float[1,4] y) { y = Neg(x) }");
  const DatasetPtr samples = make_dataset(std::vector<at::Tensor>(8, at::ones({1, 4})));
  const auto codes_of = [&](double moved, double noise) {
    ErrorAnalysis errors;
    errors.samples = 8, errors.moved = moved;
    errors.outputs = {{"y", Measure{}}};
    errors.outputs[0].second.noise = noise, errors.outputs[0].second.signal = 1, errors.outputs[0].second.count = 32;
    return warnings_of(errors, *graph, *graph, *graph, samples, {});
  };
  const auto warnings = codes_of(0.03, 0.05);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0].code, "float-change");
  EXPECT_EQ(warnings[0].figures.at("moved"), 0.03);
  EXPECT_DOUBLE_EQ(warnings[0].figures.at("noise"), 0.05);
  EXPECT_EQ(warnings[0].remedy, "--passes=-equalize-layers");
  EXPECT_THAT(codes_of(0.009, 0.01), testing::IsEmpty());
  EXPECT_THAT(codes_of(0.02, 0.05), testing::IsEmpty());
}

/// Scores that differ by less than a step.
TEST_F(Judging, ChangedTop1) {
  const char* text = "(float[1,8] x, float[8,10] w, float[10] b) => (float[1,10] y) { m = MatMul(x, w) y = Add(m, b) }";
  const at::Tensor w = at::randn({8, 10});
  model(text, {{"w", w * 0.01}, {"b", at::full({10}, 30.0)}});
  samples(16, [](size_t) { return at::randn({1, 8}); });
  quantize();
  const Warning* changed = warning("top1-agreement");
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->tensors, std::vector<std::string>{"y"});
  EXPECT_DOUBLE_EQ(changed->figures.at("agreement"), nlohmann::json::parse(result.report)["outputs"][0]["top1_agreement"].get<double>());
  EXPECT_EQ(changed->figures.at("samples"), 16);
  EXPECT_EQ(warning("output-noise"), nullptr) << "the scores themselves are nearly right";
  model(text, {{"w", w}, {"b", at::full({10}, 3.0)}});
  quantize();
  EXPECT_EQ(warning("top1-agreement"), nullptr);
}

/// Against P(X >= k) by the sum over all outcomes of few samples.
TEST(WarningsTest, ChanceIsThatOfTheBinomialDistribution) {
  for (size_t samples = 1; samples <= 12; ++samples)
    for (size_t seen = 0; seen <= samples; ++seen) {
      double tail = 0;
      for (unsigned outcome = 0; outcome < 1u << samples; ++outcome) {
        const auto changed = static_cast<size_t>(__builtin_popcount(outcome));
        if (changed >= seen) tail += std::pow(0.05, changed) * std::pow(0.95, samples - changed);
      }
      EXPECT_EQ(is_more_than_chance(seen, samples, 0.05), tail < 0.05) << seen << " of " << samples;
    }
}

class Inputs : public Judging {
 protected:
  Inputs() {
    model("(float[1,3,8,8] x, float[8,3,3,3] w, float[8] b) => (float[1,8,6,6] y) { [first] c = Conv(x, w, b) y = Relu(c) }",
          {{"w", at::randn({8, 3, 3, 3}) / 5}, {"b", at::randn({8})}});
  }
  static at::Tensor pixels() { return at::randint(0, 256, {1, 3, 8, 8}).to(at::kFloat); }
};

TEST_F(Inputs, PixelsAsTheyAre) {
  samples(16, [](size_t) { return pixels(); });
  quantize();
  const Warning* scale = warning("input-scale");
  ASSERT_TRUE(scale);
  EXPECT_EQ(scale->tensors, std::vector<std::string>{"x"});
  EXPECT_THAT(scale->text, testing::AllOf(HasSubstr("--mean"), HasSubstr("first")));
  EXPECT_GT(scale->figures.at("response"), 16);
}

TEST_F(Inputs, NormalizedPixels) {
  samples(16, [](size_t) { return (pixels() - 127) / 128; });
  quantize();
  EXPECT_EQ(warning("input-scale"), nullptr);
}

/// A network that takes pixels as they are has weights to match, and then 0 to 1 is too small.
TEST_F(Inputs, NetworksOfPixels) {
  model("(float[1,3,8,8] x, float[8,3,3,3] w, float[8] b) => (float[1,8,6,6] y) { [first] c = Conv(x, w, b) y = Relu(c) }",
        {{"w", at::randn({8, 3, 3, 3}) / 500}, {"b", at::randn({8})}});
  samples(16, [](size_t) { return pixels(); });
  quantize();
  EXPECT_EQ(warning("input-scale"), nullptr);
  samples(16, [](size_t) { return pixels() / 255; });
  quantize();
  const Warning* scale = warning("input-scale");
  ASSERT_TRUE(scale);
  EXPECT_THAT(scale->text, HasSubstr("hardly moves"));
  EXPECT_LT(scale->figures.at("response"), scale->figures.at("bias") / 32);
}

/// Digits are as often taken as they are, with weights of any size.
TEST_F(Inputs, GreyPixelsAsTheyAre) {
  model("(float[1,1,8,8] x, float[8,1,3,3] w, float[8] b) => (float[1,8,6,6] y) { [first] c = Conv(x, w, b) y = Relu(c) }",
        {{"w", at::randn({8, 1, 3, 3}) / 3}, {"b", at::randn({8})}});
  samples(16, [](size_t) { return at::randint(0, 256, {1, 1, 8, 8}).to(at::kFloat); });
  quantize();
  EXPECT_EQ(warning("input-scale"), nullptr);
}

TEST_F(Inputs, NetworksThatNormalizeByThemselves) {
  model(
      "(float[1,3,8,8] x, float[3,1,1] m, float s, float[8,3,3,3] w, float[8] b) => (float[1,8,6,6] y) "
      "{ a = Sub(x, m) n = Mul(a, s) c = Conv(n, w, b) y = Relu(c) }",
      {{"m", at::full({3, 1, 1}, 127.0)}, {"s", at::full({}, 1 / 128.)}, {"w", at::randn({8, 3, 3, 3}) / 5}, {"b", at::randn({8})}});
  samples(16, [](size_t) { return pixels(); });
  quantize();
  EXPECT_EQ(warning("input-scale"), nullptr);
}

/// Both operands come from outside: nothing is known of either.
TEST_F(Inputs, LayersOfTwoInputs) {
  model("(float[1,4,4] x, float[1,4,4] z) => (float[1,4,4] y) { y = MatMul(x, z) }", {});
  for (int i = 0; i < 8; ++i)
    for (const char* name : {"x", "z"}) write_npy(folder + "/pairs/" + name + "/" + std::to_string(i) + ".npy", at::randn({1, 4, 4}));
  quantize([&](JobOptions& options) { options.calib = folder + "/pairs"; });
  EXPECT_EQ(warning("input-scale"), nullptr);
}

/// A range that starts at 0 is not left by values a little below.
TEST(WarningsTest, OnlyWhatReachesFarIsSaturated) {
  Survey survey;
  survey.low = at::tensor({0.0, -0.1, -5.0, 0.0}, at::kDouble), survey.high = at::tensor({1.0, 1.0, 1.0, 4.5}, at::kDouble);
  survey.simulated_low = at::zeros({4}, at::kDouble), survey.simulated_high = at::ones({4}, at::kDouble);
  EXPECT_EQ(count_channels(survey, {0}, {1}).saturated, 2);
  EXPECT_EQ(count_channels(survey, {-5}, {4.5}).saturated, 0);
}

/// One sample of 16, and of those of 48 that calibrate.
TEST_F(Inputs, RangesOfOneSample) {
  for (const size_t count : {16, 48}) {
    samples(count, [](size_t i) { return at::randn({1, 3, 8, 8}) * (i == 5 ? 50 : 1); });
    quantize([](JobOptions& options) { options.observer = "minmax"; });
    const Warning* one = warning("one-sample-range");
    ASSERT_TRUE(one) << count;
    EXPECT_THAT(one->tensors, UnorderedElementsAre("x", "y"));
    EXPECT_EQ(one->figures.at("sample"), 5);
    EXPECT_THAT(one->text, HasSubstr("105"));
    EXPECT_GT(one->figures.at("ratio"), 10);
    EXPECT_LT(one->figures.at("ratio"), 60);
  }
  // Two of them are no accident.
  samples(48, [](size_t i) { return at::randn({1, 3, 8, 8}) * (i == 5 || i == 15 ? 50 : 1); });
  quantize([](JobOptions& options) { options.observer = "minmax"; });
  EXPECT_EQ(warning("one-sample-range"), nullptr);
}

TEST_F(Judging, RangesOfMasks) {
  const char* text =
      "(float[1,4,8,8] x, float[1,1,8,8] m, float[4,4,1,1] w) => (float[1,4,8,1] y) "
      "{ [scores] s = Conv(x, w) [masked] a = Add(s, m) [best] y = ReduceMean<axes = [3]>(a) }";
  const at::Tensor w = at::randn({4, 4, 1, 1}), mask = at::randint(0, 2, {1, 1, 8, 8}).to(at::kFloat) * -1e4;
  model(text, {{"m", mask}, {"w", w}});
  samples(16, [](size_t) { return at::randn({1, 4, 8, 8}); });
  quantize();
  const Warning* masked = warning("mask-range");
  ASSERT_TRUE(masked);
  EXPECT_EQ(masked->tensors, std::vector<std::string>{"a"});
  EXPECT_THAT(masked->remedy, testing::AllOf(HasSubstr("'masked'"), HasSubstr("'best'")));
  EXPECT_GT(masked->figures.at("ratio"), 500);
  quantize(remedy_of(*masked));
  EXPECT_EQ(warning("mask-range"), nullptr);
  // A bias as large as the scores is none.
  model(text, {{"m", mask / 1e4}, {"w", w}});
  quantize();
  EXPECT_EQ(warning("mask-range"), nullptr);
}

/// One channel is a thousand times as large as seven.
TEST_F(Judging, DeadChannels) {
  const char* text = "(float[1,3,8,8] x, float[8,3,3,3] w) => (float[1,8,6,6] y) { [uneven] y = Conv(x, w) }";
  at::Tensor w = at::randn({8, 3, 3, 3});
  model(text, {{"w", w}});
  samples(16, [](size_t) { return at::randn({1, 3, 8, 8}); });
  quantize();
  EXPECT_EQ(warning("dead-channels"), nullptr);
  w[3] *= 1000;
  model(text, {{"w", w}});
  quantize([](JobOptions& options) { options.platform = "qnn_htp_int8"; });
  const Warning* dead = warning("dead-channels");
  ASSERT_TRUE(dead);
  EXPECT_EQ(dead->tensors, std::vector<std::string>{"y"});
  EXPECT_DOUBLE_EQ(dead->figures.at("share"), 7 / 8.);
  EXPECT_EQ(dead->figures.at("channels"), 7);
  EXPECT_EQ(dead->remedy, "--bits 'uneven=16'");
  const auto row = nlohmann::json::parse(result.report)["tensors"];
  const auto y = std::find_if(row.begin(), row.end(), [](const auto& one) { return one["name"] == "y"; });
  EXPECT_EQ((*y)["channels"]["vanished"], 7);
  quantize([&](JobOptions& options) {
    options.platform = "qnn_htp_int8";
    remedy_of (*dead)(options);
  });
  EXPECT_EQ(warning("dead-channels"), nullptr);
}

/// Lost channels of a tensor that nobody misses: the layer behind it does not weigh them.
TEST_F(Judging, DeadChannelsThatDoNotMatter) {
  at::Tensor w = at::randn({8, 3, 3, 3}), v = at::randn({4, 8, 1, 1});
  w[3] *= 1000;
  model("(float[1,3,8,8] x, float[8,3,3,3] w, float[4,8,1,1] v) => (float[1,4,6,6] y) { [uneven] c = Conv(x, w) y = Conv(c, v) }",
        {{"w", w}, {"v", v}});
  samples(16, [](size_t) { return at::randn({1, 3, 8, 8}); });
  quantize([](JobOptions& options) { options.platform = "qnn_htp_int8", options.passes = {"-equalize-layers"}; });
  EXPECT_EQ(warning("dead-channels"), nullptr);
  // A layer that weighs them as much as the large one.
  v.select(1, 3) /= 1000;
  model("(float[1,3,8,8] x, float[8,3,3,3] w, float[4,8,1,1] v) => (float[1,4,6,6] y) { [uneven] c = Conv(x, w) y = Conv(c, v) }",
        {{"w", w}, {"v", v}});
  quantize([](JobOptions& options) { options.platform = "qnn_htp_int8", options.passes = {"-equalize-layers"}; });
  ASSERT_TRUE(warning("dead-channels"));
  EXPECT_THAT(warning("dead-channels")->tensors, testing::Contains("c"));
}

/// Spikes that a percentile leaves out.
TEST_F(Judging, SaturatedChannels) {
  model("(float[1,4,128,128] x, float[4,4,1,1] w) => (float[1,4,128,128] y) { y = Conv(x, w) }", {{"w", at::eye(4).reshape({4, 4, 1, 1})}});
  samples(16, [](size_t i) {
    at::Tensor x = at::rand({1, 4, 128, 128});
    for (int64_t channel = 0; channel < 3; ++channel) x[0][channel][5][static_cast<int64_t>(i)] = 100;
    return x;
  });
  quantize([](JobOptions& options) { options.observer = "percentile"; });
  const Warning* saturated = warning("saturated-channels");
  ASSERT_TRUE(saturated);
  EXPECT_EQ(saturated->tensors, std::vector<std::string>{"y"});
  EXPECT_DOUBLE_EQ(saturated->figures.at("share"), 3 / 4.);
  quantize([](JobOptions& options) { options.observer = "minmax"; });
  EXPECT_EQ(warning("saturated-channels"), nullptr);
}

TEST_F(Judging, FewSamples) {
  model("(float[1,3,8,8] x, float[8,3,3,3] w) => (float[1,8,6,6] y) { y = Conv(x, w) }", {{"w", at::randn({8, 3, 3, 3})}});
  samples(3, [](size_t) { return at::randn({1, 3, 8, 8}); });
  quantize();
  const Warning* few = warning("few-samples");
  ASSERT_TRUE(few);
  EXPECT_EQ(few->figures.at("samples"), 3);
}

/// Every code is in the table of the documentation, with its figures.
TEST(WarningsTest, CodesAreDocumented) {
  const std::string page = read_file(PPQ_SOURCE_DIR "/docs/warnings.md");
  for (const char* code :
       {"output-noise", "float-change", "top1-agreement", "input-scale", "one-sample-range", "mask-range", "dead-channels",
        "saturated-channels", "few-samples", "bias-range", "bias-clipped", "concat-ranges", "least-range"})
    EXPECT_THAT(page, HasSubstr("| `" + std::string(code) + "` |"));
}

}  // namespace
}  // namespace ppq
