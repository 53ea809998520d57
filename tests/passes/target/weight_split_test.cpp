#include <ATen/ATen.h>

#include "passes/quantizing.h"

namespace ppq::test {
namespace {

struct Splitting : Quantizing {
  std::unique_ptr<Graph> before;
  explicit Splitting(const std::string& inputs, const std::string& outputs, const std::string& body,
                     const std::vector<std::string>& constants, double threshold = 1)
      : Quantizing(parse_model(model_text(inputs, outputs, body), constants)) {
    setting.weight_split = true;
    setting.weight_split_setting.interested_layers = {"layer"};
    setting.weight_split_setting.value_threshold = threshold;
    before = graph->clone();
  }
  size_t split() { return pass("weight-split"); }
  void expect_same_network() const {
    const Tensors inputs = random_inputs(*before);
    EXPECT_LE(relative_difference(run_float(*graph, inputs), run_float(*before, inputs)), 1e-5);
    EXPECT_EQ(graph->outputs()[0]->name(), "y");
  }
};

struct Case {
  const char *inputs, *outputs, *body;
  std::vector<std::string> constants;
};

class WeightSplits : public testing::TestWithParam<Case> {};

TEST_P(WeightSplits, ByHalvesAndTheFloatNetworkStays) {
  const Case& c = GetParam();
  Splitting q(c.inputs, c.outputs, c.body, c.constants);
  const at::Tensor weight = q.node("layer").constant_input(1).clone();
  EXPECT_EQ(q.split(), 1u);
  const std::string type = q.node("layer").op_type;
  EXPECT_THAT(types_of(*q.graph), ElementsAre(type, type, "Add"));
  q.expect_same_network();
  const Node &rest = q.node("layer"), &part = q.node("layer_split");
  const float *w = weight.const_data_ptr<float>(), *r = rest.constant_input(1).const_data_ptr<float>(),
              *p = part.constant_input(1).const_data_ptr<float>();
  for (int64_t i = 0; i < weight.numel(); ++i) {
    EXPECT_EQ(p[i], std::abs(w[i]) > 1 ? w[i] / 2 : 0);
    EXPECT_EQ(r[i], w[i] - p[i]);
  }
  EXPECT_FALSE(part.constant_input(2).defined()) << "the bias counts once";
  EXPECT_EQ(q.node("layer").constant_input(2).defined(), q.before->find_node("layer")->constant_input(2).defined());
}

INSTANTIATE_TEST_SUITE_P(
    Layers, WeightSplits,
    testing::Values(Case{"float[2,3,6,6] x, float[8,3,3,3] w, float[8] b",
                         "float[2,8,6,6] y",
                         "[layer] y = Conv<pads = [1, 1, 1, 1]>(x, w, b)",
                         {"w", "b"}},
                    Case{"float[2,4,6,6] x, float[4,3,3,3] w", "float[2,6,8,8] y", "[layer] y = ConvTranspose<group = 2>(x, w)", {"w"}},
                    Case{"float[2,3] x, float[5,3] w, float[5] b",
                         "float[2,5] y",
                         "[layer] y = Gemm<transB = 1, alpha = 0.5, beta = 2.0>(x, w, b)",
                         {"w", "b"}},
                    Case{"float[2,4,3] x, float[3,5] w", "float[2,4,5] y", "[layer] y = MatMul(x, w)", {"w"}}),
    [](const auto& info) { return std::to_string(info.index); });

const Case kGemm{"float[2,3] x, float[3,5] w, float[5] b", "float[2,5] y", "[layer] y = Gemm(x, w, b)", {"w", "b"}};

TEST(WeightSplit, RandomSharesAreTheSameEachTime) {
  std::vector<at::Tensor> parts;
  for (int i = 0; i < 2; ++i) {
    Splitting q(kGemm.inputs, kGemm.outputs, kGemm.body, kGemm.constants, 0.5);
    q.setting.weight_split_setting.method = "random";
    EXPECT_EQ(q.split(), 1u);
    q.expect_same_network();
    parts.push_back(q.node("layer_split").constant_input(1));
  }
  EXPECT_TRUE(at::equal(parts[0], parts[1]));
  EXPECT_GT(std::get<0>(at::_unique(parts[0])).numel(), 3) << "shares differ";
}

TEST(WeightSplit, OneWeightForTwoNodesIsSplitForTheOneThatWasNamed) {
  Splitting q("float[2,3] x, float[3,3] w", "float[2,3] y", "[other] a = MatMul(x, w) [layer] y = MatMul(a, w)", {"w"}, 0.5);
  const at::Tensor weight = q.node("other").constant_input(1).clone();
  EXPECT_EQ(q.split(), 1u);
  EXPECT_TRUE(at::equal(q.node("other").constant_input(1), weight));
  q.expect_same_network();
}

TEST(WeightSplit, WhatItLeaves) {
  Splitting small(kGemm.inputs, kGemm.outputs, kGemm.body, kGemm.constants, 100);
  EXPECT_EQ(small.split(), 0u) << "nothing is beyond the threshold";
  EXPECT_THAT(small.warnings, IsEmpty());
  Splitting dynamic("float[2,3] x, float[3,5] v", "float[2,5] y", "[layer] y = MatMul(x, v)", {});
  EXPECT_EQ(dynamic.split(), 0u);
  ASSERT_THAT(dynamic.warnings, SizeIs(1));
  EXPECT_THAT(dynamic.warnings[0].text, HasSubstr("'layer'"));
  Splitting fixed(kGemm.inputs, kGemm.outputs, kGemm.body, kGemm.constants, 0.5);
  fixed.node("layer").input_quant = {nullptr, active(0.1, 0), nullptr};
  fixed.in("layer", 1)->fixed = true;
  EXPECT_EQ(fixed.split(), 0u);
}

TEST(WeightSplit, LayersMustBeNamed) {
  Splitting q(kGemm.inputs, kGemm.outputs, kGemm.body, kGemm.constants);
  q.setting.weight_split_setting.interested_layers.clear();
  const Error none = thrown([&] { q.split(); });
  EXPECT_EQ(none.kind(), ErrorKind::Usage);
  EXPECT_THAT(none.what(), HasSubstr("interested_layers"));
  q.setting.weight_split_setting.interested_layers = {"layr"};
  const Error wrong = thrown([&] { q.split(); });
  EXPECT_EQ(wrong.kind(), ErrorKind::Usage);
  EXPECT_THAT(wrong.what(), HasSubstr("layr"));
}

/// A single large weight takes most of the scale of the others: its halves leave steps of half the size.
TEST(WeightSplit, HalvesTheStepsOfWeights) {
  const auto error = [](bool split) {
    Splitting q(kGemm.inputs, kGemm.outputs, kGemm.body, kGemm.constants, 2);
    at::Tensor weight = q.node("layer").constant_input(1).clone();
    weight[0][0] = 30;
    q.node("layer").input(1)->set_constant(weight);
    if (split) q.split();
    q.passes({"configure-quantization", "fuse-quantization", "simplify-quantization", "quantize-parameters"});
    // Weights alone: what they were, against what they are rounded to.
    const auto rounded = [&](const std::string& name) { return fake_quantize(q.node(name).constant_input(1), *q.in(name, 1)); };
    at::Tensor sum = rounded("layer");
    if (split) sum = sum + rounded("layer_split");
    return (sum - weight).square().sum().item<double>();
  };
  EXPECT_LT(error(true), 0.6 * error(false));
}

}  // namespace
}  // namespace ppq::test
