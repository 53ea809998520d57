#include "passes/equalize/statistics.h"

#include "passes/quantizing.h"

namespace ppq::test {
namespace {

/// What flows into Clip(0, 6) is the input itself.
struct Clipped : Quantizing {
  Clipped()
      : Quantizing("(float[N,2,1,400] x) => (float[N,1,1,400] y) <float lo = {0}, float hi = {6}, float[1,2,1,1] w = {1, 1}>",
                   "i = Neg(x) n = Neg(i) r = Clip(n, lo, hi) [down] y = Conv(r, w)") {}
};

at::Tensor sample(double first, double second) {
  at::Tensor x = at::zeros({1, 2, 1, 400});
  x[0][0][0][0] = first, x[0][1][0][0] = second;
  return x;
}

TEST(EqualizationStatistics, ExpectsMoreThanItSaw) {
  Clipped q;
  q.calibrate_with({sample(1, 2), sample(1, 2), sample(1, 2), sample(1, 2)});
  const auto s = passes::equalization_statistics(*q.graph, q.context);
  ASSERT_EQ(s.clips.count("n"), 1u);
  const auto& reach = s.clips.at("n");
  EXPECT_EQ(reach.bound, 6);
  // 1 in 400 is 1: mean 1/400, deviation about 1/20; the largest value as 70 % of what is expected is more than 8 deviations.
  EXPECT_NEAR(reach.most[0].item<double>(), 1 / 0.7, 1e-5);
  EXPECT_NEAR(reach.most[1].item<double>(), 2 / 0.7, 1e-5);
  EXPECT_FALSE(reach.cut.any().item<bool>());
  EXPECT_NEAR(s.moments.at("r").square[1].item<double>(), 4.0 / 400, 1e-6);
}

/// One half never saw what the other half has: all channels get the room that was missing.
TEST(EqualizationStatistics, HalfOfTheSamplesForetellTheOther) {
  Clipped q;
  q.calibrate_with({sample(1, 2), sample(4, 2), sample(1, 2), sample(4, 2)});
  const auto s = passes::equalization_statistics(*q.graph, q.context);
  const double excess = 4 / (1 / 0.7);  // 99 % quantile of two channels' {excess, 0.7}
  const double factor = 0.7 + 0.99 * (excess - 0.7);
  EXPECT_NEAR(s.clips.at("n").most[0].item<double>(), 4 / 0.7 * factor, 1e-4);
  EXPECT_NEAR(s.clips.at("n").most[1].item<double>(), 2 / 0.7 * factor, 1e-4);
}

TEST(EqualizationStatistics, WhatTheBoundTakes) {
  Clipped q;
  q.calibrate_with({sample(1, 9), sample(1, 2)});
  const auto s = passes::equalization_statistics(*q.graph, q.context);
  EXPECT_FALSE(s.clips.at("n").cut[0].item<bool>());
  EXPECT_TRUE(s.clips.at("n").cut[1].item<bool>());
}

/// What judges candidates has no part in what they are made from.
TEST(EqualizationStatistics, TheHalfThatJudgesIsNotSeenByCandidates) {
  Clipped q;
  q.calibrate_with({sample(1, 2), sample(1, 2), sample(5, 5), sample(1, 2), sample(5, 5)});
  const auto s = passes::equalization_statistics_of_halves(*q.graph, q.context);
  EXPECT_NEAR(s.fitting.clips.at("n").most[0].item<double>(), 1 / 0.7, 1e-5);
  EXPECT_GT(s.all.clips.at("n").most[0].item<double>(), 5);
  EXPECT_NEAR(s.all.moments.at("r").magnitude[0].item<double>(), 5, 1e-6);
}

TEST(EqualizationStatistics, OneSampleServesAsBothHalves) {
  Clipped q;
  q.calibrate_with({sample(1, 2)});
  const auto s = passes::equalization_statistics(*q.graph, q.context);
  EXPECT_NEAR(s.clips.at("n").most[0].item<double>(), 1 / 0.7, 1e-5);
}

}  // namespace
}  // namespace ppq::test
