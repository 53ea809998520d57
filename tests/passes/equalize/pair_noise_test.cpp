#include "passes/equalize/pair_noise.h"

#include "passes/quantizing.h"

namespace ppq::test {
namespace {

using passes::NoiseTerm;

ChannelMoments moments(std::vector<double> magnitude, std::vector<double> mean, std::vector<double> square) {
  return {at::tensor(magnitude, at::kDouble), at::tensor(mean, at::kDouble), at::tensor(square, at::kDouble)};
}

/// 2 → 3 channels, 1×1, then 3 → 2 with 1×2 kernels.
struct Two : Quantizing {
  Two()
      : Quantizing(
            "(float[N,2,1,4] x) => (float[N,2,1,3] y) <float[3,2,1,1] w = {4, -1, 0.5, 0.25, 0.1, 0.2}, float[2,3,1,2] v = {1, 2, 3, 4, 5, "
            "6, -1, -2, -3, -4, -5, -7}>",
            "[up] c = Conv(x, w) r = Relu(c) [down] y = Conv(r, v)") {}
  std::vector<NoiseTerm> terms() {
    const auto pairs = passes::find_equalization_pairs(*graph, {});
    return passes::noise_of(pairs.at(0), pairs, {{"x", moments({9, 9}, {1, 0}, {5, 7})}, {"r", moments({2, 8, 16}, {1, 2, 3}, {3, 5, 11})}},
                            context);
  }
};

TEST(PairNoise, AgainstPlainSums) {
  Two q;
  const auto terms = q.terms();
  ASSERT_EQ(terms.size(), 3u);
  const double gain[3] = {1 + 4 + 1 + 4, 9 + 16 + 9 + 16, 25 + 36 + 25 + 49}, largest[3] = {2, 4, 7};
  const double power[3] = {3, 5, 11}, mean_power = 4 * (3 + 5 + 11) / 3.0;
  const double rows[3] = {4, 0.5, 0.2}, magnitude[3] = {2, 8, 16};
  for (int c = 0; c < 3; ++c) {
    // The activation: 8 bits of a range that starts at 0.
    EXPECT_DOUBLE_EQ(terms[0].range[c], magnitude[c] / 256);
    EXPECT_NEAR(terms[0].weight[c], gain[c], 1e-9);
    // Weights that read it: 4 of them a channel, each error times the activation.
    EXPECT_TRUE(terms[1].inverse);
    EXPECT_NEAR(terms[1].range[c], largest[c] / 128, 1e-9);
    EXPECT_NEAR(terms[1].weight[c], 4 * power[c] + 1e-3 * mean_power, 1e-9);
    // Weights before it: errors times the input, then through the gain.
    EXPECT_NEAR(terms[2].range[c], rows[c] / 128, 1e-7);
    EXPECT_NEAR(terms[2].weight[c], (5 + 7) * gain[c], 1e-9);
    EXPECT_FALSE(terms[0].inverse || terms[2].inverse);
  }
}

TEST(PairNoise, WithBiasCorrectionOnlyTheVarianceCounts) {
  Two q;
  q.setting.bias_correct = true;
  const auto terms = q.terms();
  const double gain = 10, variance[3] = {3 - 1, 5 - 4, 11 - 9};
  EXPECT_NEAR(terms[2].weight[0], (5 - 1 + 7) * gain, 1e-9);
  EXPECT_NEAR(terms[1].weight[1], 4 * variance[1] + 1e-3 * 4 * (2 + 1 + 2) / 3.0, 1e-9);
}

TEST(PairNoise, WeightsWithAScaleAChannelDoNotMatter) {
  Two q;
  q.platform.slots = find_platform(TargetPlatform::QNN_HTP_INT8).slots;
  const auto terms = q.terms();
  ASSERT_EQ(terms.size(), 2u) << "the activation, and weights whose input channels share a scale";
  EXPECT_FALSE(terms[0].inverse);
  EXPECT_TRUE(terms[1].inverse);
}

TEST(PairNoise, NothingWithoutMoments) {
  Two q;
  const auto pairs = passes::find_equalization_pairs(*q.graph, {});
  EXPECT_TRUE(passes::noise_of(pairs.at(0), pairs, {}, q.context).empty());
}

/// An error in a depthwise layer's output counts by what the layer behind it makes of that channel.
TEST(PairNoise, LooksThroughADepthwiseLayer) {
  Quantizing q("(float[N,1,1,4] x) => (float[N,1,1,4] y) <float[2,1,1,1] w = {1, 1}, float[2,1,1,1] d = {3, 5}, float[1,2,1,1] v = {2, 7}>",
               "[up] c = Conv(x, w) r = Relu(c) [deep] e = Conv<group = 2>(r, d) s = Relu(e) [down] y = Conv(s, v)");
  const auto pairs = passes::find_equalization_pairs(*q.graph, {});
  ASSERT_EQ(pairs.size(), 2u);
  const auto terms = passes::noise_of(pairs[0], pairs, {{"x", moments({1}, {0}, {1})}, {"r", moments({1, 1}, {0, 0}, {2, 3})}}, q.context);
  ASSERT_EQ(terms.size(), 3u);
  EXPECT_NEAR(terms[0].weight[0], 9 * 4, 1e-9);
  EXPECT_NEAR(terms[0].weight[1], 25 * 49, 1e-9);
  EXPECT_NEAR(terms[1].weight[0], 2 * 4 + 1e-3 * (2 * 4 + 3 * 49) / 2.0, 1e-9);
}

}  // namespace
}  // namespace ppq::test
