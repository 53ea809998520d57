#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/device.h"
#include "support/op_run.h"

namespace ppq::test {
namespace {

TEST(Arithmetic, IntegerDivisionTruncatesTowardZero) {
  EXPECT_TENSOR(OpRun("Div", 14)({ints({7, -7, 7, -7, -1}), ints({2, 2, -2, -2, 3})}), ints({3, -3, -3, 3, 0}));
  const auto small = [](at::Tensor t) { return t.to(at::kChar); };
  EXPECT_TENSOR(OpRun("Div", 14)({small(ints({-9})), small(ints({4}))}), small(ints({-2})));
}

TEST(Arithmetic, UnsignedTypesWrapAndOrderAsUnsigned) {
  const int64_t big = -2;  // 2^64 - 2
  auto u64 = [](std::initializer_list<int64_t> v) { return ints(v).view(at::kUInt64); };
  EXPECT_TENSOR(OpRun("Div", 14)({u64({big}), u64({2})}).view(at::kLong), ints({std::numeric_limits<int64_t>::max()}));
  EXPECT_TENSOR(OpRun("Add", 14)({u64({big}), u64({3})}).view(at::kLong), ints({1}));
  EXPECT_TENSOR(OpRun("Max", 13)({u64({big}), u64({3})}).view(at::kLong), ints({big}));
  EXPECT_TENSOR(OpRun("Greater", 13)({u64({big}), u64({3})}), bools({1}));
  EXPECT_TENSOR(OpRun("Mod", 13)({u64({big}), u64({10})}).view(at::kLong), ints({4}));  // 18446744073709551614 mod 10
  EXPECT_TENSOR(OpRun("BitShift", 11).attr("direction", std::string("RIGHT"))({u64({big}), u64({63})}).view(at::kLong), ints({1}));
  const auto u16 = [](std::initializer_list<int64_t> v) { return ints(v).to(at::kUInt16); };
  EXPECT_TENSOR(OpRun("Mul", 14)({u16({60000}), u16({3})}), u16({180000 - 2 * 65536}));
  EXPECT_TENSOR(OpRun("Min", 13)({u16({60000}), u16({3})}), u16({3}));
  EXPECT_TENSOR(OpRun("Clip", 13)({u16({60000, 1}), u16({2}).reshape({}), u16({50000}).reshape({})}), u16({50000, 2}));
}

TEST(Arithmetic, ModuloFollowsDivisorOrDividend) {
  EXPECT_TENSOR(OpRun("Mod", 13)({ints({-4, 7, 5, 4, -7, 8}), ints({2, -3, 8, -2, 3, 5})}), ints({0, -2, 5, 0, 2, 3}));
  EXPECT_TENSOR(OpRun("Mod", 13).attr("fmod", int64_t{1})({ints({-4, 7, 5, 4, -7, 8}), ints({2, -3, 8, -2, 3, 5})}),
                ints({0, 1, 5, 0, -1, 3}));
}

TEST(Arithmetic, PowerKeepsTheTypeOfTheBase) {
  EXPECT_TENSOR(OpRun("Pow", 13)({floats({1, 2, 3}), ints({4, 5, 6})}), floats({1, 32, 729}));
  EXPECT_TENSOR(OpRun("Pow", 13)({ints({1, 2, 3}), floats({4, 5.5f, 0.5f})}), ints({1, 45, 1}));  // 2^5.5 = 45.25, 3^0.5 = 1.73
}

TEST(Arithmetic, VariadicOperatorsBroadcastEveryInput) {
  const at::Tensor row = floats({1, 5, 3}), column = floats({2, 4}).reshape({2, 1}), one = floats({3});
  const auto expect = [](std::initializer_list<float> v) { return floats(v).reshape({2, 3}); };
  EXPECT_TENSOR(OpRun("Max", 13)({row, column, one}), expect({3, 5, 3, 4, 5, 4}));
  EXPECT_TENSOR(OpRun("Min", 13)({one, row, column}), expect({1, 2, 2, 1, 3, 3}));
  EXPECT_TENSOR(OpRun("Sum", 13)({one, row, column}), expect({6, 10, 8, 8, 12, 10}));
  EXPECT_TENSOR_NEAR(OpRun("Mean", 13)({one, row, column}), expect({2, 10.f / 3, 8.f / 3, 8.f / 3, 4, 10.f / 3}),
                     test_device().is_cuda() ? 5e-7 : 0.0);  // there LibTorch multiplies by a third
  EXPECT_TENSOR(OpRun("Max", 13)(row), row);
}

TEST(Arithmetic, ClipTakesEitherBoundAsAttributeOrInput) {
  const at::Tensor x = floats({-2, 0.5f, 9});
  EXPECT_TENSOR(OpRun("Clip", 6).attr("min", 0.f)(x), floats({0, 0.5f, 9}));
  EXPECT_TENSOR(OpRun("Clip", 6).attr("max", 6.f)(x), floats({-2, 0.5f, 6}));
  EXPECT_TENSOR(OpRun("Clip", 6)(x), x);
  EXPECT_TENSOR(OpRun("Clip", 13)({x, at::Tensor(), at::scalar_tensor(6.f)}), floats({-2, 0.5f, 6}));
  EXPECT_TENSOR(OpRun("Clip", 13)({x, at::scalar_tensor(0.f)}), floats({0, 0.5f, 9}));
  EXPECT_TENSOR(OpRun("Clip", 13)({x, at::scalar_tensor(0.f), floats({6})}), floats({0, 0.5f, 6}));
  EXPECT_TENSOR(OpRun("Clip", 13)(x), x);
  EXPECT_TENSOR(OpRun("Clip", 13)({ints({-5, 5}), ints({-1}).reshape({}), ints({1}).reshape({})}), ints({-1, 1}));
}

TEST(Arithmetic, OldBroadcastAlignsAtAxis) {
  const at::Tensor x = iota({2, 3, 4}), y = floats({10, 20, 30});
  const at::Tensor sum = OpRun("Add", 6).attr("broadcast", int64_t{1}).attr("axis", int64_t{1})({x, y});
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t j = 0; j < 3; ++j)
      for (int64_t k = 0; k < 4; ++k)
        EXPECT_EQ(sum[i][j][k].item<float>(), static_cast<float>(i * 12 + j * 4 + k) + 10.f * static_cast<float>(j + 1));
}

TEST(Arithmetic, HalfPrecisionKeepsItsType) {
  const at::Tensor x = floats({1, 2048}).to(at::kHalf), y = floats({0.5f, 1}).to(at::kHalf);
  EXPECT_TENSOR(OpRun("Add", 14)({x, y}), floats({1.5f, 2048}).to(at::kHalf));  // 2049 is between two halves, even wins
  EXPECT_TENSOR(OpRun("Div", 14)({x, y}), floats({2, 2048}).to(at::kHalf));
}

}  // namespace
}  // namespace ppq::test
