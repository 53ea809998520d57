#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ppq/error.h"
#include "support/onnxruntime_cases.h"
#include "support/op_run.h"
#include "support/python.h"

namespace ppq::test {
namespace {

TEST(Matmul, AgreesWithOnnxruntime) {
  PPQ_REQUIRE_PYTHON();
  expect_agreement_with_onnxruntime("matmul");
}

TEST(Gemm, AlphaBetaAndTransposition) {
  const at::Tensor a = floats({1, 2, 3, 4}).reshape({2, 2}), b = floats({1, 0, 2, 1}).reshape({2, 2});
  OpRun gemm("Gemm", 13);
  gemm.attr("alpha", 2.f).attr("beta", 0.5f).attr("transA", int64_t{1});
  // aᵀ·b = [[7, 3], [10, 4]]
  EXPECT_TENSOR(gemm({a, b, floats({2, 4})}), floats({15, 8, 21, 10}).reshape({2, 2}));
  EXPECT_TENSOR(gemm({a, b, floats({2, 4}).reshape({2, 1})}), floats({15, 7, 22, 10}).reshape({2, 2}));
  EXPECT_TENSOR(gemm({a, b}), floats({14, 6, 20, 8}).reshape({2, 2}));
}

TEST(Gemm, Integers) {
  const at::Tensor a = ints({1, 2}).reshape({1, 2}), b = ints({3, 4}).reshape({2, 1});
  EXPECT_TENSOR(OpRun("Gemm", 13)({a, b, ints({5})}), ints({16}).reshape({1, 1}));
}

TEST(MatMul, LongIntegersAreExact) {
  const int64_t large = (int64_t{1} << 53) + 1;
  EXPECT_TENSOR(OpRun("MatMul", 13)({ints({large, 1}), ints({1, 2})}), ints({large + 2}).reshape({}));
}

TEST(MatMulInteger, LongSumsAreExact) {
  const int64_t inner = 20001;
  const at::Tensor a = at::full({1, inner}, 255, at::kByte), b = at::full({inner, 1}, 127, at::kChar);
  EXPECT_TENSOR(OpRun("MatMulInteger", 10)({a, b}), at::full({1, 1}, inner * 255 * 127, at::kInt));
}

TEST(MatMulInteger, ZeroPointsOfRowsAndColumns) {
  const at::Tensor a = at::tensor({1, 2, 3, 4}, at::kByte).reshape({2, 2}), b = at::tensor({5, 6, 7, 8}, at::kByte).reshape({2, 2});
  const at::Tensor y = OpRun("MatMulInteger", 10)({a, b, at::tensor({1, 2}, at::kByte), at::tensor({5, 4}, at::kByte)});
  // [[0, 1], [1, 2]] x [[0, 2], [2, 4]]
  EXPECT_TENSOR(y, at::tensor({2, 4, 4, 10}, at::kInt).reshape({2, 2}));
}

TEST(Gemm, WrongInnerDimensionIsNamed) {
  try {
    OpRun("Gemm", 13)({at::ones({2, 3}), at::ones({4, 2})});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("got 3 and 4"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ppq::test
