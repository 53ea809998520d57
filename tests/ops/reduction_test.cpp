#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "support/onnxruntime_cases.h"
#include "support/op_run.h"
#include "support/python.h"

namespace ppq::test {
namespace {

struct Reduction {
  const char* type;
  int64_t axes_input_since;
  double initial;
  std::function<double(double, double)> step;
  std::function<double(double, double)> finish;  // of the accumulated value and the count
};

const std::vector<Reduction>& reductions() {
  const double inf = INFINITY;
  auto same = [](double a, double) { return a; };
  static const std::vector<Reduction> all = {
      {"ReduceSum", 13, 0, [](double a, double x) { return a + x; }, same},
      {"ReduceMean", 18, 0, [](double a, double x) { return a + x; }, [](double a, double n) { return a / n; }},
      {"ReduceMax", 18, -inf, [](double a, double x) { return std::max(a, x); }, same},
      {"ReduceMin", 18, inf, [](double a, double x) { return std::min(a, x); }, same},
      {"ReduceProd", 18, 1, [](double a, double x) { return a * x; }, same},
      {"ReduceL1", 18, 0, [](double a, double x) { return a + std::fabs(x); }, same},
      {"ReduceL2", 18, 0, [](double a, double x) { return a + x * x; }, [](double a, double) { return std::sqrt(a); }},
      {"ReduceSumSquare", 18, 0, [](double a, double x) { return a + x * x; }, same},
      {"ReduceLogSum", 18, 0, [](double a, double x) { return a + x; }, [](double a, double) { return std::log(a); }},
      {"ReduceLogSumExp", 18, 0, [](double a, double x) { return a + std::exp(x); }, [](double a, double) { return std::log(a); }},
  };
  return all;
}

/// Axes 1 and 2 of a [2, 3, 4, 5] tensor by plain loops: [2, 5].
at::Tensor over_middle(const at::Tensor& x, const Reduction& r) {
  at::Tensor y = at::empty({2, 5}, at::kDouble);
  for (int64_t n = 0; n < 2; ++n)
    for (int64_t w = 0; w < 5; ++w) {
      double a = r.initial;
      for (int64_t c = 0; c < 3; ++c)
        for (int64_t h = 0; h < 4; ++h) a = r.step(a, x[n][c][h][w].item<double>());
      y[n][w] = r.finish(a, 12);
    }
  return y;
}

TEST(Reduction, SeveralAxesAsAttributeAndInput) {
  const at::Tensor x = at::rand({2, 3, 4, 5}) + 0.5;
  for (const Reduction& r : reductions()) {
    const at::Tensor expected = over_middle(x, r).to(at::kFloat);
    const at::Tensor by_attribute = OpRun(r.type, 11).attr("axes", std::vector<int64_t>{1, 2}).attr("keepdims", int64_t{0})(x);
    EXPECT_EQ(difference(by_attribute, expected, 1e-5), "") << r.type;
    const at::Tensor by_input = OpRun(r.type, r.axes_input_since)({x, ints({-2, 1})});
    EXPECT_EQ(difference(by_input, expected.reshape({2, 1, 1, 5}), 1e-5), "") << r.type;
    const at::Tensor half = OpRun(r.type, r.axes_input_since)({x.to(at::kHalf), ints({1, 2})});
    EXPECT_EQ(difference(half, expected.reshape({2, 1, 1, 5}).to(at::kHalf), 1e-2), "") << r.type << " float16";
  }
}

TEST(Reduction, NoAxesMeansAllUnlessNoop) {
  const at::Tensor x = at::rand({2, 3});
  EXPECT_TENSOR_NEAR(OpRun("ReduceSum", 13)(x), x.sum().reshape({1, 1}), 1e-6);
  EXPECT_TENSOR_NEAR(OpRun("ReduceMax", 18).attr("keepdims", int64_t{0})({x, at::Tensor()}), x.max(), 0);
  EXPECT_TENSOR(OpRun("ReduceSum", 13).attr("noop_with_empty_axes", int64_t{1})({x, at::empty({0}, at::kLong)}), x);
  EXPECT_TENSOR(OpRun("ReduceMean", 18).attr("noop_with_empty_axes", int64_t{1})(x), x);
}

TEST(Reduction, IntegersStayExactAndKeepTheirType) {
  const int64_t large = (int64_t{1} << 53) + 1;
  EXPECT_TENSOR(OpRun("ReduceSum", 13)(ints({large, 1})), ints({large + 1}));
  EXPECT_TENSOR(OpRun("ReduceProd", 13)(ints({3, 5, 7}).to(at::kInt)), ints({105}).to(at::kInt));
  EXPECT_TENSOR(OpRun("ReduceMax", 20)(bools({0, 1})), bools({1}));
  EXPECT_TENSOR(OpRun("ReduceMax", 12)(ints({-3, -7}).to(at::kChar)), ints({-3}).to(at::kChar));
}

TEST(Reduction, OverNothingGivesTheNeutralElement) {
  const at::Tensor nothing = at::empty({2, 0, 3});
  EXPECT_TENSOR(OpRun("ReduceSum", 13)({nothing, ints({1})}), at::zeros({2, 1, 3}));
  EXPECT_TENSOR(OpRun("ReduceProd", 18)({nothing, ints({1})}), at::ones({2, 1, 3}));
  EXPECT_TENSOR(OpRun("ReduceMax", 18)({nothing, ints({1})}), at::full({2, 1, 3}, -INFINITY));
  EXPECT_TENSOR(OpRun("ReduceMin", 18)({at::empty({0}, at::kInt), ints({0})}), ints({std::numeric_limits<int32_t>::max()}).to(at::kInt));
}

TEST(ArgMax, TiesAndAxes) {
  const at::Tensor x = floats({1, 3, 3, 0, 2, 2}).reshape({2, 3});
  EXPECT_TENSOR(OpRun("ArgMax", 13).attr("axis", int64_t{-1})(x), ints({1, 1}).reshape({2, 1}));
  EXPECT_TENSOR(OpRun("ArgMax", 13).attr("axis", int64_t{1}).attr("select_last_index", int64_t{1})(x), ints({2, 2}).reshape({2, 1}));
  EXPECT_TENSOR(OpRun("ArgMax", 11)(x), ints({0, 0, 0}).reshape({1, 3}));
  EXPECT_TENSOR(OpRun("ArgMin", 13).attr("axis", int64_t{1}).attr("keepdims", int64_t{0})(x), ints({0, 0}));
}

TEST(CumSum, ExclusiveAndReverse) {
  const at::Tensor x = floats({1, 2, 4}), axis = ints({0}).reshape({}).to(at::kInt);
  const auto run = [&](int64_t exclusive, int64_t reverse) {
    return OpRun("CumSum", 11).attr("exclusive", exclusive).attr("reverse", reverse)({x, axis});
  };
  EXPECT_TENSOR(run(0, 0), floats({1, 3, 7}));
  EXPECT_TENSOR(run(1, 0), floats({0, 1, 3}));
  EXPECT_TENSOR(run(0, 1), floats({7, 6, 4}));
  EXPECT_TENSOR(run(1, 1), floats({6, 4, 0}));
  EXPECT_TENSOR(OpRun("CumSum", 14)({ints({1, 2}).to(at::kInt), ints({-1})}), ints({1, 3}).to(at::kInt));
}

TEST(TopK, EveryVersionAndTiesInIndexOrder) {
  const at::Tensor x = floats({5, 1, 5, 9, 5, 1}).reshape({1, 6});
  const Tensors first = OpRun("TopK", 1).attr("k", int64_t{3}).run({x}, 2);
  EXPECT_TENSOR(first[0], floats({9, 5, 5}).reshape({1, 3}));
  EXPECT_TENSOR(first[1], ints({3, 0, 2}).reshape({1, 3}));
  const Tensors smallest = OpRun("TopK", 11).attr("largest", int64_t{0}).run({x, ints({2})}, 2);
  EXPECT_TENSOR(smallest[0], floats({1, 1}).reshape({1, 2}));
  EXPECT_TENSOR(smallest[1], ints({1, 5}).reshape({1, 2}));
  EXPECT_TENSOR(OpRun("TopK", 10).attr("axis", int64_t{0}).run({x, ints({1})}, 2)[1], at::zeros({1, 6}, at::kLong));
  EXPECT_TENSOR(OpRun("TopK", 11).run({ints({3, 9, 4}), ints({2})}, 2)[0], ints({9, 4}));
  EXPECT_ANY_THROW(OpRun("TopK", 11).run({x, ints({7})}, 2));
}

TEST(Reduction, AgreesWithOnnxruntime) {
  PPQ_REQUIRE_PYTHON();
  expect_agreement_with_onnxruntime("reduction");
}

}  // namespace
}  // namespace ppq::test
