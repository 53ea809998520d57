// If, Loop and Scan against plain loops.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "ops/memory_bound.h"
#include "ppq/executor.h"
#include "ppq/onnx.h"
#include "support/device.h"
#include "support/op_run.h"
#include "support/thrown.h"

namespace ppq {
namespace {

using test::bools;
using test::floats;
using test::ints;
using test::thrown;
using testing::HasSubstr;

std::unique_ptr<Graph> model(const std::string& graph) { return read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> " + graph); }
Tensors run_once(const std::string& graph, const Tensors& inputs) {
  return test::run_on_test_device(*lower(*model(graph), test::on_test_device()), inputs);
}
at::Tensor flag(bool value) { return at::scalar_tensor(value, at::kBool); }
at::Tensor number(int64_t value) { return at::scalar_tensor(value, at::kLong); }

TEST(If, TakesOneBranchAndReadsAround) {
  const std::string text = R"(g (bool go, float[2] x) => (float[2] y) <float[2] k = {10, 20}> {
    a = Neg(x)
    y = If (go) <then_branch = t () => (float[2] p) { p = Add(a, k) }, else_branch = e () => (float[2] q) { s = Mul(a, k) q = Sub(s, x) }>
  })";
  EXPECT_TENSOR(run_once(text, {flag(true), floats({1, 2})})[0], floats({9, 18}));
  EXPECT_TENSOR(run_once(text, {flag(false), floats({1, 2})})[0], floats({-11, -42}));
  EXPECT_TENSOR(run_once(text, {flag(true).reshape({}), floats({1, 2})})[0], floats({9, 18}));
}

TEST(If, OnlyTheBranchTakenRuns) {
  // The other branch would fail: its shapes do not fit.
  const std::string text = R"(g (bool go, float[N] x, float[M] z) => (float[P] y) {
    y = If (go) <then_branch = t () => (float[A] p) { p = Neg(x) }, else_branch = e () => (float[B] q) { q = Add(x, z) }>
  })";
  EXPECT_TENSOR(run_once(text, {flag(true), floats({1, 2}), floats({1, 2, 3})})[0], floats({-1, -2}));
  EXPECT_EQ(thrown([&] { run_once(text, {flag(false), floats({1, 2}), floats({1, 2, 3})}); }).kind(), ErrorKind::Model);
}

TEST(If, NestsAndCapturesThroughLevels) {
  const std::string text = R"(g (bool a, bool b, float[2] x) => (float[2] y) {
    y = If (a) <
      then_branch = t () => (float[2] p) {
        p = If (b) <then_branch = tt () => (float[2] u) { u = Add(x, x) }, else_branch = te () => (float[2] v) { v = Neg(x) }>
      },
      else_branch = e () => (float[2] q) { q = Abs(x) }>
  })";
  const at::Tensor x = floats({-1, 2});
  EXPECT_TENSOR(run_once(text, {flag(true), flag(true), x})[0], floats({-2, 4}));
  EXPECT_TENSOR(run_once(text, {flag(true), flag(false), x})[0], floats({1, -2}));
  EXPECT_TENSOR(run_once(text, {flag(false), flag(true), x})[0], floats({1, 2}));
}

/// total and doubling: for i in 0..M: total += i * step; stop when total > 20.
constexpr const char* kLoop = R"(g (int64 M, bool go, float s0, float step) => (float s, float[K] all) <float limit = {20}> {
  s, all = Loop (M, go, s0) <body = b (int64 i, bool c, float sum) => (bool more, float next, float scan) {
    fi = Cast<to=1>(i)
    add = Mul(fi, step)
    next = Add(sum, add)
    more = Less(next, limit)
    scan = Neg(next)
  }>
})";

