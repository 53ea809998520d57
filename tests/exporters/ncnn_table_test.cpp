// ncnn's table, as ncnn2int8 reads it: rows of words apart by spaces, weights under "<layer>_param_0".
#include "exporters/twelve_ops.h"

namespace ppq::test {
namespace {

using testing::Not;

bool is_winograd(const Node& node, size_t) {
  const at::Tensor weight = node.constant_input(1);
  return weight.dim() == 4 && weight.size(2) == 3 && weight.size(3) == 3 && node.attributes.get_int("group", 1) == 1;
}

/// Data ±127, weights a scale a channel, those of 3×3 convolutions in 6 bits, outputs float.
PlatformSpec ncnn() {
  const QuantScheme int8 = rules::narrow_symmetric(8);
  PlatformSpec spec = target(int8, rules::per_channel(int8), {"Conv", "Gemm"});
  SlotRule small = rules::quantized(SlotRole::Weight, rules::per_channel(rules::narrow_symmetric(6)), {"Conv"});
  small.when = is_winograd;
  spec.slots.insert(spec.slots.begin(), {small, rules::in_float(SlotRole::Output)});
  return spec;
}

struct Row {
  std::string key;
  std::vector<double> numbers;
};

std::vector<Row> rows_of(const std::string& text) {
  std::vector<Row> rows;
  for (const std::string& line : lines_of(text)) {
    const std::vector<std::string> words = words_of(line);
    rows.push_back({words.at(0), {}});
    for (size_t i = 1; i < words.size(); ++i) rows.back().numbers.push_back(std::stod(words[i]));
  }
  return rows;
}

/// Nine digits hold a float32: the number that is read is the scale's reciprocal to its last place.
void expect_reciprocals(const Row& row, const std::string& key, const std::vector<double>& of) {
  EXPECT_EQ(row.key, key);
  ASSERT_EQ(row.numbers.size(), of.size()) << key;
  for (size_t i = 0; i < of.size(); ++i) EXPECT_NEAR(row.numbers[i] * of[i], 1, 1e-8) << key;
}

TEST(NcnnTable, WeightsThenInputsOfTheTwelveOps) {
  const auto before = twelve_ops();
  const QuantizedGraph q(ncnn());
  const Exported out("ncnn-table", q);
  EXPECT_EQ(out.summary.written, 6u);
  EXPECT_THAT(out.summary.missing, IsEmpty());
  const std::vector<Row> rows = rows_of(out.text("quantized_ncnn.table"));
  ASSERT_EQ(rows.size(), 6u);
  const auto weight = [&](const char* name) { return before->find_value(name)->constant(); };
  // From the weights, by hand; 31 steps for the 3×3 convolution.
  for (const auto& [row, key, name, steps] :
       {std::tuple(0, "conv1_param_0", "w1", 31.), {1, "conv2_param_0", "w2", 127.}, {2, "fc1_param_0", "w3", 127.}}) {
    const std::vector<double> expected = row_scales(weight(name), steps);
    EXPECT_EQ(rows[static_cast<size_t>(row)].key, key);
    ASSERT_EQ(rows[static_cast<size_t>(row)].numbers.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(rows[static_cast<size_t>(row)].numbers[i] * expected[i], 1, 1e-6) << key;
  }
  float most = 0;
  for (const at::Tensor& sample : q.samples) most = std::max(most, sample.abs().max().item<float>());
  EXPECT_NEAR(rows[3].numbers.at(0) * static_cast<double>(most) / 127, 1, 1e-6) << "of the input, from the samples";
  expect_reciprocals(rows[3], "conv1", scales(q.in("conv1")));
  expect_reciprocals(rows[4], "conv2", scales(q.in("conv2")));
  expect_reciprocals(rows[5], "fc1", scales(q.in("fc1")));
  EXPECT_EQ(lines_of(out.text("quantized_ncnn.table"))[3].back(), ' ') << "a space behind every number";
  EXPECT_TRUE(read_onnx(out.path("quantized.onnx"))->find_node("conv1")) << "rows are found by the node's name";
}

/// Depthwise ×2 (two channels a group), a convolution of four groups, with scales by hand.
TEST(NcnnTable, GroupsHaveOneNumber) {
  Quantizing q("(float[1,4,4,4] x, float[8,1,1,1] w) => (float[1,8,4,4] y)", "[dw] y = Conv<group = 4>(x, w)", {"w"});
  auto weight = active(1, 0, -127, 127);
  weight->scheme.granularity = Granularity::PerChannel, weight->scheme.symmetric = true;
  weight->params = {floats({0.5f, 0.25f, 0.125f, 1, 2, 2, 4, 0.5f}), at::zeros({8})};
  q.node("dw").quantized = true;
  q.node("dw").input_quant = {active(0.5, 0, -127, 127), weight};
  const Exported out("ncnn-table", *q.graph, q.platform);
  EXPECT_EQ(out.text("quantized_ncnn.table"), "dw_param_0 2 1 0.5 0.25 \ndw 2 \n");
  EXPECT_THAT(find_exporter("ncnn-table").guide(*q.graph, q.platform, {}), HasSubstr("`dw`")) << "rounded once more by ncnn";
  weight->params = {at::scalar_tensor(0.125f), at::scalar_tensor(0.f)};
  weight->scheme.granularity = Granularity::PerTensor;
  EXPECT_EQ(Exported("ncnn-table", *q.graph, q.platform).text("quantized_ncnn.table"), "dw_param_0 8 8 8 8 \ndw 2 \n");
  EXPECT_THAT(find_exporter("ncnn-table").guide(*q.graph, q.platform, {}), Not(HasSubstr("`dw`")));
}

TEST(NcnnTable, SmallScalesKeepTheirDigits) {
  Quantizing q("(float[1,2] x) => (float[1,1] y) <float[1,2] w = {1, 2}>", "[fc] y = Gemm<transB = 1>(x, w)");
  q.node("fc").quantized = true;
  q.node("fc").input_quant = {active(12345.678, 0, -127, 127), active(3e-8, 0, -127, 127)};
  const std::vector<Row> rows = rows_of(Exported("ncnn-table", *q.graph, q.platform).text("quantized_ncnn.table"));
  EXPECT_NEAR(rows.at(1).numbers.at(0) * scales(q.in("fc"))[0], 1, 1e-8);
  EXPECT_NEAR(rows.at(0).numbers.at(0) * scales(q.in("fc", 1))[0], 1, 1e-8);
}

TEST(NcnnTable, LayersThatNcnnLeavesInFloat) {
  Quantizing q("(float[1,2,4] x, float[3,2,1] w, float[4,5] m) => (float[1,3,5] y)", "[line] a = Conv(x, w) [mat] y = MatMul(a, m)",
               {"w", "m"});
  for (const char* name : {"line", "mat"}) {
    q.node(name).quantized = true;
    q.node(name).input_quant = {active(0.5, 0, -127, 127), active(0.5, 0, -127, 127)};
  }
  const Exported out("ncnn-table", *q.graph, q.platform);
  EXPECT_EQ(out.text("quantized_ncnn.table"), "");
  EXPECT_THAT(out.summary.missing, ElementsAre("w", "m"));
  EXPECT_THAT(out.summary.reasons.at("w"), HasSubstr("two dimensions"));
  EXPECT_THAT(out.summary.reasons.at("m"), HasSubstr("MatMul in float"));
}

TEST(NcnnTable, WhatTheTableCannotSayIsRefused) {
  Quantizing q("(float[1,2] x) => (float[1,1] y) <float[1,2] w = {1, 2}>", "[fc] y = Gemm<transB = 1>(x, w)");
  q.node("fc").quantized = true;
  const auto refused = [&](const TensorQuantPtr& data, const TensorQuantPtr& weight) {
    q.node("fc").input_quant = {data, weight};
    const Error error = thrown([&] { Exported("ncnn-table", *q.graph, q.platform); });
    EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
    return std::string(error.what());
  };
  const auto good = active(0.5, 0, -127, 127);
  EXPECT_THAT(refused(active(0.5, 3), good), testing::AllOf(HasSubstr("tensor x"), HasSubstr("0..255"), HasSubstr("-127..127")));
  EXPECT_THAT(refused(active(0.5, 0, -128, 127), good), HasSubstr("-128..127"));
  EXPECT_THAT(refused(active(0.5, 0, -32767, 32767), good), HasSubstr("32767"));
  EXPECT_THAT(refused(good, active(0.5, 1, -127, 127)), testing::AllOf(HasSubstr("tensor w"), HasSubstr("zero point")));
  auto blocks = active(0.5, 0, -127, 127);
  blocks->scheme.granularity = Granularity::PerBlock;
  EXPECT_THAT(refused(good, blocks), HasSubstr("a scale a block"));
}

TEST(NcnnTable, NamesThatTheReaderWouldSplitAreRefused) {
  for (const char* name : {"my layer", "a_param_b"}) {
    Quantizing q("(float[1,2] x) => (float[1,1] y) <float[1,2] w = {1, 2}>", "[fc] y = Gemm<transB = 1>(x, w)");
    Node* old = q.graph->find_node("fc");
    Node* node = q.graph->add_node("Gemm", name, old->inputs(), {q.graph->add_value("z")});
    node->attributes.set("transB", int64_t{1});
    node->quantized = true;
    node->input_quant = {active(0.5, 0, -127, 127), active(0.5, 0, -127, 127)};
    const Error error = thrown([&] { Exported("ncnn-table", *q.graph, q.platform); });
    EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
    EXPECT_THAT(error.what(), HasSubstr(name));
  }
}

}  // namespace
}  // namespace ppq::test
