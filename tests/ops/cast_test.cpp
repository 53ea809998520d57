#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ppq/error.h"
#include "support/onnxruntime_cases.h"
#include "support/op_run.h"
#include "support/python.h"

namespace ppq::test {
namespace {

at::Tensor cast(const at::Tensor& x, DataType to, int64_t opset = 19, bool saturate = true) {
  return OpRun("Cast", opset).attr("to", static_cast<int64_t>(to)).attr("saturate", int64_t{saturate})(x);
}

TEST(Cast, FloatsTruncateToIntegersAndTestAgainstZeroForBool) {
  EXPECT_TENSOR(cast(floats({-1.9f, 1.9f, 0}), DataType::Int32), ints({-1, 1, 0}).to(at::kInt));
  EXPECT_TENSOR(cast(floats({-0.1f, 0, 2}), DataType::Bool), bools({1, 0, 1}));
  EXPECT_TENSOR(cast(bools({1, 0}), DataType::Float), floats({1, 0}));
  EXPECT_TENSOR(cast(ints({70000}), DataType::UInt16), ints({70000 - 65536}).to(at::kUInt16));
}

TEST(Cast, BFloat16RoundsToNearestEven) {
  // 1 + 2^-8 lies between 1 and 1 + 2^-7: the even mantissa is 1's.
  EXPECT_TENSOR(cast(floats({1.00390625f, 1.01171875f}), DataType::BFloat16).to(at::kFloat), floats({1, 1.015625f}));
}

TEST(Cast, Float8SaturatesUnlessTold) {
  const float inf = INFINITY;
  const at::Tensor x = floats({1000, -1000, inf, 448});
  EXPECT_TENSOR(cast(x, DataType::Float8E4M3FN).to(at::kFloat), floats({448, -448, 448, 448}));
  EXPECT_TENSOR(cast(x, DataType::Float8E4M3FN, 19, false).to(at::kFloat), floats({NAN, NAN, NAN, 448}));
  EXPECT_TENSOR(cast(floats({1e6f, inf}), DataType::Float8E5M2).to(at::kFloat), floats({57344, 57344}));
  EXPECT_TENSOR(cast(floats({1e6f, inf}), DataType::Float8E5M2, 19, false).to(at::kFloat), floats({inf, inf}));
  EXPECT_TRUE(std::isnan(cast(floats({NAN}), DataType::Float8E4M3FN).to(at::kFloat).item<float>()));
}

TEST(Cast, LikeTakesTheTypeOfTheSecondInput) { EXPECT_TENSOR(OpRun("CastLike", 15)({floats({1.5f}), ints({0})}), ints({1})); }

TEST(Cast, TypesLibTorchLacksAreRefused) {
  try {
    cast(floats({1}), DataType::Int4, 21);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
  }
}

TEST(Cast, AgreesWithOnnxruntime) {
  PPQ_REQUIRE_PYTHON();
  expect_agreement_with_onnxruntime("casts");
}

}  // namespace
}  // namespace ppq::test
