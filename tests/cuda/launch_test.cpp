// The compiled launch functions where there is no device: each plans on the host and then fails with an error that says so. A host
// call of a function that only the device has would end this program instead, without a word.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/cuda/launch.h"
#include "tests/cuda/backend.h"

namespace ppq::test {
namespace {

#if PPQ_WITH_CUDA
namespace cuda = kernels::cuda;

/// Every launch for every element type; pointers are aligned as tensors of LibTorch are, and one element past that.
std::vector<std::pair<std::string, std::function<void()>>> launches(const void* x, void* out, float* parameters) {
  cuda::ChannelView view{2, 3, 40};
  cuda::Partition rows{1, 3, 1};
  std::vector<std::pair<std::string, std::function<void()>>> list;
  for (const cuda::DType dtype : {cuda::DType::Float32, cuda::DType::Float16, cuda::DType::BFloat16}) {
    const std::string of = " of type " + std::to_string(static_cast<int>(dtype));
    cuda::Elementwise work{x, parameters, parameters, 240, dtype, {}, {}};
    list.emplace_back("fake_quantize" + of, [=] { cuda::launch_fake_quantize(work, out, nullptr); });
    for (const int bytes : {1, 2, 4})
      list.emplace_back("quantize_to_int" + of, [=] { cuda::launch_quantize_to_int(work, out, bytes, nullptr); });
    cuda::BackwardWork backward{};
    backward.grad = backward.x = x, backward.grad_x = out, backward.view = view, backward.partition = rows, backward.dtype = dtype;
    list.emplace_back("backward" + of, [=] { cuda::launch_backward(backward, nullptr); });
    cuda::RangeWork range{x, view, rows, {}, parameters, parameters, nullptr};
    list.emplace_back("observe_range" + of, [=] { cuda::launch_observe_range(range, dtype, nullptr); });
    cuda::BlockRangeWork blocks{};
    blocks.x = x, blocks.outer = 2, blocks.axis = 120, blocks.inner = 1, blocks.block = 32;
    list.emplace_back("observe_range_blocks" + of, [=] { cuda::launch_observe_range_blocks(blocks, dtype, 8, nullptr); });
    cuda::RowTop2Work top{};
    top.x = x, top.rows = 6, top.length = 40, top.steps = 255;
    list.emplace_back("row_top2" + of, [=] { cuda::launch_row_top2(top, dtype, 8, nullptr); });
    cuda::ObserveWork observe{x, view, rows, {}, nullptr, nullptr, false};
    list.emplace_back("observe" + of, [=] { cuda::launch_observe(&observe, 1, 2048, dtype, nullptr); });
    const cuda::ObserveWork columns{x, {64, 32, 1}, {32, 1, 1}, {}, nullptr, nullptr, true};
    list.emplace_back("observe by columns" + of, [=] { cuda::launch_observe(&columns, 1, 2048, dtype, nullptr); });
    cuda::CountWork count{x, view, rows, {}, 20000};
    list.emplace_back("count_bins" + of, [=] { cuda::launch_count_bins(count, dtype, nullptr); });
    list.emplace_back("error_sums" + of, [=] { cuda::launch_error_sums(x, x, 240, dtype, nullptr, nullptr, nullptr); });
  }
  list.emplace_back("merge", [] { cuda::launch_merge({}, {}, 3, 2048, nullptr); });
  list.emplace_back("search", [] { cuda::launch_search(nullptr, 1, 1, nullptr, 2049, 1, nullptr, nullptr); });
  list.emplace_back("ppq_search", [] { cuda::launch_ppq_search(nullptr, 1, 1, 1, nullptr, nullptr); });
  list.emplace_back("shared_limit", [] { cuda::shared_limit(); });
  list.emplace_back("multiprocessors", [] { cuda::multiprocessors(); });
  return list;
}

TEST(Launch, WithoutADeviceEachFailsWithAnErrorOfOneLine) {
  if (device_backend() != nullptr) GTEST_SKIP() << "there is a CUDA device: it would read the host's memory";
  alignas(16) static float memory[256];
  for (const size_t past : {0, 1})
    for (const auto& [name, launch] : launches(memory + past, memory, memory)) {
      try {
        launch();
        ADD_FAILURE() << name << ": no error";
      } catch (const std::runtime_error& error) {
        EXPECT_THAT(error.what(), testing::StartsWith("CUDA ")) << name;
        EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("\n"))) << name;
      }
    }
}
#else
TEST(Launch, WithoutADeviceEachFailsWithAnErrorOfOneLine) { GTEST_SKIP() << "a build without CUDA"; }
#endif

}  // namespace
}  // namespace ppq::test
