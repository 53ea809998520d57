// Ranges of activations as JSON and as TensorRT's calibration cache.
#include <cstring>

#include "exporters/twelve_ops.h"

namespace ppq::test {
namespace {

using testing::AllOf;
using testing::Not;

PlatformSpec tensorrt() {
  const QuantScheme int8 = rules::signed_symmetric(8);
  std::set<std::string> types = every_type();
  types.insert("Softmax");
  return target(int8, rules::per_channel(int8), types, {"Relu", "Clip", "Sigmoid"});
}

float from_hex(const std::string& hex) {
  const auto bits = static_cast<uint32_t>(std::stoul(hex, nullptr, 16));
  float number = 0;
  std::memcpy(&number, &bits, sizeof number);
  return number;
}

/// Name and number of each line but the first.
std::vector<std::pair<std::string, float>> cache_of(const std::string& text) {
  std::vector<std::pair<std::string, float>> entries;
  const std::vector<std::string> lines = lines_of(text);
  for (size_t i = 1; i < lines.size(); ++i) {
    const size_t colon = lines[i].rfind(": ");
    EXPECT_EQ(lines[i].size() - colon, 2u + 8u) << lines[i];
    entries.emplace_back(lines[i].substr(0, colon), from_hex(lines[i].substr(colon + 2)));
  }
  return entries;
}

TEST(TensorrtJson, RangesOfTheTwelveOps) {
  const QuantizedGraph q(tensorrt());
  const Exported out("tensorrt-json", q);
  Json json = out.json("quantized_tensorrt.json");
  EXPECT_THAT(keys(json), ElementsAre("act_quant_info"));
  Json& ranges = json["act_quant_info"];
  EXPECT_THAT(keys(ranges), ElementsAre("x", "c1", "r1", "p1", "c2", "k2", "a1", "s1", "cat", "gap", "fl", "g", "y"));
  EXPECT_EQ(out.summary.written, 13u);
  EXPECT_EQ(ranges["x"].get<double>(), scales(q.in("conv1"))[0] * 127);
  EXPECT_EQ(ranges["r1"].get<double>(), scales(q.out("relu1"))[0] * 127);
  EXPECT_EQ(ranges["c1"], ranges["r1"]) << "computed in one go";
  EXPECT_EQ(ranges["g"].get<double>(), scales(q.out("fc1"))[0] * 127);
  float most = 0;
  for (const at::Tensor& sample : q.samples) most = std::max(most, sample.abs().max().item<float>());
  EXPECT_NEAR(ranges["x"].get<double>(), static_cast<double>(most) * 127 / 127.5, 1e-5) << "255 steps from end to end";
}

TEST(TensorrtJson, TheCacheHoldsTheSameScales) {
  const QuantizedGraph q(tensorrt());
  const Exported out("tensorrt-json", q, {{"tensorrt-version", "10.3.0"}});
  const std::string text = out.text("quantized_tensorrt.cache");
  EXPECT_EQ(lines_of(text)[0], "TRT-100300-EntropyCalibration2");
  Json ranges = out.json("quantized_tensorrt.json")["act_quant_info"];
  const auto entries = cache_of(text);
  EXPECT_EQ(entries.size(), ranges.size());
  for (const auto& [name, scale] : entries) EXPECT_EQ(static_cast<double>(scale) * 127, ranges[name].get<double>()) << name;
}

TEST(TensorrtJson, ANumberIsBigEndianHex) {
  Quantizing q("(float[1,4] x) => (float[1,4] y)", "[n] y = Neg(x)");
  q.node("n").quantized = true;
  q.node("n").input_quant = {active(0.0078740157, 0, -128, 127)};  // 1 / 127: 0x3c010204
  q.node("n").output_quant = {active(0.5, 0, -128, 127)};          // 0x3f000000
  const std::string text =
      Exported("tensorrt-json", *q.graph, q.platform, {{"tensorrt-version", "8.6.1"}}).text("quantized_tensorrt.cache");
  EXPECT_EQ(text, "TRT-8601-EntropyCalibration2\nx: 3c010204\ny: 3f000000\n");
}

/// Concat and its like write nothing, and the last reader decides.
TEST(TensorrtJson, LaterNodesDecide) {
  Quantizing q("(float[1,4] x) => (float[1,8] z, float[1,4] u)", "[n] y = Neg(x) [c] z = Concat<axis = 1>(y, y) [a] u = Abs(y)");
  const auto quant = [](double scale) { return active(scale, 0, -128, 127); };
  for (const char* name : {"n", "c", "a"}) q.node(name).quantized = true;
  q.node("n").input_quant = {quant(1)}, q.node("n").output_quant = {quant(2)};
  q.node("c").input_quant = {quant(3), quant(3)}, q.node("c").output_quant = {quant(3)};
  q.node("a").input_quant = {quant(4)}, q.node("a").output_quant = {quant(5)};
  const Exported out("tensorrt-json", *q.graph, q.platform);
  EXPECT_EQ(out.json("quantized_tensorrt.json"), Json::parse(R"({"act_quant_info": {"x": 127.0, "y": 508.0, "u": 635.0}})"));
  const auto entries = cache_of(out.text("quantized_tensorrt.cache"));
  ASSERT_EQ(entries.size(), 4u) << "the calibrator's cache has every tensor";
  EXPECT_EQ(entries[2], std::make_pair(std::string("z"), 3.f));
}

TEST(TensorrtJson, WeightsAsTextOnRequest) {
  const QuantizedGraph q(tensorrt());
  EXPECT_FALSE(std::filesystem::exists(Exported("tensorrt-json", q).path("quantized.wts")));
  const Exported out("tensorrt-json", q, {{"tensorrt-wts", "true"}});
  const std::vector<std::string> lines = lines_of(out.text("quantized.wts"));
  ASSERT_EQ(lines.size(), 7u);
  EXPECT_EQ(lines[0], "6");
  std::vector<std::string> names;
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> words = words_of(lines[i]);
    const Value* value = q.graph->find_value(words.at(0));
    names.push_back(words[0]);
    EXPECT_EQ(words.at(1), std::to_string(value->constant().numel()));
    const at::Tensor flat = value->constant().reshape({-1});
    ASSERT_EQ(words.size(), 2u + static_cast<size_t>(flat.numel()));
    for (int64_t k = 0; k < flat.numel(); ++k) EXPECT_EQ(from_hex(words[static_cast<size_t>(k) + 2]), flat[k].item<float>());
  }
  EXPECT_THAT(names, ElementsAre("w1", "b1", "w2", "b2", "w3", "b3"));
}

TEST(TensorrtJson, WhatRangesCannotSayIsRefused) {
  Quantizing q("(float[1,4] x) => (float[1,4] y)", "[n] y = Neg(x)");
  q.node("n").quantized = true;
  const auto refused = [&](const TensorQuantPtr& quant) {
    q.node("n").output_quant = {quant};
    const Error error = thrown([&] { Exported("tensorrt-json", *q.graph, q.platform); });
    EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
    return std::string(error.what());
  };
  EXPECT_THAT(refused(active(0.5, 128)), AllOf(HasSubstr("tensor y"), HasSubstr("0..255, a zero point"), HasSubstr("-128..127")));
  EXPECT_THAT(refused(active(0.5, 0, -32768, 32767)), HasSubstr("-32768..32767"));
  auto channels = active(0.5, 0, -128, 127);
  channels->scheme.granularity = Granularity::PerChannel;
  EXPECT_THAT(refused(channels), HasSubstr("a scale a channel"));
  auto floating = active(0.5, 0, -448, 448);
  floating->scheme.format = NumberFormat::Floating;
  EXPECT_THAT(refused(floating), HasSubstr("floating-point"));
}

TEST(TensorrtJson, VersionsThatAreNoneAreUsageErrors) {
  for (const char* version : {"10", "10.x.1", "8.6.1.2", "", "-1.2.3", "100.1.1", "8.6.1 "}) {
    ExportOptions options;
    options.set("tensorrt-version", version);
    const Error error = thrown([&] { check_options(options); });
    EXPECT_EQ(error.kind(), ErrorKind::Usage) << version;
    EXPECT_THAT(error.what(), HasSubstr("tensorrt-version"));
  }
}

TEST(TensorrtJson, TheGuideNamesTheWayFromTensorrt11On) {
  const auto graph = twelve_ops();
  EXPECT_THAT(find_exporter("tensorrt-json").guide(*graph, tensorrt(), {}), AllOf(HasSubstr("TensorRT 11"), HasSubstr("onnx-qdq")));
}

}  // namespace
}  // namespace ppq::test
