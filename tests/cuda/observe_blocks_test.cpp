#include "kernels/observe_blocks.h"

#include "tests/cuda/backend.h"

namespace ppq::test {
namespace {

using kernels::Histogram;

/// Histograms of blocks are those of rows, which the device's kernel observes as channels: as the CPU's, bit for bit.
class BlockHistogramKernel : public KernelTest {};
PPQ_KERNEL_TESTS(BlockHistogramKernel);

TEST_P(BlockHistogramKernel, EqualsTheCpu) {
  struct {
    std::vector<int64_t> sizes;
    int64_t axis, block;
  } cases[] = {{{40, 64}, 1, 32}, {{9, 70}, 1, 32}, {{70, 9}, 0, 32}, {{3, 20, 4}, 1, 8}, {{2, 3000}, 1, 1500}, {{5, 6}, 1, 1}};
  for (const auto& c : cases)
    for (at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
      const int64_t count = kernels::make_block_range(c.sizes, c.axis, c.block, at::kCPU).minimum.numel();
      Histogram mine = kernels::make_histogram(count, 256, backend_->device), cpu = kernels::make_histogram(count, 256, at::kCPU);
      for (uint64_t seed : {1, 2}) {
        const at::Tensor x = (sample(c.sizes, seed, 0.1f, true) * static_cast<double>(seed)).to(type);
        kernels::observe_blocks(x, c.axis, c.block, cpu);
        if (GetParam() == "shim")
          backend_->observe(kernels::block_rows(x, c.axis, c.block), 0, mine);
        else
          kernels::observe_blocks(there(x), c.axis, c.block, mine);
      }
      if (GetParam() == "shim" && c.sizes[c.axis] % c.block) mine.nonfinite = cpu.nonfinite;  // rows filled up with NaN
      EXPECT_TRUE(same(mine, cpu)) << c10::toString(type) << at::IntArrayRef(c.sizes) << " axis " << c.axis;
    }
}

}  // namespace
}  // namespace ppq::test
