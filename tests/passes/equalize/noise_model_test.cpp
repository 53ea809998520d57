#include "passes/equalize/noise_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace ppq::passes {
namespace {

TEST(NoiseModel, AgainstPlainSums) {
  const std::vector<NoiseTerm> terms = {{{3, 1}, {0.5, 2}}, {{0.25, 2}, {1, 4}, true}};
  // up: step max(3·2, 1·0.5) = 6, arriving 0.5/4 + 2/0.25; behind: step max(0.25/2, 2/0.5) = 4, arriving 1·4 + 4·0.25
  EXPECT_DOUBLE_EQ(noise(terms, {2, 0.5}), 36 * (0.125 + 8) + 16 * (4 + 1));
}

/// One channel: A s² / s² is constant, whatever the scale.
TEST(NoiseModel, OneChannelHasNothingToWin) {
  const std::vector<NoiseTerm> terms = {{{3}, {0.5}}, {{0.25}, {1}, true}};
  EXPECT_DOUBLE_EQ(noise(terms, {5}), noise(terms, {1}));
}

TEST(NoiseModel, FindsWhatASearchOverAGridFinds) {
  std::mt19937 random(4);
  std::lognormal_distribution<double> draw(0, 1.5);
  for (int round = 0; round < 20; ++round) {
    std::vector<NoiseTerm> terms = {{{draw(random), draw(random)}, {draw(random), draw(random)}},
                                    {{draw(random), draw(random)}, {draw(random), draw(random)}},
                                    {{draw(random), draw(random)}, {draw(random), draw(random)}, true}};
    const double most[2] = {round % 2 ? 1.5 : 1e6, 1e6};
    double least = 1e300;
    for (double a = -10; a <= 10; a += 0.05)
      for (double b = -10; b <= 10; b += 0.05)
        if (std::exp2(a) <= most[0]) least = std::min(least, noise(terms, {std::exp2(a), std::exp2(b)}));
    const auto found = least_noise(terms, {most[0], most[1]});
    EXPECT_LE(found[0], most[0]);
    EXPECT_LE(noise(terms, found), 1.03 * least) << "round " << round << ": all at 1 gives " << noise(terms, {1, 1});
  }
}

TEST(NoiseModel, ManyChannelsOfDifferentRangeAreBroughtTogether) {
  // Weights 2^-8 … 2^7 on one side, the inverse on the other: all of one range is the best, and is known.
  std::vector<NoiseTerm> terms(2);
  terms[1].inverse = true;
  std::vector<double> ideal;
  for (int i = 0; i < 16; ++i) {
    const double range = std::exp2(i - 8);
    terms[0].range.push_back(range), terms[0].weight.push_back(1 / (range * range));
    terms[1].range.push_back(1 / range), terms[1].weight.push_back(range * range);
    ideal.push_back(1 / range);
  }
  const std::vector<double> ones(16, 1), free(16, 1e6);
  const auto found = least_noise(terms, free);
  EXPECT_LE(noise(terms, found), 1.02 * noise(terms, ideal));
  EXPECT_GT(noise(terms, ones), 1000 * noise(terms, found));
}

TEST(NoiseModel, HeldAndBoundedChannelsKeepTheirPlace) {
  const std::vector<NoiseTerm> terms = {{{1, 1, 1}, {100, 1, 0.01}}, {{1, 1, 1}, {1, 1, 1}, true}};
  const auto found = least_noise(terms, {0, 1, 4});
  EXPECT_EQ(found[0], 1);
  EXPECT_LE(found[1], 1);
  EXPECT_LE(found[2], 4);
}

/// Dead channels, empty tensors: no NaN, nothing moves without reason.
TEST(NoiseModel, Zeros) {
  const std::vector<NoiseTerm> terms = {{{0, 0}, {0, 0}}, {{0, 0}, {0, 0}, true}};
  EXPECT_EQ(least_noise(terms, {1e6, 1e6}), (std::vector<double>{1, 1}));
  EXPECT_EQ(least_noise({}, {1e6}), std::vector<double>{1});
  for (double s : least_noise({{{1, 0}, {1, 0}}, {{1, 0}, {1, 0}, true}}, {1e6, 1e6})) EXPECT_TRUE(std::isfinite(s) && s > 0);
}

}  // namespace
}  // namespace ppq::passes
