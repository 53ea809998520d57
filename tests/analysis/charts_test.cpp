#include "analysis/charts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ppq::html {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

size_t occurrences(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(LogAxis, HoldsWholeDecades) {
  const LogAxis axis({0.002, 0.03, 0, -1, std::nan(""), std::numeric_limits<double>::infinity()});
  EXPECT_EQ(axis.low(), -3);
  EXPECT_EQ(axis.high(), -1);
  EXPECT_NEAR(axis.at(0.01), 0.5, 1e-12);
  EXPECT_EQ(axis.at(1e-9), 0);
  EXPECT_EQ(axis.at(7), 1);
  EXPECT_EQ(axis.at(std::numeric_limits<double>::infinity()), 1);
  EXPECT_EQ(axis.at(std::nan("")), 0);
  const LogAxis exact({0.001, 0.1});
  EXPECT_EQ(exact.low(), -3);
  EXPECT_EQ(exact.high(), -1);
  const LogAxis one({0.01});
  EXPECT_LT(one.low(), one.high());
  EXPECT_EQ(LogAxis({1e-30, 2}, 8).low(), -7) << "the highest decades";
  EXPECT_LT(LogAxis({}).low(), LogAxis({}).high());
}

TEST(RoundNumbers, AreRoundAndInside) {
  EXPECT_THAT(round_numbers(-1.3, 2.2, 4), ElementsAre(-1, 0, 1, 2));
  EXPECT_THAT(round_numbers(0, 100, 5), ElementsAre(0, 20, 40, 60, 80, 100));
  EXPECT_THAT(round_numbers(3, 3, 5), ElementsAre(3));
  EXPECT_LE(round_numbers(-1e300, 1e300, 6).size(), 12u);
}

/// Of more tensors than columns the noisiest stays visible, with its name.
TEST(ErrorChart, KeepsTheWorstOfMany) {
  std::vector<TensorError> tensors(5000);
  for (size_t i = 0; i < tensors.size(); ++i) {
    tensors[i].name = "t" + std::to_string(i);
    tensors[i].graphwise.noise = i == 3210 ? 0.5 : 1e-5, tensors[i].graphwise.signal = 1, tensors[i].graphwise.count = 1;
  }
  const std::string chart = error_chart(tensors, {&tensors[3210]});
  EXPECT_LE(occurrences(chart, "<title>"), 500u);
  EXPECT_THAT(chart, HasSubstr("worst: t3210 "));
  EXPECT_EQ(occurrences(chart, "bar lost"), 1u);
  EXPECT_EQ(occurrences(chart, "href=\"#tensor-1\""), 1u);
  EXPECT_LT(chart.size(), 200'000u);
  tensors.resize(2);
  EXPECT_EQ(occurrences(error_chart(tensors, {}), "<title>"), 2u);
  EXPECT_THAT(error_chart({}, {}), HasSubstr("<svg"));
}

TEST(HistogramChart, MarksTheQuantizedRange) {
  TensorHistogram histogram{"t", -1, 3, {5, 0, 1000, 2}, {5, 0, 1002, 0}};
  TensorError error;
  error.minimum = {-0.5}, error.maximum = {2.25};
  const std::string chart = histogram_chart(histogram, error);
  for (const char* part : {"class=\"band\"", "class=\"edge\"", "class=\"floats\"", "class=\"steps\"", ">-0.5<", ">2.25<", ">1 k<"})
    EXPECT_THAT(chart, HasSubstr(part));
  EXPECT_THAT(chart, testing::Not(testing::AnyOf(HasSubstr("nan"), HasSubstr("inf"))));
  error.minimum = {-1, -2}, error.maximum = {1, 2};
  EXPECT_EQ(occurrences(histogram_chart(histogram, error), "class=\"band\""), 0u) << "a range a channel";
  histogram = {"t", 0, 0, {7}, {7}};
  EXPECT_THAT(histogram_chart(histogram, error), testing::Not(testing::AnyOf(HasSubstr("nan"), HasSubstr("inf")))) << "one value";
}

TEST(ShareChart, NamesPartsThatHaveRoomForIt) {
  const std::string chart = share_chart({{"load", 1}, {"calibrate", 70.0}, {"none", 0}, {"tune", 29}});
  EXPECT_THAT(chart, HasSubstr(">calibrate 70 s<"));
  EXPECT_THAT(chart, HasSubstr(">tune 29 s<"));
  EXPECT_THAT(chart, HasSubstr("title=\"load 1 s\"><"));
  EXPECT_THAT(chart, testing::Not(HasSubstr("none")));
  EXPECT_EQ(share_chart({{"load", 0}}), "");
}

TEST(ChangeChart, SaysWhetherItBecameBetter) {
  const LogAxis axis({1, 0.001});
  EXPECT_THAT(change_chart(0.5, 0.01, axis), HasSubstr("way better"));
  EXPECT_THAT(change_chart(0.01, 0.5, axis), HasSubstr("way worse"));
  EXPECT_THAT(change_chart(0.5, 0.501, axis), HasSubstr("way same"));
  EXPECT_THAT(change_chart(std::nan(""), 0.5, axis), testing::Not(HasSubstr("class=\"before\"")));
}

}  // namespace
}  // namespace ppq::html
