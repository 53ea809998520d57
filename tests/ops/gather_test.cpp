#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ppq/error.h"
#include "support/device.h"
#include "support/op_run.h"

namespace ppq::test {
namespace {

TEST(Gather, NegativeAxisAndIndices) {
  const at::Tensor x = iota({3, 4});
  const at::Tensor y = OpRun("Gather", 13).attr("axis", int64_t{-1})({x, ints({0, -1})});
  EXPECT_TENSOR(y, floats({0, 3, 4, 7, 8, 11}).reshape({3, 2}));
  EXPECT_TENSOR(OpRun("Gather", 13)({x, ints({-1, 0}).to(at::kInt).reshape({1, 2})}), at::stack({x[2], x[0]}).unsqueeze(0));
}

TEST(Gather, OneIndexOfAnyRank) {
  const at::Tensor x = iota({2, 3, 2});
  const OpRun op = OpRun("Gather", 11).attr("axis", int64_t{1});
  EXPECT_TENSOR(op({x, ints({-2}).reshape({})}), floats({2, 3, 8, 9}).reshape({2, 2}));
  EXPECT_TENSOR(op({x, ints({1}).reshape({1, 1})}), floats({2, 3, 8, 9}).reshape({2, 1, 1, 2}));
  EXPECT_TENSOR(op({x, at::empty({0}, at::kLong)}), at::empty({2, 0, 2}));
  if (test_device().is_cuda()) return;  // a GPU looks at indices while it computes, and is lost to this process then
  EXPECT_THROW(op({x, ints({3}).reshape({})}), Error);
  EXPECT_THROW(op({x, ints({0, 3})}), Error);
}

TEST(Gather, TypesLibTorchOnlyStores) {
  EXPECT_TENSOR(OpRun("Gather", 13)({ints({1, 65535, 3}).to(at::kUInt16), ints({1, 2})}), ints({65535, 3}).to(at::kUInt16));
  EXPECT_TENSOR(OpRun("Gather", 13)({bools({1, 0}), ints({1, 0})}), bools({0, 1}));
}

TEST(GatherElements, NegativeIndices) {
  const at::Tensor x = iota({2, 3}), index = ints({-1, 0, 1, -3, 2, -2}).reshape({2, 3});
  EXPECT_TENSOR(OpRun("GatherElements", 13).attr("axis", int64_t{1})({x, index}), floats({2, 0, 1, 3, 5, 4}).reshape({2, 3}));
}

TEST(GatherNd, BatchAxesAndSlices) {
  const at::Tensor x = iota({2, 3, 4});
  EXPECT_TENSOR(OpRun("GatherND", 13)({x, ints({0, -1, 1, 0}).reshape({2, 2})}), at::stack({x[0][2], x[1][0]}));
  EXPECT_TENSOR(OpRun("GatherND", 12).attr("batch_dims", int64_t{1})({x, ints({2, -3}).reshape({2, 1})}), at::stack({x[0][2], x[1][0]}));
  const at::Tensor grid = OpRun("GatherND", 12).attr("batch_dims", int64_t{1})({x, ints({1, 2, 0, 3, 2, 0, 1, 1}).reshape({2, 2, 2})});
  EXPECT_TENSOR(grid, floats({6, 3, 20, 17}).reshape({2, 2}));
}

TEST(GatherNd, IndexArithmeticIsExactBeyondFloat) {
  const int64_t n = (int64_t{1} << 24) + 3;
  const at::Tensor x = at::arange(n, at::kInt).reshape({n, 1});
  EXPECT_TENSOR(OpRun("GatherND", 13)({x, ints({n - 2, 0}).reshape({1, 2})}), ints({n - 2}).to(at::kInt));
}

TEST(OneHot, AnyAxisWithIndicesOutsideIgnored) {
  const at::Tensor values = floats({2, 5});
  const at::Tensor y = OpRun("OneHot", 11)({ints({0, -1, 7}), ints({3}), values});
  EXPECT_TENSOR(y, floats({5, 2, 2, 2, 2, 5, 2, 2, 2}).reshape({3, 3}));
  const at::Tensor z = OpRun("OneHot", 9).attr("axis", int64_t{0})({floats({1, 0}), ints({2}).reshape({}), values});
  EXPECT_TENSOR(z, floats({2, 5, 5, 2}).reshape({2, 2}));
}

TEST(NonZero, OneRowAnAxis) {
  EXPECT_TENSOR(OpRun("NonZero", 13)(floats({0, 3, 4, 0}).reshape({2, 2})), ints({0, 1, 1, 0}).reshape({2, 2}));
  EXPECT_TENSOR(OpRun("NonZero", 13)(bools({0, 0})), at::empty({1, 0}, at::kLong));
}

TEST(Compress, ConditionMayBeShort) {
  const at::Tensor x = iota({3, 2});
  EXPECT_TENSOR(OpRun("Compress", 11).attr("axis", int64_t{0})({x, bools({0, 1})}), floats({2, 3}).reshape({1, 2}));
  EXPECT_TENSOR(OpRun("Compress", 11)({x, bools({0, 1, 0, 1})}), floats({1, 3}));
}

TEST(Unique, SortedOrByFirstAppearance) {
  const at::Tensor x = floats({2, 1, 1, 3, 4, 3});
  const Tensors sorted = OpRun("Unique", 11).run({x}, 4);
  EXPECT_TENSOR(sorted[0], floats({1, 2, 3, 4}));
  EXPECT_TENSOR(sorted[1], ints({1, 0, 3, 4}));
  EXPECT_TENSOR(sorted[2], ints({1, 0, 0, 2, 3, 2}));
  EXPECT_TENSOR(sorted[3], ints({2, 1, 2, 1}));
  const Tensors first = OpRun("Unique", 11).attr("sorted", int64_t{0}).run({x}, 4);
  EXPECT_TENSOR(first[0], floats({2, 1, 3, 4}));
  EXPECT_TENSOR(first[1], ints({0, 1, 3, 4}));
  EXPECT_TENSOR(first[2], ints({0, 1, 1, 2, 3, 2}));
  EXPECT_TENSOR(first[3], ints({1, 2, 2, 1}));
}

TEST(ReverseSequence, OnlyTheFirstSteps) {
  const at::Tensor x = iota({4, 2, 1}), lengths = ints({3, 1});
  EXPECT_TENSOR(OpRun("ReverseSequence", 10)({x, lengths}).reshape({4, 2}), floats({4, 1, 2, 3, 0, 5, 6, 7}).reshape({4, 2}));
  const OpRun rows = OpRun("ReverseSequence", 10).attr("batch_axis", int64_t{0}).attr("time_axis", int64_t{1});
  EXPECT_TENSOR(rows({iota({2, 3}), ints({2, 3})}), floats({1, 0, 2, 5, 4, 3}).reshape({2, 3}));
}

}  // namespace
}  // namespace ppq::test
