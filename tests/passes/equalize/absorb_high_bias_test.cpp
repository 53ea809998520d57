#include "passes/quantizing.h"
#include "support/device.h"

namespace ppq::test {
namespace {

struct Case {
  const char *what, *inputs, *outputs, *body;
  std::vector<std::string> constants;
  double bias_of_even = 3;  ///< of `up`'s output channels 0, 2, …; the others have 0 and go below zero
};
std::string title(const testing::TestParamInfo<Case>& info) {
  std::string name = info.param.what;
  for (char& letter : name)
    if (!std::isalnum(static_cast<unsigned char>(letter))) letter = '_';
  return name;
}

/// The node [up] gets weights of 0.05 to 0.1 in magnitude, so that its output stays near its bias.
struct Absorbing : Quantizing {
  std::unique_ptr<Graph> before;
  PassRecord record;
  explicit Absorbing(const Case& c) : Quantizing(parse_model(model_text(c.inputs, c.outputs, c.body), c.constants)) {
    pass("constants-to-values");
    Node& up = node("up");
    up.input(1)->set_constant(at::tanh(up.constant_input(1)) * 0.1);
    if (up.input(2))
      up.input(2)->set_constant(at::where(at::arange(up.constant_input(2).numel()).remainder(2) == 0, c.bias_of_even, 0.0).to(at::kFloat));
    before = graph->clone();
    at::manual_seed(4);
    std::vector<at::Tensor> samples;
    for (int i = 0; i < 8; ++i) samples.push_back(at::rand({1, 3, 6, 6}) * 2 - 1);
    calibrate_with(samples);
    context.record = &record;
  }
  size_t absorb() { return pass("absorb-high-bias"); }
  double float_difference() const {
    double most = 0;
    for (size_t i = 0; i < context.calibration->size(); ++i)
      most = std::max(
          most, relative_difference(run_float(*graph, context.calibration->sample(i)), run_float(*before, context.calibration->sample(i))));
    return most;
  }
  /// Smallest and largest of each channel of what `up` computes, over all samples, by plain loops.
  static std::vector<std::pair<double, double>> ranges(const Graph& network, const Dataset& samples) {
    LowerOptions watching;
    watching.watch = {network.find_node("up")->output()};
    const auto program = lower(network, on_test_device(watching));
    std::vector<std::pair<double, double>> result;
    for (size_t i = 0; i < samples.size(); ++i)
      run_on_test_device(*program, samples.sample(i), [&](size_t, const at::Tensor& value) {
        const at::Tensor x = value.contiguous();
        const int64_t channels = x.size(1), places = x.numel() / channels;
        result.resize(static_cast<size_t>(channels), {1e30, -1e30});
        for (int64_t c = 0; c < channels; ++c)
          for (int64_t p = 0; p < places; ++p) {
            const double v = static_cast<double>(x.const_data_ptr<float>()[c * places + p]);
            auto& [low, high] = result[static_cast<size_t>(c)];
            low = std::min(low, v), high = std::max(high, v);
          }
      });
    return result;
  }
};

class Absorbs : public testing::TestWithParam<Case> {};

TEST_P(Absorbs, AndTheFloatNetworkStays) {
  Absorbing q(GetParam());
  EXPECT_EQ(q.absorb(), 1u) << q.record.decision;
  EXPECT_LE(q.float_difference(), 1e-5);
  const auto then = Absorbing::ranges(*q.before, *q.context.calibration), now = Absorbing::ranges(*q.graph, *q.context.calibration);
  for (size_t c = 0; c < then.size(); ++c) {
    if (then[c].first > 0) {
      EXPECT_NEAR(now[c].first, 0, 1e-5) << "channel " << c;
      EXPECT_NEAR(now[c].second, then[c].second - then[c].first, 1e-5) << "channel " << c;
    } else {
      EXPECT_NEAR(now[c].second, then[c].second, 1e-6) << "channel " << c;
    }
  }
  EXPECT_GT(then[0].first, 1) << "the case has nothing to absorb";
  EXPECT_THAT(q.record.decision, testing::StartsWith("absorbed 4 channels of 1 layers"));
}

constexpr const char* kTwo = "float[2,3,6,6] x, float[8,3,3,3] w, float[8] b, float[4,8,3,3] v";

INSTANTIATE_TEST_SUITE_P(
    Through, Absorbs,
    testing::Values(Case{"Relu", kTwo, "float[2,4,2,2] y", "[up] c = Conv(x, w, b) r = Relu(c) y = Conv(r, v)", {"w", "b", "v"}},
                    Case{"Relu into a bias",
                         "float[2,3,6,6] x, float[8,3,3,3] w, float[8] b, float[4,8,3,3] v, float[4] d",
                         "float[2,4,2,2] y",
                         "[up] c = Conv(x, w, b) r = Relu(c) y = Conv(r, v, d)",
                         {"w", "b", "v", "d"}},
                    Case{"Clip",
                         kTwo,
                         "float[2,4,2,2] y",
                         "lo = Constant<value = float {0}>() hi = Constant<value = float {6}>() [up] c = Conv(x, w, b) r = Clip(c, lo, hi) "
                         "y = Conv(r, v)",
                         {"w", "b", "v"}},
                    Case{"nothing", kTwo, "float[2,4,2,2] y", "[up] c = Conv(x, w, b) y = Conv(c, v)", {"w", "b", "v"}},
                    Case{"padded MaxPool",
                         kTwo,
                         "float[2,4,3,3] y",
                         "[up] c = Conv(x, w, b) r = Relu(c) p = MaxPool<kernel_shape = [3, 3], pads = [1, 1, 2, 2]>(r) y = Conv<dilations "
                         "= [1, 1]>(p, v)",
                         {"w", "b", "v"}},
                    Case{"AveragePool",
                         kTwo,
                         "float[2,4,1,1] y",
                         "[up] c = Conv(x, w, b) r = LeakyRelu(c) p = AveragePool<kernel_shape = [2, 2]>(r) y = Conv(p, v)",
                         {"w", "b", "v"}},
                    Case{"AveragePool that does not count its padding",
                         kTwo,
                         "float[2,4,2,2] y",
                         "[up] c = Conv(x, w, b) r = Relu(c) p = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(r) y = Conv(p, v)",
                         {"w", "b", "v"}},
                    Case{"GlobalAveragePool and Flatten",
                         "float[2,3,6,6] x, float[8,3,3,3] w, float[8] b, float[8,5] v",
                         "float[2,5] y",
                         "[up] c = Conv(x, w, b) r = Relu(c) p = GlobalAveragePool(r) f = Flatten(p) y = Gemm(f, v)",
                         {"w", "b", "v"}},
                    Case{"several columns a channel",
                         "float[2,3,6,6] x, float[8,3,3,3] w, float[8] b, float[5,128] v",
                         "float[2,5] y",
                         "[up] c = Conv(x, w, b) r = Relu(c) f = Flatten(r) y = Gemm<transB = 1>(f, v)",
                         {"w", "b", "v"}},
                    Case{"a depthwise layer",
                         "float[2,3,6,6] x, float[8,3,3,3] w, float[8] b, float[8,1,3,3] v",
                         "float[2,8,2,2] y",
                         "[up] c = Conv(x, w, b) r = Relu(c) y = Conv<group = 8>(r, v)",
                         {"w", "b", "v"}},
                    Case{"a grouped layer",
                         "float[2,3,6,6] x, float[8,3,3,3] w, float[8] b, float[6,4,3,3] v",
                         "float[2,6,2,2] y",
                         "[up] c = Conv(x, w, b) r = Relu(c) y = Conv<group = 2>(r, v)",
                         {"w", "b", "v"}},
                    Case{"a grouped ConvTranspose of one tap",
                         "float[2,3,6,6] x, float[8,3,3,3] w, float[8] b, float[8,3,1,1] v",
                         "float[2,6,4,4] y",
                         "[up] c = Conv(x, w, b) r = Relu(c) y = ConvTranspose<group = 2>(r, v)",
                         {"w", "b", "v"}},
                    Case{"two readers",
                         "float[2,3,6,6] x, float[8,3,3,3] w, float[8] b, float[4,8,3,3] v, float[4,8,1,1] u",
                         "float[2,4,2,2] y, float[2,4,4,4] z",
                         "[up] c = Conv(x, w, b) r = Relu(c) y = Conv(r, v) z = Conv(r, u)",
                         {"w", "b", "v", "u"}}),
    title);

class LeavesAlone : public testing::TestWithParam<Case> {};

TEST_P(LeavesAlone, WhatWouldNotBeExact) {
  Absorbing q(GetParam());
  EXPECT_EQ(q.absorb(), 0u);
  for (const Value* value : q.before->constants())
    EXPECT_TRUE(at::equal(q.graph->find_value(value->name())->constant(), value->constant())) << value->name();
  EXPECT_EQ(q.graph->constants().size(), q.before->constants().size());
}

INSTANTIATE_TEST_SUITE_P(
    Because, LeavesAlone,
    testing::Values(Case{"the reader pads",
                         kTwo,
                         "float[2,4,4,4] y",
                         "[up] c = Conv(x, w, b) r = Relu(c) y = Conv<pads = [1, 1, 1, 1]>(r, v)",
                         {"w", "b", "v"}},
                    Case{"one of two readers pads",
                         kTwo,
                         "float[2,4,4,4] y, float[2,4,2,2] z",
                         "[up] c = Conv(x, w, b) r = Relu(c) y = Conv<pads = [1, 1, 1, 1]>(r, v) z = Conv(r, v)",
                         {"w", "b", "v"}},
                    Case{"the reader pads by itself",
                         kTwo,
                         "float[2,4,4,4] y",
                         "[up] c = Conv(x, w, b) r = Relu(c) y = Conv<auto_pad = \"SAME_UPPER\">(r, v)",
                         {"w", "b", "v"}},
                    Case{"zeros are padded before",
                         kTwo,
                         "float[2,4,4,4] y",
                         "p = Constant<value = int64[8] {0, 0, 1, 1, 0, 0, 1, 1}>() [up] c = Conv(x, w, b) r = Pad(c, p) y = Conv(r, v)",
                         {"w", "b", "v"}},
                    Case{"pooling counts its padding",
                         kTwo,
                         "float[2,4,2,2] y",
                         "[up] c = Conv(x, w, b) r = Relu(c) p = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad "
                         "= 1>(r) y = Conv(p, v)",
                         {"w", "b", "v"}},
                    Case{"a ConvTranspose has several taps",
                         "float[2,3,6,6] x, float[8,3,3,3] w, float[8] b, float[8,3,2,2] v",
                         "float[2,3,5,5] y",
                         "[up] c = Conv(x, w, b) r = Relu(c) y = ConvTranspose(r, v)",
                         {"w", "b", "v"}},
                    Case{"a ConvTranspose has strides",
                         "float[2,3,6,6] x, float[8,3,3,3] w, float[8] b, float[8,3,1,1] v",
                         "float[2,3,7,7] y",
                         "[up] c = Conv(x, w, b) r = Relu(c) y = ConvTranspose<strides = [2, 2]>(r, v)",
                         {"w", "b", "v"}},
                    Case{"a Gemm scales its bias",
                         "float[2,3,6,6] x, float[8,3,3,3] w, float[8] b, float[128,5] v, float[5] d",
                         "float[2,5] y",
                         "[up] c = Conv(x, w, b) r = Relu(c) f = Flatten(r) y = Gemm<beta = 0.5>(f, v, d)",
                         {"w", "b", "v", "d"}},
                    Case{"it is a graph output",
                         kTwo,
                         "float[2,4,2,2] y, float[2,8,4,4] r",
                         "[up] c = Conv(x, w, b) r = Relu(c) y = Conv(r, v)",
                         {"w", "b", "v"}},
                    Case{"another operation reads it",
                         kTwo,
                         "float[2,4,2,2] y, float[2,8,4,4] s",
                         "[up] c = Conv(x, w, b) r = Relu(c) y = Conv(r, v) s = Sigmoid(r)",
                         {"w", "b", "v"}},
                    Case{"an Add lies between",
                         kTwo,
                         "float[2,4,2,2] y",
                         "[up] c = Conv(x, w, b) [other] d = Conv(x, w, b) s = Add(c, d) y = Conv(s, v)",
                         {"w", "b", "v"}},
                    Case{"channels come near the bound",
                         kTwo,
                         "float[2,4,2,2] y",
                         "lo = Constant<value = float {0}>() hi = Constant<value = float {3.2}>() [up] c = Conv(x, w, b) r = Clip(c, lo, "
                         "hi) y = Conv(r, v)",
                         {"w", "b", "v"}},
                    Case{"every channel goes below zero",
                         kTwo,
                         "float[2,4,2,2] y",
                         "[up] c = Conv(x, w, b) r = Relu(c) y = Conv(r, v)",
                         {"w", "b", "v"},
                         0}),
    title);

const Case kPlain{"Relu", kTwo, "float[2,4,2,2] y", "[up] c = Conv(x, w, b) [act] r = Relu(c) [down] y = Conv(r, v)", {"w", "b", "v"}};

TEST(AbsorbHighBias, BiasesAgainstPlainLoops) {
  for (size_t batch : {1u, 3u}) {
    Absorbing q(kPlain);
    q.context.batch_size = batch;
    EXPECT_EQ(q.absorb(), 1u);
    const auto ranges = Absorbing::ranges(*q.before, *q.context.calibration);
    const at::Tensor b = q.node("up").constant_input(2), was = q.before->find_node("up")->constant_input(2),
                     v = q.node("down").constant_input(1), d = q.node("down").constant_input(2);
    ASSERT_TRUE(d.defined());
    std::vector<double> shift;
    for (size_t c = 0; c < 8; ++c) {
      shift.push_back(std::max(ranges[c].first, 0.0));
      EXPECT_NEAR(b[static_cast<int64_t>(c)].item<double>(), was[static_cast<int64_t>(c)].item<double>() - shift[c], 1e-6);
    }
    for (int64_t o = 0; o < 4; ++o) {
      double sum = 0;
      for (int64_t c = 0; c < 8; ++c)
        for (int64_t i = 0; i < 3; ++i)
          for (int64_t j = 0; j < 3; ++j) sum += v[o][c][i][j].item<double>() * shift[static_cast<size_t>(c)];
      EXPECT_NEAR(d[o].item<double>(), sum, 1e-5);
    }
  }
}

TEST(AbsorbHighBias, LeavesFixedEncodingsAndRunsWithoutSamples) {
  for (const char* where : {"up", "act", "down"}) {
    Absorbing q(kPlain);
    auto fixed = active(0.1, 0);
    fixed->fixed = true;
    Node& node = q.node(where);
    if (std::string(where) == "down") {
      node.input_quant = {fixed, nullptr};
    } else {
      node.output_quant = {fixed};
    }
    EXPECT_EQ(q.absorb(), 0u) << where;
  }
  Absorbing none(kPlain);
  none.context.calibration = nullptr;
  EXPECT_EQ(none.absorb(), 0u);
  EXPECT_THAT(none.record.decision, HasSubstr("no samples"));
}

/// The samples of one half stay above 2, those of the other go below zero: what half of the samples promise does not hold on the others.
TEST(AbsorbHighBias, IsTakenBackWhereOtherSamplesFallBelow) {
  Absorbing q(kPlain);
  std::vector<at::Tensor> samples;
  for (int i = 0; i < 8; ++i) samples.push_back(at::rand({1, 3, 6, 6}) * (i / 2 % 2 ? 60 : 1));
  q.calibrate_with(samples);
  EXPECT_EQ(q.absorb(), 0u);
  EXPECT_TRUE(at::equal(q.node("up").constant_input(2), q.before->find_node("up")->constant_input(2)));
  EXPECT_THAT(q.record.decision, testing::StartsWith("absorbed 0 channels"));
}

/// One weight for both layers: the reader's bias is its own.
TEST(AbsorbHighBias, SharedBiasesAreCopied) {
  Absorbing q({"shared",
               "float[2,3,6,6] x, float[3,3,1,1] w, float[3] b",
               "float[2,3,6,6] y",
               "[up] c = Conv(x, w, b) r = Relu(c) [down] y = Conv(r, w, b)",
               {"w", "b"}});
  EXPECT_EQ(q.absorb(), 1u);
  EXPECT_LE(q.float_difference(), 1e-5);
  EXPECT_NE(q.node("up").input(2), q.node("down").input(2));
}

}  // namespace
}  // namespace ppq::test
