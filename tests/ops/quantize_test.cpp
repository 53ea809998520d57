#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "ppq/error.h"
#include "support/onnxruntime_cases.h"
#include "support/op_run.h"
#include "support/python.h"

namespace ppq::test {
namespace {

TEST(Quantize, AgreesWithOnnxruntime) {
  PPQ_REQUIRE_PYTHON();
  expect_agreement_with_onnxruntime("quantize");
}

TEST(QuantizeLinear, RoundsHalfToEvenAndSaturates) {
  const at::Tensor y =
      OpRun("QuantizeLinear", 13)({floats({-0.5f, 0.5f, 1.5f, 2.5f, 1000, -1000}), floats({1}), at::tensor({3}, at::kChar)});
  EXPECT_TENSOR(y, at::tensor({3, 3, 5, 5, 127, -128}, at::kChar));
}

TEST(QuantizeLinear, BlocksAlongAnAxis) {
  OpRun run("QuantizeLinear", 21);
  run.attr("axis", int64_t{1}).attr("block_size", int64_t{2});
  const at::Tensor y = run(
      {floats({2, 4, 6, 8, 10, 12}).reshape({1, 6}), floats({1, 2, 4}).reshape({1, 3}), at::tensor({0, 0, 1}, at::kByte).reshape({1, 3})});
  EXPECT_TENSOR(y, at::tensor({2, 4, 3, 4, 3, 4}, at::kByte).reshape({1, 6}));  // 2.5 + 1 and 3 + 1
}

TEST(QuantizeLinear, Float8SaturatesUnlessToldNot) {
  const at::Tensor zero = at::zeros({}, at::kFloat).to(at::kFloat8_e4m3fn), x = floats({1.05f, 1000});
  OpRun run("QuantizeLinear", 19);
  EXPECT_TENSOR(run({x, floats({1}).reshape({}), zero}).to(at::kFloat), floats({1, 448}));
  EXPECT_TENSOR(run.attr("saturate", int64_t{0})({x, floats({1}).reshape({}), zero}).to(at::kFloat),
                floats({1, std::numeric_limits<float>::quiet_NaN()}));
}

TEST(QuantizeLinear, FourBitsAreRefusedByName) {
  try {
    OpRun("QuantizeLinear", 21).attr("output_dtype", static_cast<int64_t>(DataType::Int4))({floats({1}), floats({1})});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
    EXPECT_NE(std::string(error.what()).find("int4"), std::string::npos) << error.what();
  }
}

TEST(DequantizeLinear, ChannelsAndOutputType) {
  OpRun run("DequantizeLinear", 23);
  run.attr("axis", int64_t{0}).attr("output_dtype", static_cast<int64_t>(DataType::Float16));
  const at::Tensor y = run({at::tensor({0, 255, 7, 9}, at::kByte).reshape({2, 2}), floats({0.5f, 2}), at::tensor({255, 8}, at::kByte)});
  EXPECT_TENSOR(y, floats({-127.5f, 0, -2, 2}).reshape({2, 2}).to(at::kHalf));
}

TEST(DynamicQuantizeLinear, TheRangeHoldsZero) {
  const Tensors y = OpRun("DynamicQuantizeLinear", 11).run({floats({2, 4, 5.1f})}, 3);
  EXPECT_TENSOR_NEAR(y[1], floats({0.02f}).reshape({}), 1e-6);
  EXPECT_TENSOR(y[2], at::zeros({}, at::kByte));
  EXPECT_TENSOR(y[0], at::tensor({100, 200, 255}, at::kByte));
}

TEST(QuantizeLinear, AScaleThatDoesNotFitIsNamed) {
  try {
    OpRun("QuantizeLinear", 13)({at::ones({2, 3}), floats({1, 2}), at::zeros({2}, at::kByte)});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("axis 1"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ppq::test
