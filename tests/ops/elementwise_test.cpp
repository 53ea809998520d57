#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <span>

#include "support/onnxruntime_cases.h"
#include "support/op_run.h"
#include "support/python.h"

namespace ppq::test {
namespace {

struct Named {
  const char* type;
  double (*function)(double);
};

class UnaryMath : public ::testing::TestWithParam<Named> {};

TEST_P(UnaryMath, AgreesWithTheStandardLibrary) {
  const at::Tensor x = at::linspace(0.05, 0.95, 37, at::kFloat) + (std::string(GetParam().type) == "Acosh" ? 1 : 0);
  for (auto type : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16}) {
    const at::Tensor input = x.to(type);
    at::Tensor expected = input.to(at::kDouble).clone();
    for (double& value : std::span(expected.mutable_data_ptr<double>(), 37)) value = GetParam().function(value);
    const double tolerance = type == at::kDouble ? 1e-12 : type == at::kFloat ? 2e-6 : type == at::kHalf ? 2e-3 : 1e-2;
    EXPECT_EQ(difference(OpRun(GetParam().type, 22)(input), expected.to(type), tolerance), "") << type;
  }
}

INSTANTIATE_TEST_SUITE_P(All, UnaryMath,
                         ::testing::Values(Named{"Sin", std::sin}, Named{"Cos", std::cos}, Named{"Tan", std::tan}, Named{"Asin", std::asin},
                                           Named{"Acos", std::acos}, Named{"Atan", std::atan}, Named{"Sinh", std::sinh},
                                           Named{"Cosh", std::cosh}, Named{"Tanh", std::tanh}, Named{"Asinh", std::asinh},
                                           Named{"Acosh", std::acosh}, Named{"Atanh", std::atanh}, Named{"Exp", std::exp},
                                           Named{"Log", std::log}, Named{"Sqrt", std::sqrt}, Named{"Erf", std::erf},
                                           Named{"Abs", std::fabs}, Named{"Ceil", std::ceil}, Named{"Floor", std::floor},
                                           Named{"Neg", [](double x) { return -x; }}, Named{"Reciprocal", [](double x) { return 1 / x; }}),
                         [](const auto& info) { return info.param.type; });

TEST(Elementwise, RoundTakesTheEvenNeighbour) {
  EXPECT_TENSOR(OpRun("Round", 11)(floats({0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 2.4f})), floats({0, 2, 2, -0.f, -2, 2}));
}

TEST(Elementwise, InfinityDetectionByDirection) {
  const float inf = INFINITY;
  const at::Tensor x = floats({-inf, inf, NAN, 1});
  EXPECT_TENSOR(OpRun("IsInf", 10)(x), bools({1, 1, 0, 0}));
  EXPECT_TENSOR(OpRun("IsInf", 10).attr("detect_negative", int64_t{0})(x), bools({0, 1, 0, 0}));
  EXPECT_TENSOR(OpRun("IsInf", 10).attr("detect_positive", int64_t{0})(x), bools({1, 0, 0, 0}));
  EXPECT_TENSOR(OpRun("IsNaN", 9)(x), bools({0, 0, 1, 0}));
}

TEST(Elementwise, ComparisonsBroadcast) {
  const at::Tensor x = iota({2, 2}), y = floats({1, 2});
  const auto expect = [](bool a, bool b, bool c, bool d) { return bools({a, b, c, d}).reshape({2, 2}); };
  EXPECT_TENSOR(OpRun("Greater", 9)({x, y}), expect(false, false, true, true));
  EXPECT_TENSOR(OpRun("GreaterOrEqual", 16)({x, y}), expect(false, false, true, true));
  EXPECT_TENSOR(OpRun("Less", 9)({x, y}), expect(true, true, false, false));
  EXPECT_TENSOR(OpRun("LessOrEqual", 16)({x, y}), expect(true, true, false, false));
  EXPECT_TENSOR(OpRun("Equal", 11)({x, floats({0, 1})}), expect(true, true, false, false));
}

TEST(Elementwise, WhereBroadcastsAllThreeAndKeepsTheType) {
  const at::Tensor condition = bools({1, 0}).reshape({2, 1});
  EXPECT_TENSOR(OpRun("Where", 16)({condition, ints({1, 2}), ints({9})}), ints({1, 2, 9, 9}).reshape({2, 2}));
  EXPECT_TENSOR(OpRun("Where", 16)({condition, ints({1, 65535}).to(at::kUInt16), ints({9}).to(at::kUInt16)}),
                ints({1, 65535, 9, 9}).to(at::kUInt16).reshape({2, 2}));
}

TEST(Elementwise, AgreesWithOnnxruntime) {
  PPQ_REQUIRE_PYTHON();
  expect_agreement_with_onnxruntime("elementwise");
}

TEST(Elementwise, LargeTensorsAgreeWithOnnxruntime) {
  PPQ_REQUIRE_PYTHON();
  expect_agreement_with_onnxruntime("large");
}

}  // namespace
}  // namespace ppq::test
