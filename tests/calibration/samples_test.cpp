#include "calibration/samples.h"

#include <gmock/gmock.h>

#include <set>
#include <thread>

#include "ppq/ppq.h"

namespace ppq::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAreArray;

TEST(Part, HalvesAreDisjointAndCoverAll) {
  EXPECT_THAT(Part::all().indices(5), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(Part::fitting().indices(5), ElementsAre(0, 1, 3));
  EXPECT_THAT(Part::held_back().indices(5), ElementsAre(2, 4));
  EXPECT_THAT(Part::fitting().indices(2), ElementsAre(0));
  EXPECT_THAT(Part::held_back().indices(2), ElementsAre(1));
  EXPECT_THAT(Part::fitting().indices(3), ElementsAre(0, 2));
  for (size_t size = 2; size < 100; ++size) {
    std::vector<size_t> both = Part::fitting().indices(size), other = Part::held_back().indices(size);
    EXPECT_LE(both.size() - other.size(), 2u) << size;
    both.insert(both.end(), other.begin(), other.end());
    EXPECT_THAT(both, UnorderedElementsAreArray(Part::all().indices(size)));
  }
}

TEST(Part, NeighboursFallIntoOneHalf) {
  // 12 photographs of 8 crops: none is in both halves.
  std::set<size_t> fitted, held_back;
  for (const size_t i : Part::fitting().indices(96)) fitted.insert(i / 8);
  for (const size_t i : Part::held_back().indices(96)) held_back.insert(i / 8);
  EXPECT_THAT(fitted, ElementsAre(0, 1, 2, 6, 7, 8));
  EXPECT_THAT(held_back, ElementsAre(3, 4, 5, 9, 10, 11));
}

TEST(Part, ASingleSampleIsInBothHalves) {
  EXPECT_THAT(Part::fitting().indices(1), ElementsAre(0));
  EXPECT_THAT(Part::held_back().indices(1), ElementsAre(0));
  EXPECT_THAT(Part::held_back().indices(0), IsEmpty());
  EXPECT_THAT(Part::quarter(3).indices(1), ElementsAre(0));
}

TEST(Part, QuartersAreDisjointAndCoverAll) {
  EXPECT_THAT(Part::quarter(0).indices(6), ElementsAre(0, 1));
  EXPECT_THAT(Part::quarter(1).indices(6), ElementsAre(2));
  EXPECT_THAT(Part::quarter(2).indices(6), ElementsAre(3, 4));
  EXPECT_THAT(Part::quarter(3).indices(6), ElementsAre(5));
  EXPECT_THAT(Part::quarter(3).indices(3), IsEmpty());
}

TEST(Part, FirstOnesOrSpreadOverAll) {
  EXPECT_THAT(Part::all().first(3).indices(10), ElementsAre(0, 1, 2));
  EXPECT_THAT(Part::all().spread(4).indices(10), ElementsAre(0, 2, 5, 7));
  EXPECT_THAT(Part::held_back().spread(2).indices(12), ElementsAre(3, 9));
  EXPECT_THAT(Part::held_back().spread(20).indices(8), ElementsAre(2, 3, 6, 7)) << "no more than there are";
}

/// Counts how often each sample is asked for.
struct Counting final : Dataset {
  explicit Counting(size_t count) : asked(count) {}
  size_t size() const override { return asked.size(); }
  Tensors sample(size_t index) const override {
    ++asked[index];
    return {at::full({1, 4}, static_cast<double>(index))};  // 16 bytes
  }
  std::string name(size_t index) const override { return std::to_string(index); }
  mutable std::vector<std::atomic<int>> asked;
};

TEST(SampleSet, DecodesASampleOnceWithinItsBudget) {
  const auto source = std::make_shared<Counting>(6);
  const SampleSet set(source, 4 * 16);
  for (int visit = 0; visit < 3; ++visit)
    for (size_t i = 0; i < 6; ++i) EXPECT_EQ(set.sample(i)[0][0][3].item<float>(), static_cast<float>(i));
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(source->asked[i], i < 4 ? 1 : 3) << i;
  EXPECT_EQ(set.decoded(), 4u + 2 * 3);
  EXPECT_EQ(set.name(5), "5");
}

TEST(SampleSet, ServesSeveralThreads) {
  const auto source = std::make_shared<Counting>(64);
  const SampleSet set(source, 1 << 20);
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (size_t i = 0; i < 64; ++i) wrong += set.sample(i)[0][0][0].item<float>() != static_cast<float>(i);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  for (size_t i = 0; i < 64; ++i) set.sample(i);
  EXPECT_LE(set.decoded(), 4u * 64);
  const size_t before = set.decoded();
  set.sample(0);
  EXPECT_EQ(set.decoded(), before) << "kept by now";
}

}  // namespace
}  // namespace ppq::test
