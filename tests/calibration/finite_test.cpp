#include "calibration/finite.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/op_run.h"

namespace ppq::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity(), kLargest = std::numeric_limits<float>::max();

/// Keeps what it is shown.
class Shown final : public Statistic {
 public:
  void observe(const at::Tensor& value, int64_t samples) override { values.push_back(value), counts.push_back(samples); }
  void merge(const Statistic&) override {}
  std::vector<at::Tensor> values;
  std::vector<int64_t> counts;
};

TEST(FiniteRange, LeavesInfinitiesOut) {
  const FiniteRange range = finite_range(floats({-kInf, 1, -kLargest, 3, 2}));
  EXPECT_EQ(range.low, 1);
  EXPECT_EQ(range.high, 3);
  EXPECT_TRUE(range.minus_infinity);
  EXPECT_FALSE(range.plus_infinity || range.nan || range.empty);
  const FiniteRange none = finite_range(floats({kInf, NAN}));
  EXPECT_TRUE(none.empty && none.nan && none.plus_infinity);
  EXPECT_TRUE(finite_range(at::empty({0})).empty);
  EXPECT_FALSE(finite_range(floats({-1e30f})).minus_infinity);
}

TEST(FiniteRange, OfTwoDevicesIsThatOfAllSamples) {
  FiniteRangeStatistic a, b, c;
  a.observe(floats({1, 2}), 1), b.observe(floats({-3, -kInf}), 1);
  a.merge(b), a.merge(c), c.merge(a);
  for (const auto* one : {&a, &c}) {
    EXPECT_EQ(one->range().low, -3);
    EXPECT_EQ(one->range().high, 2);
    EXPECT_TRUE(one->range().minus_infinity);
  }
}

TEST(FiniteValues, TakeTheEndsOfTheirSample) {
  Shown shown;
  FiniteValues statistic({&shown});
  statistic.observe(floats({-kInf, 1, 2, -kInf, -5, kInf}).reshape({2, 3}), 2);
  EXPECT_TENSOR(shown.values.at(0), floats({1, 1, 2, -5, -5, -5}).reshape({2, 3}));
  EXPECT_EQ(shown.counts.at(0), 2);
  EXPECT_EQ(statistic.found(), std::pair(true, true));
  statistic.observe(floats({-kInf, -kInf}), 1);
  EXPECT_TENSOR(shown.values.at(1), floats({0, 0}));
  statistic.observe(floats({NAN, 1}), 1);
  EXPECT_TRUE(shown.values.at(2)[0].isnan().item<bool>()) << "NaN stays an error";
}

TEST(FiniteValues, OthersStayBitForBit) {
  Shown shown;
  FiniteValues statistic({&shown});
  at::manual_seed(1);
  const at::Tensor x = at::randn({3, 4, 5});
  statistic.observe(x, 3);
  EXPECT_TRUE(shown.values.at(0).equal(x));
  EXPECT_EQ(statistic.found(), std::pair(false, false));
}

double least_of(const at::Tensor& rows, int64_t axis = -1, bool flattens = false) {
  RowMaximum statistic(axis, flattens);
  statistic.observe(rows, 1);
  return statistic.least();
}

TEST(RowMaximum, IsTheLeastOverRows) {
  EXPECT_EQ(least_of(floats({1, 5, -3, -2, 7, 0}).reshape({3, 2})), -2);
  EXPECT_EQ(least_of(floats({1, 5, -3, -2, 7, 0}).reshape({3, 2}), 0), 5);
  EXPECT_EQ(least_of(floats({1, 5, -3, -2, 7, 0}).reshape({1, 3, 2}), 1, true), 7);
  EXPECT_EQ(least_of(floats({1, -40, -39, -60}).reshape({2, 2})), -39);
}

TEST(RowMaximum, RowsWithoutAScoreDoNotCount) {
  for (const float mask : {-1e4f, -65504.0f, -1e9f, -kLargest, -kInf})
    EXPECT_EQ(least_of(floats({1, mask, mask, mask - 1, -3, mask}).reshape({3, 2})), -3) << mask;
  EXPECT_EQ(least_of(floats({1, 2, -700, -900}).reshape({2, 2})), 2);
  EXPECT_EQ(least_of(floats({-200, -300, -700, -900}).reshape({2, 2})), -700) << "no gap: scores are that low";
  EXPECT_EQ(least_of(floats({-kInf, -kInf}).reshape({1, 2})), kInf);
}

}  // namespace
}  // namespace ppq::test
