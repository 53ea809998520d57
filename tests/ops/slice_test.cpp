#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "ppq/error.h"
#include "support/op_run.h"

namespace ppq::test {
namespace {

using Ints = std::vector<int64_t>;
constexpr int64_t kMax = std::numeric_limits<int64_t>::max(), kMin = std::numeric_limits<int64_t>::min();

/// Clamp as the standard says, then step.
at::Tensor stepped(const at::Tensor& x, int64_t start, int64_t end, int64_t step) {
  const int64_t n = x.size(0);
  if (start < 0) start += n;
  if (end < 0) end += n;
  start = std::clamp<int64_t>(start, 0, step > 0 ? n : n - 1);
  end = std::clamp<int64_t>(end, step > 0 ? 0 : -1, step > 0 ? n : n - 1);
  std::vector<at::Tensor> rows;
  for (__int128 i = start; step > 0 ? i < end : i > end; i += step) rows.push_back(x[static_cast<int64_t>(i)]);
  return rows.empty() ? x.narrow(0, 0, 0) : at::stack(rows);
}

TEST(Slice, EveryStartEndAndStep) {
  const at::Tensor x = iota({5, 2});
  for (int64_t start : {kMin, int64_t{-7}, int64_t{-5}, int64_t{-2}, int64_t{0}, int64_t{1}, int64_t{4}, int64_t{5}, int64_t{9}, kMax})
    for (int64_t end : {kMin, int64_t{-6}, int64_t{-1}, int64_t{0}, int64_t{2}, int64_t{5}, int64_t{8}, kMax})
      for (int64_t step : {kMin, int64_t{-3}, int64_t{-1}, int64_t{1}, int64_t{2}, int64_t{6}, kMax}) {
        const at::Tensor y = OpRun("Slice", 13)({x, ints({start}), ints({end}), ints({0}), ints({step})});
        EXPECT_EQ(difference(y, stepped(x, start, end, step)), "") << start << ":" << end << ":" << step;
      }
}

TEST(Slice, OfNothing) {
  EXPECT_TENSOR(OpRun("Slice", 13)({at::empty({0, 2}), ints({-1}), ints({kMin}), ints({0}), ints({-1})}), at::empty({0, 2}));
}

TEST(Slice, DefaultAxesAreTheFirstOnes) {
  const at::Tensor x = iota({3, 4, 2});
  EXPECT_TENSOR(OpRun("Slice", 13)({x, ints({1, 2}), ints({3, 4})}), x.narrow(0, 1, 2).narrow(1, 2, 2));
  EXPECT_TENSOR(OpRun("Slice", 1).attr("starts", Ints{1}).attr("ends", Ints{3})(x), x.narrow(0, 1, 2));
  EXPECT_TENSOR(OpRun("Slice", 9).attr("starts", Ints{-2}).attr("ends", Ints{100}).attr("axes", Ints{-2})(x), x.narrow(1, 2, 2));
  EXPECT_TENSOR(OpRun("Slice", 11)({x, ints({1}), ints({2}), at::Tensor(), ints({1})}), x.narrow(0, 1, 1));
  EXPECT_THROW(OpRun("Slice", 13)({x, ints({1}), ints({2}), ints({0}), ints({0})}), Error);
  EXPECT_THROW(OpRun("Slice", 13)({x, ints({1}), ints({2}), ints({3})}), Error);
}

TEST(Split, SizesGivenEqualOrUneven) {
  const at::Tensor x = iota({2, 7});
  auto expect = [&](const Tensors& parts, const Ints& sizes) {
    ASSERT_EQ(parts.size(), sizes.size());
    int64_t at = 0;
    for (size_t i = 0; i < sizes.size(); at += sizes[i++]) EXPECT_TENSOR(parts[i], x.narrow(1, at, sizes[i]));
  };
  expect(OpRun("Split", 2).attr("axis", int64_t{1}).attr("split", Ints{3, 4}).run({x}, 2), {3, 4});
  expect(OpRun("Split", 13).attr("axis", int64_t{-1}).run({x, ints({0, 5, 2})}, 3), {0, 5, 2});
  expect(OpRun("Split", 18).attr("axis", int64_t{1}).attr("num_outputs", int64_t{3}).run({x}, 3), {3, 3, 1});
  expect(OpRun("Split", 13).attr("axis", int64_t{1}).run({x}, 7), {1, 1, 1, 1, 1, 1, 1});
  EXPECT_THROW(OpRun("Split", 13).attr("axis", int64_t{1}).run({x}, 2), Error);
  EXPECT_THROW(OpRun("Split", 13).attr("axis", int64_t{1}).run({x, ints({1, 2})}, 2), Error);
}

TEST(Concat, AnyAxisAndAnyCount) {
  const at::Tensor x = iota({2, 1}), y = iota({2, 2});
  EXPECT_TENSOR(OpRun("Concat", 13).attr("axis", int64_t{-1})({x, y, x}), floats({0, 0, 1, 0, 1, 2, 3, 1}).reshape({2, 4}));
  EXPECT_TENSOR(OpRun("Concat", 4).attr("axis", int64_t{0})(x), x);
  EXPECT_THROW(OpRun("Concat", 13)({x, y}), Error);
}

TEST(Trilu, DiagonalsInsideAndFarOutside) {
  const at::Tensor x = iota({3, 4}) + 1;
  for (int64_t upper : {0, 1})
    for (int64_t k : {kMin, int64_t{-4}, int64_t{-1}, int64_t{0}, int64_t{2}, int64_t{7}, kMax}) {
      at::Tensor expected = x.clone();
      for (int64_t i = 0; i < 3; ++i)
        for (int64_t j = 0; j < 4; ++j) {
          const bool keep = upper ? static_cast<__int128>(j) - i >= k : static_cast<__int128>(j) - i <= k;
          if (!keep) expected[i][j] = 0;
        }
      EXPECT_TENSOR(OpRun("Trilu", 14).attr("upper", upper)({x, ints({k}).reshape({})}), expected);
    }
}

TEST(EyeLike, DiagonalAndType) {
  const at::Tensor x = at::empty({2, 3});
  EXPECT_TENSOR(OpRun("EyeLike", 9)(x), floats({1, 0, 0, 0, 1, 0}).reshape({2, 3}));
  EXPECT_TENSOR(OpRun("EyeLike", 9).attr("k", int64_t{-1}).attr("dtype", int64_t{7})(x), ints({0, 0, 0, 1, 0, 0}).reshape({2, 3}));
  EXPECT_TENSOR(OpRun("EyeLike", 9).attr("k", int64_t{5})(x), at::zeros({2, 3}));
}

}  // namespace
}  // namespace ppq::test
