#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "support/onnxruntime_cases.h"
#include "support/op_run.h"
#include "support/python.h"

namespace ppq::test {
namespace {

/// `f` of every element, computed in double.
at::Tensor mapped(const at::Tensor& x, const std::function<double(double)>& f) {
  at::Tensor y = x.to(at::kDouble).contiguous().clone();
  double* data = y.mutable_data_ptr<double>();
  for (int64_t i = 0; i < y.numel(); ++i) data[i] = f(data[i]);
  return y.to(x.scalar_type());
}

struct Case {
  const char* name;
  OpRun op;
  std::function<double(double)> formula;
};

TEST(Activation, FormulasOfTheStandard) {
  const double alpha = 1.67326319217681884765625, gamma = 1.05070102214813232421875;
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  const std::vector<Case> cases = {
      {"Relu", OpRun("Relu", 14), [](double x) { return std::max(x, 0.0); }},
      {"LeakyRelu", OpRun("LeakyRelu", 16), [](double x) { return x < 0 ? 0.01 * x : x; }},
      {"LeakyRelu alpha", OpRun("LeakyRelu", 6).attr("alpha", 0.25f), [](double x) { return x < 0 ? 0.25 * x : x; }},
      {"Elu", OpRun("Elu", 6).attr("alpha", 2.f), [](double x) { return x < 0 ? 2 * std::expm1(x) : x; }},
      {"Selu", OpRun("Selu", 6), [=](double x) { return gamma * (x <= 0 ? alpha * std::expm1(x) : x); }},
      {"Selu own", OpRun("Selu", 6).attr("alpha", 2.f).attr("gamma", 3.f), [](double x) { return 3 * (x <= 0 ? 2 * std::expm1(x) : x); }},
      {"Celu", OpRun("Celu", 12).attr("alpha", 2.f), [](double x) { return std::max(x, 0.0) + std::min(0.0, 2 * std::expm1(x / 2)); }},
      {"Sigmoid", OpRun("Sigmoid", 13), sigmoid},
      {"HardSigmoid", OpRun("HardSigmoid", 6), [](double x) { return std::clamp(0.2 * x + 0.5, 0.0, 1.0); }},
      {"HardSigmoid of MobileNetV3", OpRun("HardSigmoid", 6).attr("alpha", 0.1666667f),
       [](double x) { return std::clamp(x / 6 + 0.5, 0.0, 1.0); }},
      {"HardSwish", OpRun("HardSwish", 14), [](double x) { return x * std::clamp(x / 6 + 0.5, 0.0, 1.0); }},
      {"Mish", OpRun("Mish", 18), [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }},
      {"Softplus", OpRun("Softplus", 1), [](double x) { return std::log1p(std::exp(x)); }},
      {"Softsign", OpRun("Softsign", 1), [](double x) { return x / (1 + std::fabs(x)); }},
      {"Gelu", OpRun("Gelu", 20), [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }},
      {"Gelu tanh", OpRun("Gelu", 20).attr("approximate", std::string("tanh")),
       [](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }},
      {"Swish", OpRun("Swish", 24).attr("alpha", 2.f), [=](double x) { return x * sigmoid(2 * x); }},
      {"ThresholdedRelu", OpRun("ThresholdedRelu", 10).attr("alpha", 1.5f), [](double x) { return x > 1.5 ? x : 0; }},
      {"Shrink", OpRun("Shrink", 9).attr("lambd", 1.f).attr("bias", 0.5f), [](double x) { return x < -1  ? x + 0.5
                                                                                                 : x > 1 ? x - 0.5
                                                                                                         : 0; }},
  };
  const at::Tensor x = at::linspace(-6.2, 5.7, 97, at::kFloat);
  for (const Case& c : cases) {
    EXPECT_EQ(difference(c.op(x), mapped(x, c.formula), 2e-6), "") << c.name;
    const at::Tensor half = x.to(at::kHalf);
    EXPECT_EQ(difference(c.op(half), mapped(half, c.formula), 4e-3), "") << c.name << " float16";
  }
}

TEST(Activation, SoftplusDoesNotOverflow) {
  EXPECT_TENSOR(OpRun("Softplus", 1)(floats({100, 1000, -100})), floats({100, 1000, std::exp(-100.f)}));
  const at::Tensor x = at::tensor({25.0}, at::kDouble);
  EXPECT_NEAR(OpRun("Softplus", 1)(x).item<double>(), 25 + std::log1p(std::exp(-25.0)), 1e-14);
}

TEST(Activation, SoftmaxBefore13CoversAllAxesFromAxisOn) {
  const at::Tensor x = at::randn({2, 3, 4, 5});
  const auto old = OpRun("Softmax", 11).attr("axis", int64_t{1})(x), current = OpRun("Softmax", 13).attr("axis", int64_t{1})(x);
  for (int64_t n = 0; n < 2; ++n) {
    const at::Tensor e = x[n].to(at::kDouble).exp();
    EXPECT_TENSOR_NEAR(old[n], (e / e.sum()).to(at::kFloat), 1e-6);
    EXPECT_TENSOR_NEAR(current[n], (e / e.sum(0, true)).to(at::kFloat), 1e-6);
  }
  EXPECT_TENSOR_NEAR(OpRun("Softmax", 13)(x).sum(-1), at::ones({2, 3, 4}), 1e-6);
  EXPECT_TENSOR_NEAR(OpRun("Softmax", 11)(x).sum({1, 2, 3}), at::ones({2}), 1e-6);
}

TEST(Activation, LogSoftmaxDoesNotUnderflow) {
  EXPECT_TENSOR(OpRun("LogSoftmax", 13)(floats({0, 200}).reshape({1, 2})), floats({-200, 0}).reshape({1, 2}));
}

TEST(Activation, HardmaxMarksTheFirstMaximum) {
  EXPECT_TENSOR(OpRun("Hardmax", 13)(floats({3, 1, 3, 0, 2, 2}).reshape({2, 3})), floats({1, 0, 0, 0, 1, 0}).reshape({2, 3}));
  const at::Tensor all = OpRun("Hardmax", 11).attr("axis", int64_t{1})(iota({2, 2, 2}));
  EXPECT_TENSOR(all, floats({0, 0, 0, 1, 0, 0, 0, 1}).reshape({2, 2, 2}));
}

TEST(Activation, PReluSlopeBroadcasts) {
  const at::Tensor x = iota({2, 3, 2}) - 6;
  const at::Tensor negative = x.clamp_max(0), positive = x.clamp_min(0);
  const at::Tensor slope = floats({0.5f, 1, 2});
  EXPECT_TENSOR(OpRun("PRelu", 16)({x, slope.reshape({3, 1})}), positive + negative * slope.reshape({1, 3, 1}));
  EXPECT_TENSOR(OpRun("PRelu", 6)({x, slope}), positive + negative * slope.reshape({1, 3, 1}));
  EXPECT_TENSOR(OpRun("PRelu", 9)({x, floats({0.25f})}), positive + negative * 0.25);
  EXPECT_TENSOR(OpRun("PRelu", 9)({x, floats({3, 4})}), positive + negative * floats({3, 4}));
  EXPECT_TENSOR(OpRun("PRelu", 9)({ints({-2, 3}), ints({5})}), ints({-10, 3}));
}

TEST(Activation, DropoutPassesThroughWithAMaskOfOnes) {
  const at::Tensor x = iota({2, 3});
  const Tensors y = OpRun("Dropout", 13).run({x}, 2);
  EXPECT_TENSOR(y[0], x);
  EXPECT_TENSOR(y[1], at::ones({2, 3}, at::kBool));
  EXPECT_TENSOR(OpRun("Dropout", 7).run({x}, 2)[1], at::ones({2, 3}));
}

TEST(Activation, DropoutInTrainingModeKeepsTheMean) {
  const at::Tensor x = at::ones({20000}), yes = bools({1}).reshape({});
  const OpRun op = OpRun("Dropout", 13).attr("seed", int64_t{3});
  const Tensors y = op.run({x, at::scalar_tensor(0.25f), yes}, 2);
  EXPECT_NEAR(y[1].to(at::kFloat).mean().item<double>(), 0.75, 0.02);
  EXPECT_TENSOR_NEAR(y[0], y[1].to(at::kFloat) / 0.75, 1e-6);
  EXPECT_TENSOR(op({x, at::scalar_tensor(0.25f), yes}), y[0]);
}

TEST(Activation, AgreesWithOnnxruntime) {
  PPQ_REQUIRE_PYTHON();
  expect_agreement_with_onnxruntime("activation");
}

}  // namespace
}  // namespace ppq::test
