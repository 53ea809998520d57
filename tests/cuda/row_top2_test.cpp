#include "kernels/row_top2.h"

#include <limits>

#include "tests/cuda/backend.h"
#include "tests/cuda/shim/shim_schedule.h"

namespace ppq::test {
namespace {

using kernels::RowTop2;

testing::AssertionResult same_state(const RowTop2& a, const RowTop2& b) {
  for (auto [x, y] : {std::pair{a.cells, b.cells},
                      {a.range.minimum, b.range.minimum},
                      {a.range.maximum, b.range.maximum},
                      {a.range.nonfinite, b.range.nonfinite}})
    if (auto result = same(x, y); !result) return result;
  return testing::AssertionSuccess();
}

class RowTop2Kernel : public KernelTest {
 protected:
  /// Both batches into one state, with both rules: equal to the CPU's bit for bit.
  void check(const std::vector<at::Tensor>& batches, const std::string& what) {
    for (at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16})
      for (bool symmetric : {false, true}) {
        RowTop2 mine = kernels::make_row_top2(backend_->device), cpu = kernels::make_row_top2(at::kCPU);
        for (const at::Tensor& batch : batches) {
          const at::Tensor x = batch.to(type);
          backend_->observe_row_top2(there(x), symmetric, symmetric ? 127 - 0.51 : 255 - 0.51, mine);
          kernels::observe_row_top2(x, symmetric, symmetric ? 127 - 0.51 : 255 - 0.51, cpu);
        }
        ASSERT_TRUE(same_state(mine, cpu)) << what << ", " << c10::toString(type) << (symmetric ? ", symmetric" : "");
      }
  }
};
PPQ_KERNEL_TESTS(RowTop2Kernel);

TEST_P(RowTop2Kernel, EveryLength) {
  for (int64_t length : {2, 3, 4, 5, 7, 8, 9, 10, 17, 31, 64, 65, 129, 255, 1000, 1025, 2047, 2048, 2049, 4096, 4097, 9000})
    for (int64_t rows : {1, 2, 9})
      check({sample({rows, length}, length), sample({rows, length}, rows) * 3},
            std::to_string(rows) + " rows of " + std::to_string(length));
}

TEST_P(RowTop2Kernel, ManyRows) {
  check({sample({3000, 2}, 1), sample({40, 50, 7}, 2)}, "short rows");
  check({at::softmax(sample({2, 3, 100, 197}, 3), 3)}, "softmax");
  check({sample({60, 4200}, 4)}, "long rows");
  check({sample({1, 40007}, 5)}, "one row");
}

TEST_P(RowTop2Kernel, SpecialValues) {
  check({sample({300, 33}, 1, 0.1f, true), sample({300, 33}, 2, 0.1f, true)}, "NaN, Inf, denormals");
  check({sample({5, 5000}, 3, 0.1f, true)}, "NaN, Inf, denormals in long rows");
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  check({at::full({7, 40}, kNan)}, "NaN only");
  at::Tensor one = at::full({9, 40}, kNan);
  one.select(1, 3).fill_(2);
  check({one}, "one finite value a row");
}

/// Several tiles a block, and several rows a lane to be counted; each length in another number of lanes, words odd and even.
TEST_P(RowTop2Kernel, ManyTiles) {
  for (const std::vector<int64_t>& sizes : std::vector<std::vector<int64_t>>{{7000, 10},
                                                                             {9001, 3},
                                                                             {3500, 16},
                                                                             {4000, 15},
                                                                             {2100, 32},
                                                                             {2000, 33},
                                                                             {1100, 63},
                                                                             {900, 96},
                                                                             {700, 200},
                                                                             {250, 384},
                                                                             {131, 511}})
    check({sample(sizes, sizes[1]), sample(sizes, sizes[0], 0.001f, true)}, "rows of " + std::to_string(sizes[1]));
  check({sample({3300, 520}, 2), sample({101, 1031}, 3, 0.001f, true)}, "a warp a row");
  check({sample({500, 4100}, 4, 0.0001f, true)}, "a block a row");
  for (int64_t shift : {1, 2, 3, 5}) {
    const at::Tensor base = sample({4000 * 10 + shift}, shift).to(at::kHalf), moved = there(base);
    RowTop2 mine = kernels::make_row_top2(backend_->device), cpu = kernels::make_row_top2(at::kCPU);
    backend_->observe_row_top2(moved.slice(0, shift).view({4000, 10}), true, 126.49, mine);
    kernels::observe_row_top2(base.slice(0, shift).view({4000, 10}), true, 126.49, cpu);
    EXPECT_TRUE(same_state(mine, cpu)) << shift;
  }
}

TEST_P(RowTop2Kernel, TiesSignsAndConstants) {
  check({at::full({50, 12}, 0.25), at::zeros({4, 9}), at::full({3, 6000}, -2)}, "constant rows");
  check({-sample({70, 30}, 1).abs() - 0.5}, "all negative");
  at::Tensor ties = sample({70, 30}, 2).clamp_max(1);
  ties.select(1, 29).fill_(3), ties.select(1, 0).fill_(3);
  check({ties}, "two largest alike");
  check({at::eye(64)}, "one hot");
  check({at::eye(64) * -1}, "one hot, negative");
  check({sample({40, 20}, 3) * 1e-38, sample({40, 20}, 4) * 1e30}, "tiny and huge");
}

TEST_P(RowTop2Kernel, MisalignedAndStrided) {
  for (int64_t shift = 0; shift < 9; ++shift)
    for (const std::vector<int64_t>& sizes : std::vector<std::vector<int64_t>>{{6, 64}, {5, 21}, {2, 4500}})
      for (at::ScalarType type : {at::kFloat, at::kHalf}) {
        const at::Tensor base = sample({c10::multiply_integers(sizes) + shift}, shift).to(type), moved = there(base);
        RowTop2 mine = kernels::make_row_top2(backend_->device), cpu = kernels::make_row_top2(at::kCPU);
        backend_->observe_row_top2(moved.slice(0, shift).view(sizes), false, 254.49, mine);
        kernels::observe_row_top2(base.slice(0, shift).view(sizes), false, 254.49, cpu);
        EXPECT_TRUE(same_state(mine, cpu)) << shift << at::IntArrayRef(sizes);
      }
  check({sample({30, 40, 10}, 1).transpose(0, 2), sample({30, 64}, 2).slice(1, 3, 60, 2)}, "strides");
}

TEST_P(RowTop2Kernel, StaysInsideItsMemory) {
  if (GetParam() != "shim") GTEST_SKIP() << "on a device compute-sanitizer looks after this";
  for (bool at_end : {true, false})
    for (const std::vector<int64_t>& sizes : std::vector<std::vector<int64_t>>{{5, 33}, {7, 2}, {1, 5001}}) {
      const at::Tensor x = guarded(sample(sizes, 4).to(at::kHalf), at_end);
      RowTop2 mine = kernels::make_row_top2(at::kCPU), cpu = kernels::make_row_top2(at::kCPU);
      backend_->observe_row_top2(x, true, 126.49, mine);
      kernels::observe_row_top2(x, true, 126.49, cpu);
      EXPECT_TRUE(same_state(mine, cpu));
    }
}

TEST_P(RowTop2Kernel, NoScheduleShows) {
  if (GetParam() != "shim") GTEST_SKIP() << "schedules of threads can be chosen in the shim only";
  for (unsigned seed = 1; seed <= 3; ++seed) {
    shim::set_schedule(seed);
    check({sample({200, 50}, 5), sample({30, 4100}, 6)}, "schedule " + std::to_string(seed));
  }
}

}  // namespace
}  // namespace ppq::test
