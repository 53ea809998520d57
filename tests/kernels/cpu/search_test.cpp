#include "tests/kernels/search_oracle.h"

#include <gtest/gtest.h>

#include "tests/kernels/cpu/cases.h"

namespace ppq::kernels::test {
namespace {

using search::Kind;

Histogram histogram_of(const at::Tensor& x, int64_t bins, int64_t axis = -1) {
  Histogram h = make_histogram(axis < 0 ? 1 : x.size(axis), bins, at::kCPU);
  observe(x.to(at::kFloat), axis, h);
  return h;
}

TEST(SearchLog, IsTheLogarithm) {
  for (int i = -40000; i <= 40000; ++i) {
    const double x = std::exp(i * 0.01) * (1 + i * 1e-9), wanted = std::log(x), ulp = std::abs(wanted) * 0x1p-52;
    EXPECT_LE(std::abs(search::log_of(x) - wanted), 1.5 * ulp) << x;
  }
  for (double x : {1.0, 1 + 0x1p-52, 1 - 0x1p-53, 0x1p-1022, 1.7e308, std::sqrt(2.0), std::sqrt(0.5)})
    EXPECT_LE(std::abs(search::log_of(x) - std::log(x)), 1.5 * std::abs(std::log(x)) * 0x1p-52) << x;
}

TEST(SearchLog, PowersOfTwo) {
  for (int e = -300; e <= 300; ++e) {
    const double x = std::ldexp(1.0, e);
    EXPECT_EQ(search::power_of_two_at_least(x), x);
    EXPECT_EQ(search::power_of_two_at_least(std::nextafter(x, 0)), x);
    EXPECT_EQ(search::power_of_two_at_least(std::nextafter(x, 2 * x)), 2 * x);
  }
}

struct Case {
  Kind kind;
  int bits;
  bool symmetric, power_of_two;
};
std::string name_of_case(const testing::TestParamInfo<Case>& info) {
  const char* kinds[] = {"minmax", "mean", "quantile", "mse", "kl"};
  return std::string(kinds[info.param.kind]) + "_" + std::to_string(info.param.bits) + (info.param.symmetric ? "_sym" : "_asym") +
         (info.param.power_of_two ? "_pow2" : "");
}
class SearchRanges : public testing::TestWithParam<Case> {};

TEST_P(SearchRanges, ChooseWhatPlainLoopsChoose) {
  const Case& c = GetParam();
  const search::Rule rule = rule_for(c.kind, c.bits, c.symmetric, c.power_of_two);
  const auto data = search_data();
  std::vector<RangeSearch> searches;
  for (const auto& [name, x] : data)
    for (int64_t bins : {300, 4096}) searches.push_back({rule, histogram_of(x, bins), {}, {}});
  const at::Tensor found = search_ranges(searches);
  ASSERT_EQ(found.size(0), static_cast<int64_t>(searches.size()));
  for (size_t i = 0; i < searches.size(); ++i) {
    const PlainSearch plain(searches[i].histogram, 0, rule);
    const auto [low, high] = plain.choose();
    const int64_t row = static_cast<int64_t>(i);
    EXPECT_EQ(found[row][0].item<double>(), low) << data[i / 2].first << ", search " << i;
    EXPECT_EQ(found[row][1].item<double>(), high) << data[i / 2].first << ", search " << i;
    EXPECT_EQ(found[row][2].item<double>(), 0);
  }
}
INSTANTIATE_TEST_SUITE_P(Kinds, SearchRanges,
                         testing::Values(Case{search::kQuantile, 8, false, false}, Case{search::kSquaredError, 2, false, false},
                                         Case{search::kSquaredError, 4, true, false}, Case{search::kSquaredError, 8, false, false},
                                         Case{search::kSquaredError, 8, true, false}, Case{search::kSquaredError, 8, false, true},
                                         Case{search::kSquaredError, 8, true, true}, Case{search::kSquaredError, 16, false, false},
                                         Case{search::kSquaredError, 16, true, false}, Case{search::kDivergence, 4, true, false},
                                         Case{search::kDivergence, 8, false, false}, Case{search::kDivergence, 8, true, false}),
                         name_of_case);

/// Powers of two make many candidates one: mathematically equal divergences, of which rounding decides.
TEST(SearchRanges, DivergenceOfPowersOfTwoIsTheLeast) {
  for (bool symmetric : {false, true}) {
    const search::Rule rule = rule_for(search::kDivergence, 8, symmetric, true);
    for (const auto& [name, x] : search_data()) {
      const Histogram h = histogram_of(x, 1000);
      const at::Tensor found = search_ranges({{rule, h, {}, {}}});
      const PlainSearch plain(h, 0, rule);
      const auto [low, high] = plain.choose();
      const double least = plain.divergence(low, high), got = plain.divergence(found[0][0].item<double>(), found[0][1].item<double>());
      EXPECT_LE(std::abs(got - least), 1e-13 * std::max(1.0, std::abs(least))) << name;
    }
  }
}

TEST(SearchRanges, ZerosCostNothingWhereStepsAreNarrowerThanBins) {
  const search::Rule rule = rule_for(search::kSquaredError, 8, true);
  at::Tensor x = with_awkward_values(random_values({3000}, 3), false).clamp(-50, 50);
  x.slice(0, 0, 2000).zero_();
  x[5] = 300;
  const Histogram h = histogram_of(x, 32);
  RangeSearch search{rule, h, at::stack({(x == 0).sum(), at::scalar_tensor(3000, at::kLong)}), {}};
  const at::Tensor with = search_ranges({search}), without = search_ranges({{rule, h, {}, {}}});
  PlainSearch plain(h, 0, rule);
  plain.zeros = plain.total * search.zeros[0].item<double>() / 3000;
  EXPECT_EQ(with[0][1].item<double>(), plain.choose().second);
  EXPECT_NE(with[0][1].item<double>(), without[0][1].item<double>()) << "the data must show the difference";
}

TEST(SearchRanges, ManyTensorsAndChannelsKeepApart) {
  std::vector<RangeSearch> searches;
  std::vector<at::Tensor> alone;
  for (int i = 0; i < 30; ++i) {
    const int64_t channels = 1 + i % 4;
    at::Tensor x = random_values({channels, 500}, i, 0.1 + i) * at::arange(1, channels + 1).view({-1, 1});
    const Kind kinds[] = {search::kSquaredError, search::kQuantile, search::kMinMax, search::kDivergence, search::kMean};
    RangeSearch one{rule_for(kinds[i % 5], i % 2 ? 4 : 8, i % 3 == 0), histogram_of(x, i % 7 ? 256 : 512, 0), {}, {}};
    if (one.rule.kind == search::kMean) one.sums = at::randn({4, channels}, at::kDouble);
    searches.push_back(one);
    alone.push_back(search_ranges({one}));
  }
  EXPECT_TRUE(same_bits(search_ranges(searches), at::cat(alone)));
  EXPECT_EQ(search_ranges({}).size(0), 0);
}

TEST(SearchRanges, MinMaxAndMeanAreWhatWasSeen) {
  const at::Tensor x = at::tensor({1.5f, -2.5f, kNan, kInf, 4.0f, 3.0f}).view({2, 3});
  Range range = make_range(2, at::kCPU);
  observe_range(x, 0, range);
  RangeSearch seen{rule_for(search::kMinMax, 8, true), {}, {}, {}};
  seen.histogram.minimum = range.minimum, seen.histogram.maximum = range.maximum, seen.histogram.nonfinite = range.nonfinite;
  RangeSearch mean{rule_for(search::kMean, 8, true), {}, {}, at::tensor({-4.0, 6.0, 2.0, 4.0}, at::kDouble).view({4, 1})};
  EXPECT_TRUE(
      at::equal(search_ranges({seen, mean}), at::tensor({-2.5, 1.5, 1.0, 3.0, 4.0, 1.0, -1.0, 1.5, 2.0}, at::kDouble).view({3, 3})));
}

TEST(SearchRanges, ChannelsWithoutFiniteValues) {
  for (Kind kind : {search::kQuantile, search::kSquaredError, search::kDivergence}) {
    const Histogram h = histogram_of(at::tensor({kNan, kInf, 1.0f, 2.0f}).view({2, 2}), 64, 0);
    const at::Tensor found = search_ranges({{rule_for(kind, 8, false), h, {}, {}}});
    EXPECT_EQ(found[0][0].item<double>(), 0);
    EXPECT_EQ(found[0][1].item<double>(), 0);
    EXPECT_EQ(found[0][2].item<double>(), 2);
    EXPECT_GT(found[1][1].item<double>(), 1.9);
  }
}

TEST(SearchRanges, ThreadsDoNotShow) {
  std::vector<RangeSearch> searches;
  for (int i = 0; i < 20; ++i)
    searches.push_back({rule_for(search::kSquaredError, 8, false), histogram_of(random_values({900}, i), 400), {}, {}});
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = search_ranges(searches);
  at::set_num_threads(3);
  const at::Tensor three = search_ranges(searches);
  at::set_num_threads(before);
  EXPECT_TRUE(same_bits(one, three));
}

}  // namespace
}  // namespace ppq::kernels::test