TEST(Loop, CarriesScansAndStops) {
  for (int64_t limit : {0, 1, 3, 100})
    for (bool go : {true, false}) {
      float sum = 1;
      std::vector<float> all;
      bool more = go;
      for (int64_t i = 0; i < limit && more; ++i) {
        sum += static_cast<float>(i) * 2;
        all.push_back(-sum);
        more = sum < 20;
      }
      const Tensors out = run_once(kLoop, {number(limit), flag(go), at::scalar_tensor(1.0f), at::scalar_tensor(2.0f)});
      EXPECT_EQ(out[0].item<float>(), sum) << limit << go;
      EXPECT_EQ(out[1].numel(), static_cast<int64_t>(all.size())) << limit << go;
      for (size_t i = 0; i < all.size() && static_cast<int64_t>(i) < out[1].numel(); ++i) EXPECT_EQ(out[1][i].item<float>(), all[i]);
    }
}

TEST(Loop, WithoutLimitRunsWhileTheConditionHolds) {
  const std::string text = R"(g (bool go, float s0) => (float s) <float limit = {100}> {
    s = Loop (, go, s0) <body = b (int64 i, bool c, float sum) => (bool more, float next) { next = Add(sum, sum) more = Less(next, limit) }>
  })";
  EXPECT_EQ(run_once(text, {flag(true), at::scalar_tensor(3.0f)})[0].item<float>(), 192);
}

TEST(Loop, WithoutIterationsScansAreEmptyOfTheirTypeAndShape) {
  const Tensors out = run_once(R"(g (int64 M, bool go, float s0) => (float s, int64[K,3] all) <int64[3] row = {4, 5, 6}> {
    s, all = Loop (M, go, s0) <body = b (int64 i, bool c, float sum) => (bool more, float next, int64[3] scan) {
      more = Identity(c) next = Identity(sum) scan = Add(row, i)
    }>
  })",
                               {number(0), flag(true), at::scalar_tensor(7.0f)});
  EXPECT_EQ(out[0].item<float>(), 7);
  EXPECT_EQ(out[1].scalar_type(), at::kLong);
  EXPECT_EQ(out[1].sizes(), at::IntArrayRef({0, 3}));
}

/// For as long as nothing computes the condition, only the trip count can end it.
TEST(Loop, ThatWouldNotEndIsAModelError) {
  for (const char* condition : {"more = Identity(c)", "more = Constant<value = bool {1}>()"}) {
    const std::string text = std::string(R"(g (int64 M, bool go, float s0) => (float s) {
      [forever] s = Loop (M, go, s0) <body = b (int64 i, bool c, float sum) => (bool more, float next) { )") +
                             condition + " next = Neg(sum) }> }";
    for (const int64_t trips : {std::numeric_limits<int64_t>::max(), int64_t{1} << 41}) {
      const Error error = thrown([&] { run_once(text, {number(trips), flag(true), at::scalar_tensor(3.0f)}); });
      EXPECT_EQ(error.kind(), ErrorKind::Model) << condition;
      EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("forever (Loop)"), HasSubstr("would not end"), HasSubstr(std::to_string(trips))));
    }
    EXPECT_EQ(run_once(text, {number(3), flag(true), at::scalar_tensor(3.0f)})[0].item<float>(), -3);
    EXPECT_EQ(run_once(text, {number(std::numeric_limits<int64_t>::max()), flag(false), at::scalar_tensor(3.0f)})[0].item<float>(), 3);
  }
}

TEST(Loop, LoopsInLoopsThatWouldNotEndAreAModelErrorToo) {
  // 2^20 trips each of 2^20 trips.
  const std::string text = R"(g (int64 M, int64 N, bool go, float s0) => (float s) {
      [outer] s = Loop (M, go, s0) <body = b (int64 i, bool c, float sum) => (bool more, float next) {
        more = Identity(c)
        [inner] next = Loop (N, c, sum) <body = d (int64 j, bool e, float t) => (bool on, float u) { on = Identity(e) u = Neg(t) }>
      }> })";
  const Error error = thrown([&] { run_once(text, {number(1 << 20), number(1 << 20), flag(true), at::scalar_tensor(3.0f)}); });
  EXPECT_EQ(error.kind(), ErrorKind::Model);
  EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("would not end"), HasSubstr("in Loops of 1048576 trips")));
  EXPECT_EQ(run_once(text, {number(3), number(5), flag(true), at::scalar_tensor(3.0f)})[0].item<float>(), -3);
}

