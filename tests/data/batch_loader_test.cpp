#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "ppq/dataset.h"
#include "ppq/error.h"

namespace ppq {
namespace {

using ::testing::HasSubstr;

/// Sample i is filled with i; loading takes a while, later samples less, so threads overtake each other.
class Slow : public Dataset {
 public:
  explicit Slow(size_t size, size_t bad = SIZE_MAX) : size_(size), bad_(bad) {}
  size_t size() const override { return size_; }
  std::string name(size_t index) const override { return "sample " + std::to_string(index); }
  Tensors sample(size_t index) const override {
    const int now = ++loaded;
    int before = most.load();
    while (before < now - taken && !most.compare_exchange_weak(before, now - taken)) {
    }
    std::this_thread::sleep_for(std::chrono::microseconds(100 + 700 * (index * 7 % 5)));
    if (bad_ != SIZE_MAX && (index == bad_ || index == bad_ + 1)) throw Error(ErrorKind::Data, name(index), "bad");
    return {at::full({1, 2}, static_cast<double>(index)), at::full({1}, static_cast<double>(index))};
  }
  mutable std::atomic<int> loaded{0}, most{0}, taken{0};

 private:
  size_t size_, bad_;
};

TEST(BatchLoader, OrderedBatchesWithARaggedEnd) {
  for (size_t threads : {1, 2, 5})
    for (size_t batch_size : {1, 4, 100}) {
      BatchLoader loader(std::make_shared<Slow>(23), batch_size, threads);
      size_t seen = 0, batches = 0;
      while (auto batch = loader.next()) {
        EXPECT_EQ(batch->first, seen);
        ASSERT_EQ(batch->tensors.size(), 2u);
        ASSERT_EQ(batch->tensors[0].size(0), static_cast<int64_t>(batch->count));
        for (size_t i = 0; i < batch->count; ++i)
          ASSERT_EQ(batch->tensors[0][static_cast<int64_t>(i)][1].item<float>(), static_cast<float>(seen + i));
        seen += batch->count;
        ++batches;
      }
      EXPECT_EQ(seen, 23u);
      EXPECT_EQ(batches, loader.batch_count());
      EXPECT_FALSE(loader.next());
    }
}

/// The number of threads that LibTorch's operators use where the samples are made.
class Threads : public Dataset {
 public:
  size_t size() const override { return 12; }
  std::string name(size_t index) const override { return std::to_string(index); }
  Tensors sample(size_t) const override {
    const at::Tensor large = at::ones({1 << 17}).mul_(2);
    return {at::full({1}, large.sum().item<double>() == 1 << 18 ? at::get_num_threads() : -1)};
  }
};

TEST(BatchLoader, AThreadThatLoadsHasNoTeamOfItsOwn) {
  const int before = at::get_num_threads();
  at::set_num_threads(3);
  BatchLoader loader(std::make_shared<Threads>(), 4, 2);
  while (auto batch = loader.next()) EXPECT_TRUE(batch->tensors[0].eq(1).all().item<bool>()) << batch->tensors[0];
  EXPECT_EQ(at::get_num_threads(), 3) << "the others keep theirs";
  at::set_num_threads(before);
}

TEST(BatchLoader, LoadsAheadButNotWithoutBound) {
  auto data = std::make_shared<Slow>(200);
  BatchLoader loader(data, 4, 3);
  // Two batches are prepared while nobody asks, and no more.
  for (int i = 0; i < 500 && data->loaded < 8; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(data->loaded, 8);
  while (auto batch = loader.next()) data->taken += static_cast<int>(batch->count);
  EXPECT_LE(data->most, 16);
  EXPECT_EQ(data->loaded, 200);
}

TEST(BatchLoader, ErrorsComeInOrderAndStay) {
  BatchLoader loader(std::make_shared<Slow>(20, 9), 4, 3);
  EXPECT_TRUE(loader.next());
  EXPECT_TRUE(loader.next());
  for (int i = 0; i < 2; ++i) {
    try {
      loader.next();
      FAIL();
    } catch (const Error& error) {
      EXPECT_THAT(std::string(error.what()), HasSubstr("sample 9"));
    }
  }
}

TEST(BatchLoader, MayBeDroppedAtAnyTime) {
  for (int taken = 0; taken < 6; ++taken) {
    BatchLoader loader(std::make_shared<Slow>(1000), 3, 4);
    for (int i = 0; i < taken; ++i) loader.next();
  }
  BatchLoader failing(std::make_shared<Slow>(50, 0), 2, 4);
}

TEST(BatchLoader, EmptyAndUnequal) {
  BatchLoader none(make_dataset(std::vector<at::Tensor>{}), 4);
  EXPECT_EQ(none.batch_count(), 0u);
  EXPECT_FALSE(none.next());
  BatchLoader unequal(make_dataset(std::vector<at::Tensor>{at::zeros({1, 2}), at::zeros({1, 3})}), 2);
  try {
    unequal.next();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Data);
    EXPECT_THAT(std::string(error.what()), HasSubstr("got [1, 3], expected [1, 2]"));
  }
  BatchLoader scalars(make_dataset(std::vector<at::Tensor>{at::scalar_tensor(1), at::scalar_tensor(2)}), 1);
  EXPECT_EQ(scalars.next()->tensors[0].dim(), 0);
}

TEST(Dataset, PartsAndMaps) {
  DatasetPtr base = make_dataset(std::vector<at::Tensor>{at::full({1}, 0.0), at::full({1}, 1.0), at::full({1}, 2.0)});
  DatasetPtr part = subset(base, {2, 0});
  ASSERT_EQ(part->size(), 2u);
  EXPECT_EQ(part->name(0), "000002");
  EXPECT_EQ(part->sample(0)[0].item<float>(), 2);
  EXPECT_THROW(subset(base, {3}), Error);
  DatasetPtr doubled = map_dataset(part, [](const at::Tensor& x) { return x * 2; });
  EXPECT_EQ(doubled->sample(0)[0].item<float>(), 4);
  EXPECT_EQ(map_dataset(part, nullptr), part);
}

}  // namespace
}  // namespace ppq
