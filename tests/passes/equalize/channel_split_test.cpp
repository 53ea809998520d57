#include <ATen/ATen.h>

#include "passes/quantizing.h"

namespace ppq::test {
namespace {

struct Case {
  const char *what, *inputs, *outputs, *body;
  std::vector<std::string> constants;
  int opt_level = 1;
};

/// Layer [up] has 8 output channels; the weights of channels 2 and 5 are large on both sides.
struct Splitting : Quantizing {
  std::unique_ptr<Graph> before;
  explicit Splitting(const Case& c) : Quantizing(parse_model(model_text(c.inputs, c.outputs, c.body), c.constants)) {
    setting.channel_split = true;
    setting.channel_split_setting.value_threshold = 3;
    setting.channel_split_setting.opt_level = c.opt_level;
    setting.extra.channel_split_ratio = 0.25;
    for (Node* node : graph->nodes()) {
      if (!node->constant_input(1).defined() || node->is("PRelu")) continue;
      at::Tensor weight = at::tanh(node->constant_input(1));
      const int64_t outputs = output_axis(*node), inputs = 1 - outputs;
      if (node->name.starts_with("up"))
        for (int64_t channel : {2, 5}) weight.select(outputs, channel).mul_(10);
      if (node->name.starts_with("down"))
        for (int64_t channel : {2, 5}) weight.select(inputs, channel).mul_(10);
      node->input(1)->set_constant(weight);
    }
    before = graph->clone();
  }
  static int64_t output_axis(const Node& node) {
    if (node.is("Conv")) return 0;
    if (node.is("ConvTranspose")) return 1;
    return node.attributes.get_int("transB", 0) ? 0 : 1;
  }
  size_t split() { return pass("channel-split"); }
  void expect_same_network() const {
    EXPECT_NO_THROW(check_onnx(*graph));
    const Tensors inputs = random_inputs(*before);
    EXPECT_LE(relative_difference(run_float(*graph, inputs), run_float(*before, inputs)), 1e-5);
  }
  int64_t channels(const std::string& name) const { return node(name).constant_input(1).size(output_axis(node(name))); }
};

constexpr const char* kTwo = "float[2,3,6,6] x, float[8,3,3,3] w, float[8] b, float[4,8,1,1] v";

class ChannelSplits : public testing::TestWithParam<Case> {};

TEST_P(ChannelSplits, AndTheFloatNetworkStays) {
  Splitting q(GetParam());
  EXPECT_EQ(q.split(), 1u);
  q.expect_same_network();
  EXPECT_EQ(q.channels("up"), 10) << "8 and a quarter more";
  const at::Tensor was = q.before->find_node("up")->constant_input(1), now = q.node("up").constant_input(1);
  const int64_t axis = Splitting::output_axis(q.node("up"));
  // Twins stand side by side, each with 1/√2.
  const std::vector<std::pair<int64_t, double>> places = {
      {0, 1}, {1, 1}, {2, std::sqrt(0.5)}, {2, std::sqrt(0.5)}, {3, 1}, {4, 1}, {5, std::sqrt(0.5)}, {5, std::sqrt(0.5)}, {6, 1}, {7, 1}};
  for (int64_t i = 0; i < 10; ++i) {
    const auto [from, factor] = places[static_cast<size_t>(i)];
    EXPECT_TRUE(at::allclose(now.select(axis, i), was.select(axis, from) * factor)) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Through, ChannelSplits,
    testing::Values(Case{"Relu", kTwo, "float[2,4,4,4] y", "[up] c = Conv(x, w, b) r = Relu(c) [down] y = Conv(r, v)", {"w", "b", "v"}},
                    Case{"Pooling",
                         kTwo,
                         "float[2,4,2,2] y",
                         "[up] c = Conv(x, w, b) r = Relu(c) p = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(r) [down] y = Conv(p, v)",
                         {"w", "b", "v"}},
                    Case{"PRelu",
                         "float[2,3,6,6] x, float[8,3,3,3] w, float[8] b, float[4,8,1,1] v, float[8,1,1] s",
                         "float[2,4,4,4] y",
                         "[up] c = Conv(x, w, b) [act] r = PRelu(c, s) [down] y = Conv(r, v)",
                         {"w", "b", "v", "s"}},
                    Case{"PReluOfOneSlope",
                         "float[2,3,6,6] x, float[8,3,3,3] w, float[8] b, float[4,8,1,1] v, float[1] s",
                         "float[2,4,4,4] y",
                         "[up] c = Conv(x, w, b) [act] r = PRelu(c, s) [down] y = Conv(r, v)",
                         {"w", "b", "v", "s"}},
                    Case{"Gemm",
                         "float[2,3] x, float[8,3] w, float[8] b, float[8,5] v",
                         "float[2,5] y",
                         "[up] c = Gemm<transB = 1>(x, w, b) r = Relu(c) [down] y = Gemm(r, v)",
                         {"w", "b", "v"}},
                    Case{"ConvTranspose",
                         "float[2,3,6,6] x, float[3,8,2,2] w, float[8] b, float[8,4,2,2] v",
                         "float[2,4,8,8] y",
                         "[up] c = ConvTranspose(x, w, b) r = Relu(c) [down] y = ConvTranspose(r, v)",
                         {"w", "b", "v"}},
                    Case{"TwoReaders",
                         "float[2,3,6,6] x, float[8,3,3,3] w, float[8] b, float[4,8,1,1] v, float[4,8,3,3] u",
                         "float[2,4,4,4] y, float[2,4,2,2] z",
                         "[up] c = Conv(x, w, b) r = Relu(c) [down] y = Conv(r, v) [down2] z = Conv(r, u)",
                         {"w", "b", "v", "u"}},
                    Case{"Add",
                         "float[2,3,6,6] x, float[8,3,3,3] w, float[8] b, float[8,3,3,3] t, float[4,8,1,1] v",
                         "float[2,4,4,4] y",
                         "[up] c = Conv(x, w, b) [up2] d = Conv(x, t) a = Add(c, d) r = Relu(a) [down] y = Conv(r, v)",
                         {"w", "b", "t", "v"},
                         2}),
    [](const auto& info) { return info.param.what; });

const Case kPlain{"Relu", kTwo, "float[2,4,4,4] y", "[up] c = Conv(x, w, b) [act] r = Relu(c) [down] y = Conv(r, v)", {"w", "b", "v"}};

TEST(ChannelSplit, GrowthIsLimited) {
  for (const auto& [ratio, channels] : {std::pair{0.0, 8}, {0.13, 9}, {0.25, 10}, {1.0, 16}}) {
    Splitting q(kPlain);
    q.setting.extra.channel_split_ratio = ratio;
    q.setting.channel_split_setting.value_threshold = 0;
    q.setting.channel_split_setting.iterations = 50;
    q.split();
    EXPECT_EQ(q.channels("up"), channels) << ratio;
    q.expect_same_network();
  }
}

TEST(ChannelSplit, DeclaredShapesFollow) {
  Splitting q(kPlain);
  Value* inner = q.node("up").output();
  inner->shape = Shape{{2, ""}, {8, ""}, {4, ""}, {4, ""}};
  q.split();
  EXPECT_EQ((*inner->shape)[1].value, 10);
}

TEST(ChannelSplit, ThresholdAndIterationsCount) {
  Splitting high(kPlain);
  high.setting.channel_split_setting.value_threshold = 100;
  EXPECT_EQ(high.split(), 0u);
  Splitting none(kPlain);
  none.setting.channel_split_setting.iterations = 0;
  EXPECT_EQ(none.split(), 0u);
}

/// Biases and activations count where the setting has them count.
TEST(ChannelSplit, BiasesAndActivationsMakeChannelsLarge) {
  for (const bool act : {false, true})
    for (const bool on : {false, true}) {
      Splitting q(kPlain);
      EqualizationSetting& setting = q.setting.channel_split_setting;
      at::Tensor bias = at::zeros({8});
      bias[7] = 40;
      q.node("up").input(2)->set_constant(bias);
      at::Tensor down = q.node("down").constant_input(1).clone();
      down.select(1, 7).fill_(30);
      q.node("down").input(1)->set_constant(down);
      q.calibrate_with({at::zeros({1, 3, 6, 6}), at::zeros({1, 3, 6, 6})});
      (act ? setting.including_act : setting.including_bias) = on;
      setting.value_threshold = 15;
      EXPECT_EQ(q.split(), on ? 1u : 0u) << (act ? "activations" : "bias");
      (act ? setting.act_multiplier : setting.bias_multiplier) = 0.1;
      Splitting less(kPlain);
      less.node("up").input(2)->set_constant(bias), less.node("down").input(1)->set_constant(down);
      less.calibrate_with({at::zeros({1, 3, 6, 6}), at::zeros({1, 3, 6, 6})});
      less.setting.channel_split_setting = setting;
      EXPECT_EQ(less.split(), 0u) << "40 times 0.1 is little";
    }
}

TEST(ChannelSplit, WhatItLeaves) {
  for (const Case& c :
       std::vector<Case>{{"a depthwise reader",
                          "float[2,3,6,6] x, float[8,3,3,3] w, float[8,1,1,1] v",
                          "float[2,8,4,4] y",
                          "[up] c = Conv(x, w) r = Relu(c) y = Conv<group = 8>(r, v)",
                          {"w", "v"}},
                         {"the inner tensor is an output", kTwo, "float[2,4,4,4] y, float[2,8,4,4] r", kPlain.body, {"w", "b", "v"}},
                         {"an Add at level 1",
                          "float[2,3,6,6] x, float[8,3,3,3] w, float[8,3,3,3] t, float[4,8,1,1] v",
                          "float[2,4,4,4] y",
                          "[up] c = Conv(x, w) d = Conv(x, t) a = Add(c, d) [down] y = Conv(a, v)",
                          {"w", "t", "v"}},
                         {"slopes of the run",
                          "float[2,3,6,6] x, float[8,3,3,3] w, float[4,8,1,1] v, float[8,1,1] s",
                          "float[2,4,4,4] y",
                          "[up] c = Conv(x, w) r = PRelu(c, s) [down] y = Conv(r, v)",
                          {"w", "v"}}}) {
    SCOPED_TRACE(c.what);
    Splitting q(c);
    EXPECT_EQ(q.split(), 0u);
  }
  Splitting fixed(kPlain);
  fixed.node("act").output_quant = {active(0.1, 0)};
  fixed.out("act")->fixed = true;
  EXPECT_EQ(fixed.split(), 0u);
}

TEST(ChannelSplit, SharedWeightsAreCopied) {
  Splitting q(
      {"shared", "float[2,8,4,4] x, float[8,8,1,1] w", "float[2,8,4,4] y", "[up] c = Conv(x, w) r = Relu(c) [last] y = Conv(r, w)", {"w"}});
  q.setting.channel_split_setting.value_threshold = 0.1;
  EXPECT_EQ(q.split(), 1u);
  q.expect_same_network();
  EXPECT_NE(q.node("up").input(1), q.node("last").input(1));
}

}  // namespace
}  // namespace ppq::test