TEST(Loop, ACarriedValueThatIsMissingIsAModelError) {
  auto graph = model(R"(g (int64 M, bool go, float s0) => (float s) {
      [loop] s = Loop (M, go, s0) <body = b (int64 i, bool c, float sum) => (bool more, float next) { more = Identity(c) next = Neg(sum) }> })");
  graph->set_input(graph->find_node("loop"), 2, nullptr);
  const Error error = thrown([&] { lower(*graph, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::Model);
  EXPECT_THAT(error.what(), HasSubstr("carried value 0 is missing"));
}

TEST(Loop, WithTheLargestTripCountEndsByItsCondition) {
  const Tensors out =
      run_once(kLoop, {number(std::numeric_limits<int64_t>::max()), flag(true), at::scalar_tensor(1.0f), at::scalar_tensor(2.0f)});
  EXPECT_EQ(out[0].item<float>(), 21) << "1 + 0 + 2 + 4 + 6 + 8";
}

/// What is kept of each trip is known after the first one, where the trips are counted; else it grows until it does not fit.
TEST(Loop, ScansBeyondMemoryAreResourceErrors) {
  if (!test::test_device().is_cpu()) GTEST_SKIP() << "the memory that is bounded here is the CPU's";
  ops::bound_tensor_memory(size_t{64} << 20);
  for (const char* condition : {"more = Identity(c)", "more = Not(stop)"}) {
    const std::string text = std::string(R"(g (int64 M, bool go, float s0) => (float s, float[K,1000] all) <bool stop = {0}> {
      s, all = Loop (M, go, s0) <body = b (int64 i, bool c, float sum) => (bool more, float next, float[1000] scan) { )") +
                             condition + " next = Neg(sum) scan = Expand(sum, size) }> size = Constant<value = int64[1] {1000}>() }";
    const Error error = thrown([&] { run_once(text, {number(int64_t{1} << 35), flag(true), at::scalar_tensor(3.0f)}); });
    EXPECT_EQ(error.kind(), ErrorKind::Resource) << condition;
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("(Loop)"), HasSubstr("too large")));
  }
  ops::bound_tensor_memory(0);
}

TEST(Loop, InputsAreNotChanged) {
  const at::Tensor s0 = at::scalar_tensor(1.0f);
  run_once(kLoop, {number(5), flag(true), s0, at::scalar_tensor(2.0f)});
  EXPECT_EQ(s0.item<float>(), 1);
}

TEST(Loop, ErrorsNameTheNodeInside) {
  const std::string text = R"(g (int64 M, bool go, float[N] x, float[K] z) => (float[P] y) {
    [rounds] y = Loop (M, go, x) <body = b (int64 i, bool c, float[A] v) => (bool more, float[B] w) { more = Identity(c) [inside] w = Add(v, z) }>
  })";
  const Error error = thrown([&] { run_once(text, {number(2), flag(true), floats({1, 2}), floats({1, 2, 3})}); });
  EXPECT_EQ(error.kind(), ErrorKind::Model);
  EXPECT_THAT(error.where(), testing::AllOf(HasSubstr("(Loop)"), HasSubstr("(Add)")));
}

