#include "kernels/kernels.h"
#include "tests/cuda/backend.h"
#include "tests/cuda/shim/shim_schedule.h"

namespace ppq::test {
namespace {

using kernels::Range;

class BlockRangeKernel : public KernelTest {
 protected:
  /// Two batches of every element type: the states equal the CPU's bit for bit.
  void check(const std::vector<int64_t>& sizes, int64_t axis, int64_t block, int64_t shift = 0) {
    for (at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
      Range mine = kernels::make_block_range(sizes, axis, block, backend_->device),
            cpu = kernels::make_block_range(sizes, axis, block, at::kCPU);
      for (uint64_t seed : {1, 2}) {
        const at::Tensor base = sample({c10::multiply_integers(sizes) + shift}, seed, 0.1f, true).to(type) * static_cast<int64_t>(seed);
        const at::Tensor device_base = there(base);
        backend_->observe_range_blocks(device_base.slice(0, shift).view(sizes), axis, block, mine);
        kernels::observe_range_blocks(base.slice(0, shift).view(sizes), axis, block, cpu);
        const std::string what = std::string(c10::toString(type)) + ", axis " + std::to_string(axis) + ", block " + std::to_string(block) +
                                 ", shift " + std::to_string(shift);
        ASSERT_TRUE(same(mine.minimum, cpu.minimum)) << what << at::IntArrayRef(sizes);
        ASSERT_TRUE(same(mine.maximum, cpu.maximum)) << what << at::IntArrayRef(sizes);
        ASSERT_TRUE(same(mine.nonfinite, cpu.nonfinite)) << what << at::IntArrayRef(sizes);
      }
    }
  }
};
PPQ_KERNEL_TESTS(BlockRangeKernel);

TEST_P(BlockRangeKernel, EveryAxisAndBlock) {
  for (const std::vector<int64_t>& sizes :
       std::vector<std::vector<int64_t>>{{1}, {0}, {5}, {200}, {7, 64}, {7, 65}, {3, 5, 8}, {2, 9, 4, 16}, {3, 0, 2}, {33, 3, 5}})
    for (int64_t axis = 0; axis < static_cast<int64_t>(sizes.size()); ++axis)
      for (int64_t block : {1, 2, 3, 4, 7, 16, 32, 100}) check(sizes, axis, block);
}

TEST_P(BlockRangeKernel, SeveralBlocksOfThreads) {
  check({700, 160}, 1, 32);
  check({700, 163}, 1, 32);
  check({3, 20011}, 1, 4096);
  check({40, 700, 16}, 1, 32);
  check({40, 700, 15}, 1, 64);
  check({30000}, 0, 30000);
}

TEST_P(BlockRangeKernel, MisalignedPointers) {
  for (int64_t shift = 0; shift < 9; ++shift) {
    check({6, 64}, 1, 16, shift);
    check({6, 8, 16}, 1, 4, shift);
  }
}

TEST_P(BlockRangeKernel, AnyStrides) {
  const at::Tensor x = sample({8, 10, 12}, 3).permute({2, 1, 0}).slice(0, 0, 12, 2);
  Range mine = kernels::make_block_range(x.sizes(), 1, 4, backend_->device), cpu = kernels::make_block_range(x.sizes(), 1, 4, at::kCPU);
  backend_->observe_range_blocks(there(x), 1, 4, mine);
  kernels::observe_range_blocks(x, 1, 4, cpu);
  EXPECT_TRUE(same(mine.minimum, cpu.minimum));
  EXPECT_TRUE(same(mine.maximum, cpu.maximum));
}

TEST_P(BlockRangeKernel, StaysInsideItsMemory) {
  if (GetParam() != "shim") GTEST_SKIP() << "on a device compute-sanitizer looks after this";
  for (bool at_end : {true, false})
    for (const auto& [sizes, axis] :
         std::vector<std::pair<std::vector<int64_t>, int64_t>>{{{5, 33}, 1}, {{5, 64}, 1}, {{33, 5}, 0}, {{33, 8}, 0}}) {
      const at::Tensor x = guarded(sample(sizes, 4).to(at::kHalf), at_end);
      Range mine = kernels::make_block_range(sizes, axis, 16, at::kCPU), cpu = kernels::make_block_range(sizes, axis, 16, at::kCPU);
      backend_->observe_range_blocks(x, axis, 16, mine);
      kernels::observe_range_blocks(x, axis, 16, cpu);
      EXPECT_TRUE(same(mine.minimum, cpu.minimum));
    }
}

TEST_P(BlockRangeKernel, NoScheduleShows) {
  if (GetParam() != "shim") GTEST_SKIP() << "schedules of threads can be chosen in the shim only";
  for (unsigned seed = 1; seed <= 3; ++seed) {
    shim::set_schedule(seed);
    check({70, 100}, 1, 32);
    check({10, 60, 8}, 1, 32);
  }
}

}  // namespace
}  // namespace ppq::test
