#include <algorithm>
#include <numeric>

#include "observers/observers_test.h"
#include "support/thrown.h"

namespace ppq::test {
namespace {

/// One sample a value, from 0 to it.
QuantParams of_maxima(const std::vector<double>& maxima, const QuantScheme& scheme = asymmetric(8)) {
  auto observer = make_observer("minmax-extended", scheme, "t");
  for (const double most : maxima) observer->observe(at::tensor({0.0, most}, at::kFloat).reshape({1, 2}), 1);
  return observer->finish();
}
double reach(const QuantParams& params) { return params.scale.item<double>() * 255; }

/// The mean over all halves of the samples of their largest, by trying every one.
double mean_of_halves(const std::vector<double>& maxima) {
  std::vector<bool> chosen(maxima.size());
  std::fill(chosen.end() - static_cast<std::ptrdiff_t>(maxima.size() / 2), chosen.end(), true);
  double sum = 0, count = 0;
  do {
    double most = 0;
    for (size_t i = 0; i < maxima.size(); ++i)
      if (chosen[i]) most = std::max(most, maxima[i]);
    sum += most, ++count;
  } while (std::next_permutation(chosen.begin(), chosen.end()));
  return sum / count;
}

TEST(MinMaxExtended, GrowsByWhatHalvesOfTheSamplesFellShortOfEachDoubling) {
  const std::vector<double> eight = {3, 9, 5, 4, 7, 6, 2, 8};
  EXPECT_NEAR(reach(of_maxima(eight)), 9 + 2 * (9 - mean_of_halves(eight)), 1e-4) << "two doublings to 32";
  const std::vector<double> five = {3, 9, 5, 4, 7};
  const double doublings = std::log2(32.0 / 5) / std::log2(5.0 / 2);
  EXPECT_NEAR(reach(of_maxima(five)), 9 + doublings * (9 - mean_of_halves(five)), 1e-4);
}

TEST(MinMaxExtended, ForetellsTheMaximaOfExponentialTails) {
  // The mean of the largest of n is H_n for an exponential distribution: H_32 is 4.06, H_8 2.72.
  at::manual_seed(5);
  double foretold = 0;
  constexpr int kRounds = 400;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<double> maxima;
    for (int i = 0; i < 8; ++i) maxima.push_back(-std::log(at::rand({}, at::kDouble).item<double>()));
    foretold += reach(of_maxima(maxima)) / kRounds;
  }
  double harmonic = 0;
  for (int i = 1; i <= 32; ++i) harmonic += 1.0 / i;
  EXPECT_NEAR(foretold, harmonic, 0.25);
}

TEST(MinMaxExtended, ABoundThatAllSamplesReachStays) { EXPECT_NEAR(reach(of_maxima({6, 6, 6, 6, 6, 6, 6, 6})), 6, 1e-5); }

TEST(MinMaxExtended, ManySamplesAndASingleOneAreMinMax) {
  std::vector<double> many(32);
  std::iota(many.begin(), many.end(), 1.0);
  EXPECT_NEAR(reach(of_maxima(many)), 32, 1e-4);
  EXPECT_NEAR(reach(of_maxima({5})), 5, 1e-5);
}

TEST(MinMaxExtended, BothEndsAndEachChannelOnItsOwn) {
  const std::vector<double> maxima = {1, 2, 3, 4};
  const double most = 4 + 3 * (4 - mean_of_halves(maxima));
  auto observer = make_observer("minmax-extended", per_channel(asymmetric(8), 1), "t");
  for (const double m : maxima) observer->observe(at::tensor({-m, 0.0, 3.0, 3.0}, at::kFloat).reshape({1, 2, 2}), 1);
  const QuantParams params = observer->finish();
  ASSERT_EQ(params.scale.numel(), 2);
  EXPECT_NEAR(params.scale[0].item<double>() * 255, most, 1e-4);
  EXPECT_EQ(params.offset[0].item<double>(), 255);
  EXPECT_NEAR(params.scale[1].item<double>() * 255, 3, 1e-5);
}

TEST(MinMaxExtended, SamplesOfABatchAndOfAnotherObserverAreToldApart) {
  const std::vector<double> maxima = {3, 9, 5, 4, 7, 6, 2, 8};
  const at::Tensor all = at::tensor(maxima, at::kFloat).reshape({8, 1});
  auto one = make_observer("minmax-extended", asymmetric(8), "t"), other = make_observer("minmax-extended", asymmetric(8), "t");
  one->observe(all.slice(0, 0, 6), 6), other->observe(all.slice(0, 6), 2);
  one->merge(*other);
  EXPECT_EQ(one->finish().scale.item<float>(), of_maxima(maxima).scale.item<float>());
  // A tensor that samples do not divide counts as one sample.
  auto whole = make_observer("minmax-extended", asymmetric(8), "t");
  whole->observe(at::tensor({0.0, 5.0, 2.0}, at::kFloat), 2);
  EXPECT_NEAR(reach(whole->finish()), 5, 1e-5);
}

TEST(MinMaxExtended, SaysWhatItCannotServe) {
  QuantScheme blocks = symmetric(8);
  blocks.granularity = Granularity::PerBlock, blocks.block_size = 2;
  EXPECT_EQ(thrown([&] { make_observer("minmax-extended", blocks, "t"); }).kind(), ErrorKind::Unsupported);
  EXPECT_EQ(thrown([] { make_observer("minmax-extended", asymmetric(8), "t")->finish(); }).kind(), ErrorKind::Data);
  EXPECT_EQ(thrown([] { of_maxima({1, std::nan(""), 2}); }).kind(), ErrorKind::Data);
  EXPECT_EQ(thrown([] { of_maxima({1, INFINITY}); }).kind(), ErrorKind::Data);
}

}  // namespace
}  // namespace ppq::test
