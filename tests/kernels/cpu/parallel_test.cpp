#include "kernels/cpu/parallel.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace ppq::kernels::cpu {
namespace {

TEST(ParallelFor, CoversEveryIndexOnce) {
  std::vector<std::atomic<int>> seen(10007);
  parallel_for(10007, 10, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) ++seen[i];
  });
  for (const auto& count : seen) ASSERT_EQ(count, 1);
  parallel_for(0, 10, [&](int64_t, int64_t) { FAIL(); });
}

TEST(ParallelFor, RunsOnLibTorchsThreads) {
  int before = at::get_num_threads();
  at::set_num_threads(3);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  parallel_for(3, 1, [&](int64_t, int64_t) {
    std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(threads.size(), 3u);  // a build without OpenMP would run all three here
  EXPECT_EQ(thread_count(), 3);
  at::set_num_threads(before);
}

TEST(ParallelFor, PassesExceptionsOn) {
  EXPECT_THROW(parallel_for(100, 1, [](int64_t, int64_t) { throw std::runtime_error("no"); }), std::runtime_error);
}

}  // namespace
}  // namespace ppq::kernels::cpu
