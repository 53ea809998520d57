#include <cmath>
#include <limits>

#include "tests/cuda/backend.h"
#include "tests/cuda/shim/shim_schedule.h"
#include "tests/kernels/search_oracle.h"

namespace ppq::test {
namespace {

using kernels::Histogram;
using kernels::RangeSearch;
using kernels::test::rule_for;
using search::Kind;

class SearchKernel : public KernelTest {
 protected:
  Histogram moved(const Histogram& h) const {
    auto there_of = [&](const at::Tensor& x) { return x.defined() ? there(x) : x; };
    return {there_of(h.counts), there_of(h.first), there_of(h.exponent), there_of(h.minimum), there_of(h.maximum), there_of(h.nonfinite)};
  }
  /// The same bits as the CPU's, all in one call.
  void check(const std::vector<RangeSearch>& searches, const std::string& what) {
    std::vector<RangeSearch> mine;
    for (RangeSearch one : searches) {
      one.histogram = moved(one.histogram);
      if (one.zeros.defined()) one.zeros = there(one.zeros);
      if (one.sums.defined()) one.sums = there(one.sums);
      mine.push_back(one);
    }
    const at::Tensor cpu = kernels::search_ranges(searches), found = backend_->search_ranges(mine);
    EXPECT_EQ(found.device(), backend_->device);
    ASSERT_EQ(found.sizes(), cpu.sizes());
    for (int64_t row = 0; row < cpu.size(0); ++row) ASSERT_TRUE(same(found[row], cpu[row])) << what << ", row " << row;
  }
  static Histogram histogram_of(const at::Tensor& x, int64_t bins, int64_t axis = -1) {
    Histogram h = kernels::make_histogram(axis < 0 ? 1 : x.size(axis), bins, at::kCPU);
    kernels::observe(x.to(at::kFloat), axis, h);
    return h;
  }
};
PPQ_KERNEL_TESTS(SearchKernel);

TEST_P(SearchKernel, EveryKindAndScheme) {
  const auto data = kernels::test::search_data();
  for (Kind kind : {search::kQuantile, search::kSquaredError, search::kDivergence})
    for (auto [bits, symmetric, power_of_two] : {std::tuple{8, false, false}, {8, true, false}, {4, false, true}, {3, true, true}}) {
      std::vector<RangeSearch> searches;
      for (const auto& [name, x] : data) searches.push_back({rule_for(kind, bits, symmetric, power_of_two), histogram_of(x, 500), {}, {}});
      check(searches, "kind " + std::to_string(kind) + ", " + std::to_string(bits) + " bits");
    }
}

TEST_P(SearchKernel, SixteenBitsWithZeros) {
  std::vector<RangeSearch> searches;
  for (const auto& [name, x] : kernels::test::search_data()) {
    RangeSearch one{rule_for(search::kSquaredError, 16, name == "normal"),
                    histogram_of(x, 1000),
                    at::stack({(x == 0).sum(), at::scalar_tensor(x.numel(), at::kLong)}),
                    {}};
    searches.push_back(one);
  }
  check(searches, "zeros");
}

TEST_P(SearchKernel, FewAndManyBins) {
  std::vector<RangeSearch> searches;
  for (int64_t bins : {2, 3, 255, 256, 257, 511, 512, 513, 4096, 8192})
    for (Kind kind : {search::kQuantile, search::kSquaredError})
      searches.push_back({rule_for(kind, 6, false), histogram_of(sample({4000}, bins), bins), {}, {}});
  check(searches, "bins");
  check({{rule_for(search::kDivergence, 8, false), histogram_of(sample({4000}, 1), 4096), {}, {}}}, "divergence with 4096 bins");
}

/// More channels than blocks, of unlike tensors: each block takes several, of different kinds.
TEST_P(SearchKernel, ManyTensorsInOneLaunch) {
  std::vector<RangeSearch> searches;
  for (int i = 0; i < 40; ++i) {
    const int64_t channels = i % 5 == 0 ? 7 : 1;
    const Kind kinds[] = {search::kSquaredError, search::kQuantile, search::kMinMax, search::kMean};
    at::Tensor x = sample({channels, 300 + 10 * i}, i, 0.1f, i % 6 == 1) * (1 + i);
    x = x.clamp(-1e30, 1e30);
    if (i % 9 == 8) x = at::full({channels, 4}, std::numeric_limits<float>::quiet_NaN());
    RangeSearch one{rule_for(kinds[i % 4], 4 + i % 3, i % 2 == 0), histogram_of(x, i % 3 ? 100 : 300, 0), {}, {}};
    if (one.rule.kind == search::kMean) one.sums = at::randn({4, channels}, at::kDouble);
    if (one.rule.kind == search::kMinMax) one.histogram.counts = one.histogram.first = one.histogram.exponent = at::Tensor();
    searches.push_back(one);
  }
  check(searches, "many");
  for (size_t i : {0, 1, 2, 3}) check({searches[i]}, "one");
}

TEST_P(SearchKernel, PpqsOwnSearches) {
  std::vector<RangeSearch> searches;
  for (const auto& [name, x] : kernels::test::search_data())
    for (auto [kind, bits, symmetric] : {std::tuple{search::kPpqMse, 8, false},
                                         {search::kPpqMse, 8, true},
                                         {search::kPpqMse, 4, true},
                                         {search::kPpqMse, 12, false},
                                         {search::kPpqKl, 8, true},
                                         {search::kPpqKl, 4, true},
                                         {search::kPpqKl, 12, true}}) {
      RangeSearch one{rule_for(kind, bits, symmetric), histogram_of(x, 6000), {}, {}};
      one.rule.bits = bits;
      searches.push_back(one);
    }
  // Others among them are left to their own kernel.
  searches.insert(searches.begin() + 3, {rule_for(search::kQuantile, 8, false), histogram_of(sample({400}, 1), 100), {}, {}});
  check(searches, "ppq");
}

TEST_P(SearchKernel, LeastOfCandidates) {
  std::vector<RangeSearch> searches;
  for (int64_t channels : {1, 5, 300})
    for (int candidates : {0, 1, 19}) {
      RangeSearch one{rule_for(search::kLeast, 8, false), {}, {}, {}};
      one.rule.candidates = candidates;
      if (candidates) one.sums = at::randint(0, 6, {candidates, channels}, at::kDouble);  // ties
      one.histogram = histogram_of(sample({channels, 40}, channels, 0.1f, true), 64, 0);
      one.histogram.counts = one.histogram.first = one.histogram.exponent = at::Tensor();
      searches.push_back(one);
    }
  check(searches, "least");
}

TEST_P(SearchKernel, NoScheduleShows) {
  if (GetParam() != "shim") GTEST_SKIP() << "schedules of threads can be chosen in the shim only";
  std::vector<RangeSearch> searches;
  for (Kind kind : {search::kSquaredError, search::kDivergence, search::kQuantile})
    for (bool symmetric : {true, false}) searches.push_back({rule_for(kind, 3, symmetric), histogram_of(sample({600}, 5), 300), {}, {}});
  for (unsigned seed = 1; seed <= 3; ++seed) {
    shim::set_schedule(seed);
    check(searches, "schedule " + std::to_string(seed));
  }
}

}  // namespace
}  // namespace ppq::test