TEST(Scan, RunsAlongTheFirstAxis) {
  const std::string text = R"(g (float[2] s0, float[T,2] x) => (float[2] s, float[T,2] y) <float[2] k = {1, 10}> {
    s, y = Scan<num_scan_inputs=1, body = b (float[2] state, float[2] e) => (float[2] next, float[2] out) { t = Mul(e, k) next = Add(state, t) out = Neg(next) }>(s0, x)
  })";
  const at::Tensor x = at::arange(6, at::kFloat).reshape({3, 2});
  const Tensors out = run_once(text, {floats({0, 1}), x});
  float a = 0, b = 1;
  for (int t = 0; t < 3; ++t) {
    a += static_cast<float>(2 * t), b += static_cast<float>(2 * t + 1) * 10;
    EXPECT_TENSOR(out[1][t], floats({-a, -b}));
  }
  EXPECT_TENSOR(out[0], floats({a, b}));
}

TEST(Scan, AxesAndDirections) {
  const std::string text = R"(g (float s0, float[2,T] x) => (float s, float[2,T] y) {
    s, y = Scan<num_scan_inputs=1, scan_input_axes=[1], scan_input_directions=[1], scan_output_axes=[1], scan_output_directions=[1],
      body = b (float state, float[2] e) => (float next, float[2] out) { m = ReduceSum<keepdims=0>(e) next = Add(state, m) out = Mul(e, next) }>(s0, x)
  })";
  const at::Tensor x = at::arange(1, 7, at::kFloat).reshape({2, 3});
  const Tensors out = run_once(text, {at::scalar_tensor(0.0f), x});
  // Columns from last to first; results written from last to first too.
  float state = 0;
  at::Tensor expected = at::zeros({2, 3});
  for (int64_t t = 2; t >= 0; --t) {
    state += x[0][t].item<float>() + x[1][t].item<float>();
    expected.select(1, t).copy_(x.select(1, t) * state);
  }
  EXPECT_EQ(out[0].item<float>(), state);
  EXPECT_TENSOR(out[1], expected);
}

TEST(Scan, AStateKeepsItsShape) {
  const std::string text = R"(g (float[S] s0, float[T,2] x) => (float[R] s, float[T,2] y) {
    s, y = Scan<num_scan_inputs=1, body = b (float[A] state, float[2] e) => (float[B] next, float[2] out) { next = Add(state, e) out = Neg(e) }>(s0, x)
  })";
  EXPECT_TENSOR(run_once(text, {floats({0, 1}), floats({1, 2}).reshape({1, 2})})[0], floats({1, 3}));
  const Error error = thrown([&] { run_once(text, {floats({1}), floats({1, 2}).reshape({1, 2})}); });
  EXPECT_EQ(error.kind(), ErrorKind::Model);
  EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("(Scan)"), HasSubstr("got [2] after [1]")));
}

TEST(ControlFlow, ReadsQuantizedValuesOfItsScope) {
  auto graph = model(R"(g (bool go, float[2] x) => (float[2] y) {
    a = Neg(x)
    y = If (go) <then_branch = t () => (float[2] p) { p = Abs(a) }, else_branch = e () => (float[2] q) { q = Identity(a) }>
  })");
  auto quant = std::make_shared<TensorQuant>();
  quant->params = {at::full({}, 0.5f), at::full({}, 128.0f)};
  quant->state = QuantState::Active;
  graph->nodes()[0]->output_quant = {quant};
  LowerOptions options;
  options.mode = ExecutionMode::Simulated;
  EXPECT_TENSOR(test::run_on_test_device(*lower(*graph, test::on_test_device(options)), {flag(true), floats({0.8f, 1.3f})})[0],
                floats({1.0f, 1.5f}));
}

TEST(ControlFlow, ABranchThatIsMissingIsAModelError) {
  auto graph = model(R"(g (bool go, float[2] x) => (float[2] y) {
    y = If (go) <then_branch = t () => (float[2] p) { p = Abs(x) }, else_branch = e () => (float[2] q) { q = Neg(x) }>
  })");
  graph->nodes()[0]->attributes.erase("else_branch");
  const Error error = thrown([&] { lower(*graph, test::on_test_device()); });
  EXPECT_EQ(error.kind(), ErrorKind::Model);
  EXPECT_THAT(error.what(), HasSubstr("else_branch is missing"));
}

}  // namespace
}  // namespace ppq
