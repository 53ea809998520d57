#include "data/cast.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ppq/error.h"

namespace ppq {
namespace {

using ::testing::HasSubstr;

std::string error_of(const at::Tensor& values, DataType dtype) {
  try {
    cast_exactly(values, dtype, "file");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Data);
    return error.what();
  }
  return "";
}

TEST(CastExactly, KeepsWhatFits) {
  EXPECT_TRUE(at::equal(cast_exactly(at::arange(256).to(at::kByte), DataType::Float, "x"), at::arange(256).to(at::kFloat)));
  EXPECT_TRUE(at::equal(cast_exactly(at::arange(3).to(at::kUInt16), DataType::Int64, "x"), at::arange(3)));
  EXPECT_TRUE(at::equal(cast_exactly(at::arange(3).to(at::kDouble), DataType::Int32, "x"), at::arange(3).to(at::kInt)));
  EXPECT_TRUE(at::equal(cast_exactly(at::arange(2).to(at::kFloat), DataType::Bool, "x"), at::arange(2).eq(1)));
  EXPECT_EQ(cast_exactly(at::full({1}, 0.1, at::kDouble), DataType::Float, "x").item<float>(), 0.1f);
}

TEST(CastExactly, RefusesWhatDoesNot) {
  EXPECT_THAT(error_of(at::full({2, 2}, 1.5), DataType::Int64), HasSubstr("1.5"));
  EXPECT_THAT(error_of(at::full({1}, 300), DataType::UInt8), HasSubstr("at [0]"));
  EXPECT_THAT(error_of(at::full({1}, int64_t{1} << 40), DataType::Int32), HasSubstr("int32"));
  EXPECT_THAT(error_of(at::full({1}, 1e300, at::kDouble), DataType::Float), HasSubstr("float32"));
  EXPECT_THAT(error_of(at::full({1}, 1e6), DataType::Float16), HasSubstr("float16"));
  EXPECT_THAT(error_of(at::zeros({1}, at::kComplexFloat), DataType::Float), HasSubstr("complex"));
}

TEST(RequireFinite, FindsTheFirst) {
  require_finite(at::full({2}, 3e38), "x");  // a sum that overflows float is no reason
  require_finite(at::full({3}, 1.7e308, at::kDouble), "x");
  at::Tensor values = at::zeros({2, 3});
  values[1][1] = NAN;
  values[1][2] = INFINITY;
  try {
    require_finite(values, "file");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(std::string(error.what()), HasSubstr("NaN at [1, 1]"));
  }
}

}  // namespace
}  // namespace ppq
