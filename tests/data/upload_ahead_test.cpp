#include "data/upload_ahead.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "ppq/error.h"

namespace ppq {
namespace {

class Counted : public Dataset {
 public:
  explicit Counted(size_t size, size_t bad = SIZE_MAX) : size_(size), bad_(bad) {}
  size_t size() const override { return size_; }
  std::string name(size_t index) const override { return "sample " + std::to_string(index); }
  Tensors sample(size_t index) const override {
    ++loaded;
    if (index == bad_) throw Error(ErrorKind::Data, name(index), "bad");
    return {at::full({1, 2}, static_cast<double>(index))};
  }
  mutable std::atomic<size_t> loaded{0};

 private:
  size_t size_, bad_;
};

TEST(UploadedBatches, AreThoseOfTheLoader) {
  for (size_t batch_size : {1, 4, 50}) {
    BatchLoader loader(std::make_shared<Counted>(23), batch_size);
    UploadedBatches batches(loader, at::kCPU);
    size_t seen = 0;
    while (auto batch = batches.next()) {
      EXPECT_EQ(batch->first, seen);
      ASSERT_EQ(batch->tensors[0].size(0), static_cast<int64_t>(batch->count));
      for (size_t i = 0; i < batch->count; ++i)
        EXPECT_EQ(batch->tensors[0][static_cast<int64_t>(i)][0].item<float>(), static_cast<float>(seen + i));
      seen += batch->count;
    }
    EXPECT_EQ(seen, 23u);
    EXPECT_FALSE(batches.next());
  }
}

TEST(UploadedBatches, ADeviceThatWaitsForSamplesGetsTheMachinesThreads) {
  EXPECT_EQ(loading_threads(at::kCPU), 2u);
  EXPECT_EQ(loading_threads(at::Device(at::kCUDA, 0)), std::clamp(std::thread::hardware_concurrency(), 2u, 16u));
}

/// Only memory of the host can be pinned.
TEST(UploadedBatches, OnlyWhatLiesInTheHostsMemoryIsStaged) {
  const at::Device cpu(at::kCPU), first(at::kCUDA, 0), second(at::kCUDA, 1);
  EXPECT_EQ(transfer_of(cpu, first), Transfer::Staged);
  EXPECT_EQ(transfer_of(cpu, cpu), Transfer::None);
  EXPECT_EQ(transfer_of(first, first), Transfer::None);
  EXPECT_EQ(transfer_of(first, second), Transfer::Direct);
  EXPECT_EQ(transfer_of(first, cpu), Transfer::Direct);
  EXPECT_EQ(transfer_of(at::Device(at::kMeta), first), Transfer::Direct);
}

/// While the caller works on one batch, the next ones come, but not all.
TEST(UploadedBatches, RunAheadWithABound) {
  auto data = std::make_shared<Counted>(200);
  BatchLoader loader(data, 4, 2);
  UploadedBatches batches(loader, at::kCPU);
  ASSERT_TRUE(batches.next());
  for (int i = 0; i < 500 && data->loaded < 16; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_GE(data->loaded, 16u);
  EXPECT_LE(data->loaded, 24u) << "one is taken, one waits, one is made, two are loaded, and one slot is just free";
}

TEST(UploadedBatches, ErrorsComeInOrderAndStay) {
  BatchLoader loader(std::make_shared<Counted>(20, 9), 4);
  UploadedBatches batches(loader, at::kCPU);
  EXPECT_TRUE(batches.next());
  EXPECT_TRUE(batches.next());
  EXPECT_THROW(batches.next(), Error);
  EXPECT_THROW(batches.next(), Error);
}

TEST(UploadedBatches, MayBeDroppedAtAnyTime) {
  for (int taken = 0; taken < 4; ++taken) {
    BatchLoader loader(std::make_shared<Counted>(1000), 3, 4);
    UploadedBatches batches(loader, at::kCPU);
    for (int i = 0; i < taken; ++i) EXPECT_TRUE(batches.next());
  }
}

}  // namespace
}  // namespace ppq
