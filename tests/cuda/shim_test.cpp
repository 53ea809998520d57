#include <gtest/gtest.h>

#include <vector>

#include "tests/cuda/shim/shim.h"

// The shim itself: copies of kernels' core with a deliberate defect must be caught, and the right ones pass.
namespace {

constexpr unsigned kFullWarp = 0xffffffffu;

/// Block sum as in kernels/cuda/reduce.cuh; `barrier` false leaves out the barrier between the warps' writes and the reads.
template <bool barrier>
void sum_kernel(const int* x, int* out) {
  PPQ_SHARED(int, scratch, 4);
  int value = x[threadIdx.x];
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(kFullWarp, value, step);
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;
  if (barrier) __syncthreads();
  if (threadIdx.x == 0) *out = scratch[0] + scratch[1] + scratch[2] + scratch[3];
}

/// The first half of rebin() in kernels/cuda/histogram.cuh; `barrier` false leaves out the one between reading and clearing.
template <bool barrier>
void fold_kernel(int* out) {
  PPQ_SHARED(int, counts, 128);
  int i = static_cast<int>(threadIdx.x);
  counts[i] = 1;
  __syncthreads();
  int count = counts[(i * 5 + 3) % 128];  // another thread's
  if (barrier) __syncthreads();
  counts[i] = 0;
  __syncthreads();
  atomicAdd(&counts[i / 2], count);
  __syncthreads();
  out[i] = counts[i];
}

/// A histogram without an atomic.
template <bool atomic>
void count_kernel(const int* x, int* out) {
  PPQ_SHARED(int, counts, 8);
  if (threadIdx.x < 8) counts[threadIdx.x] = 0;
  __syncthreads();
  if (atomic)
    atomicAdd(&counts[x[threadIdx.x] % 8], 1);
  else
    counts[x[threadIdx.x] % 8] += 1;
  __syncthreads();
  if (threadIdx.x < 8) out[threadIdx.x] = counts[threadIdx.x];
}

void divergent_kernel(int limit) {
  if (static_cast<int>(threadIdx.x) < limit) __syncthreads();
}
void two_barriers_kernel() {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
void lonely_shuffle_kernel() {
  if (threadIdx.x != 5) __shfl_xor_sync(kFullWarp, 1, 1);
}
void unwritten_kernel(int* out) {
  PPQ_SHARED(int, scratch, 4);
  if (threadIdx.x == 0) scratch[0] = 1;
  __syncthreads();
  if (threadIdx.x == 0) *out = scratch[1];
}
void outside_kernel() {
  PPQ_SHARED(int, scratch, 4);
  scratch[threadIdx.x] = 1;
}

std::string error_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

class Shim : public testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override { shim::set_schedule(GetParam()); }
  void TearDown() override { shim::set_schedule(0); }
  std::vector<int> values_ = std::vector<int>(128, 3), out_ = std::vector<int>(128, 0);
  template <class Kernel, class... Arguments>
  std::string run(Kernel kernel, const Arguments&... arguments) {
    return error_of([&] { shim::run_grid(1, 128, 0, [&] { kernel(arguments...); }); });
  }
};
INSTANTIATE_TEST_SUITE_P(Schedules, Shim, testing::Values(0u, 1u, 2u, 3u));

TEST_P(Shim, RunsWhatIsRight) {
  EXPECT_EQ(run(sum_kernel<true>, values_.data(), out_.data()), "");
  EXPECT_EQ(out_[0], 3 * 128);
  EXPECT_EQ(run(fold_kernel<true>, out_.data()), "");
  EXPECT_EQ(out_, [] {
    std::vector<int> expected(128, 0);
    std::fill(expected.begin(), expected.begin() + 64, 2);
    return expected;
  }());
  EXPECT_EQ(run(count_kernel<true>, values_.data(), out_.data()), "");
  EXPECT_EQ(out_[3], 128);
  EXPECT_EQ(run(divergent_kernel, 128), "");
}

TEST_P(Shim, CatchesAMissingBarrier) {
  std::string sum = run(sum_kernel<false>, values_.data(), out_.data());
  // Thread 0 reads before another warp wrote, or after it without a barrier.
  EXPECT_TRUE(sum.find("race on shared scratch") != std::string::npos || sum.find("uninitialised shared scratch") != std::string::npos)
      << sum;
  EXPECT_NE(run(fold_kernel<false>, out_.data()).find("race on shared counts"), std::string::npos);
}

TEST_P(Shim, CatchesAMissingAtomic) {
  EXPECT_NE(run(count_kernel<false>, values_.data(), out_.data()).find("race on shared counts[3]"), std::string::npos);
}

TEST_P(Shim, CatchesBarrierDivergence) {
  EXPECT_NE(run(divergent_kernel, 64).find("barrier divergence: 64 threads have ended"), std::string::npos);
  EXPECT_NE(run(two_barriers_kernel).find("barrier divergence: thread 31 waits at"), std::string::npos);
  EXPECT_NE(run(lonely_shuffle_kernel).find("not all lanes of the warp"), std::string::npos);
}

TEST_P(Shim, CatchesUnwrittenAndOutsideSharedMemory) {
  EXPECT_NE(run(unwritten_kernel, out_.data()).find("uninitialised shared scratch[1]"), std::string::npos);
  EXPECT_NE(run(outside_kernel).find(" of 4"), std::string::npos);
}

}  // namespace
