#include <cmath>

#include "exporters/twelve_ops.h"

namespace ppq::test {
namespace {

using testing::AllOf;

PlatformSpec tengine() {
  const QuantScheme uint8 = rules::unsigned_asymmetric(8);
  PlatformSpec spec = target(
      uint8, uint8, {"Conv", "GlobalAveragePool", "AveragePool", "Relu", "Add", "Mul", "Clip", "Sigmoid", "Gemm", "Concat", "Softmax"},
      {"Relu", "Clip"});
  SlotRule bias = rules::passive(SlotRole::Bias, rules::signed_symmetric(30));
  bias.exported = true;
  spec.slots.push_back(bias);
  spec.id = TargetPlatform::TENGINE_INT8;
  return spec;
}

TEST(TengineScale, ALineATensorOfTheTwelveOps) {
  const QuantizedGraph q(tengine());
  const Exported out("tengine-scale", q);
  std::vector<std::string> names;
  std::map<std::string, TensorQuantPtr> quants;
  for (const Node* node : q.graph->nodes()) {
    for (size_t i = 0; i < node->inputs().size(); ++i)
      if (node->quant_of_input(i)) quants.emplace(node->input(i)->name(), node->quant_of_input(i));
    if (node->quant_of_output()) quants[node->output()->name()] = node->quant_of_output();
  }
  for (const std::string& line : lines_of(out.text("quantized_tengine.scale"))) {
    const std::vector<std::string> words = words_of(line);
    ASSERT_EQ(words.size(), 3u) << line;
    names.push_back(words[0]);
    const TensorQuantPtr& quant = quants.at(words[0]);
    EXPECT_EQ(std::stod(words[1]), scales(quant)[0]) << "all digits";
    EXPECT_EQ(std::stol(words[2]), std::lround(offset_of(quant)));
  }
  EXPECT_THAT(names, ElementsAre("x", "c1", "r1", "p1", "c2", "k2", "a1", "s1", "cat", "gap", "fl", "g", "y"));
  EXPECT_EQ(out.summary.written, 13u);
  Json json = out.json("quantized_tengine.json");
  EXPECT_THAT(keys(json), ElementsAre("configs", "dispatchings", "values"));
  EXPECT_EQ(json["dispatchings"]["conv1"], "TENGINE_INT8");
  for (const auto& [hash, value] : json["values"].items())
    EXPECT_TRUE(value["scale"].is_number_float() && value["zero_point"].is_number_float());
  EXPECT_EQ(json["values"][json["configs"]["conv1"]["w1"]["dominator"].dump()]["scale"].get<double>(), scales(q.in("conv1", 1))[0]);
}

TEST(TengineScale, TheScalesStandBesideTheTable) {
  const QuantizedGraph q(tengine());
  const std::string folder = temporary_dir("tengine");
  for (const auto& [given, json] : {std::pair("a.json", "a.json"), {"b.scale", "b.json"}}) {
    const ExportSummary summary = find_exporter("tengine-scale").write(*q.graph, q.platform, "", folder + "/" + given, {});
    EXPECT_TRUE(Json::parse(read_file(folder + "/" + json)).contains("configs"));
    EXPECT_THAT(read_file(folder + "/" + given[0] + ".scale"), testing::StartsWith("x "));
    EXPECT_EQ(summary.files.size(), 2u);
  }
}

TEST(TengineScale, WhatTengineDoesNotComputeIsRefused) {
  Quantizing q("(float[1,2] x) => (float[1,1] y) <float[1,2] w = {1, 2}>", "[fc] y = Gemm<transB = 1>(x, w)");
  q.node("fc").quantized = true;
  const auto refused = [&](const TensorQuantPtr& data, const TensorQuantPtr& weight) {
    q.node("fc").input_quant = {data, weight};
    const Error error = thrown([&] { Exported("tengine-scale", *q.graph, q.platform); });
    EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
    return std::string(error.what());
  };
  auto channels = active(0.5, 0);
  channels->scheme.granularity = Granularity::PerChannel;
  EXPECT_THAT(refused(active(0.5, 3), channels), AllOf(HasSubstr("tensor w"), HasSubstr("a scale a channel")));
  EXPECT_THAT(refused(active(0.5, 0, -128, 127), active(0.5, 0)), AllOf(HasSubstr("tensor x"), HasSubstr("-128..127")));
}

}  // namespace
}  // namespace ppq::test
