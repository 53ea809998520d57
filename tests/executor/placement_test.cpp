// What a program for a device computes on the host and copies over, tried with the CPU as that device.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "executor/program.h"
#include "ppq/onnx.h"
#include "support/device.h"
#include "support/op_run.h"

namespace ppq {
namespace {

using test::floats;
using test::ints;

std::unique_ptr<Graph> model(const std::string& signature, const std::string& body) {
  return read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g " + signature + " {" + body + "}", {.infer_shapes = false});
}

TensorQuantPtr quant_of(float scale) {
  auto quant = std::make_shared<TensorQuant>();
  quant->params = {at::full({}, scale), at::full({}, 0.0f)};
  quant->state = QuantState::Active;
  return quant;
}

LowerOptions simulated() {
  LowerOptions options;
  options.mode = ExecutionMode::Simulated;
  return options;
}

size_t steps_that(const Program& program, const std::string& what) {
  return static_cast<size_t>(std::count_if(program.steps.begin(), program.steps.end(),
                                           [&](const Step& step) { return step.where.find(what) != std::string::npos; }));
}

constexpr const char* kCopy = "(copy to device)";

/// y = x + 0.26 everywhere; the host makes the second operand from the first one's shape.
struct Filled {
  std::unique_ptr<Graph> graph =
      model("(float[N] x) => (float[N] y, float[N] z)",
            "s = Shape(x) c = ConstantOfShape<value = float[1] {0.26}>(s) [add] y = Add(x, c) [mul] z = Mul(x, c)");
  at::Tensor x = floats({1, 2, -3});
  Tensors out(bool apart) const {
    const LowerOptions options = test::on_test_device(simulated());
    return test::run_on_test_device(apart ? *lower_with_host_apart(*graph, options) : *lower(*graph, options), {x});
  }
};

TEST(Placement, WhatTheHostComputedIsQuantizedAtAnInput) {
  Filled f;
  f.graph->find_node("add")->input_quant = {nullptr, quant_of(0.1f)};
  const at::Tensor rounded = f.x + 3 * 0.1f, plain = f.x * 0.26f;
  for (const bool apart : {false, true}) {
    EXPECT_TENSOR(f.out(apart)[0], rounded) << apart;
    EXPECT_TENSOR(f.out(apart)[1], plain) << apart << ": the other reader is float";
  }
  const auto program = lower_with_host_apart(*f.graph, test::on_test_device(simulated()));
  EXPECT_EQ(steps_that(*program, kCopy), 1u) << "both readers take one copy";
  EXPECT_EQ(steps_that(*program, "(fake quantization)"), 1u);
}

TEST(Placement, WhatTheHostComputedIsQuantizedAtItsProducer) {
  Filled f;
  const auto quant = quant_of(0.2f);
  for (Node* node : f.graph->nodes())
    if (node->op_type == "ConstantOfShape") node->output_quant = {quant};
  f.graph->find_node("add")->input_quant = {nullptr, quant};
  f.graph->find_node("mul")->input_quant = {nullptr, quant_of(0.5f)};
  for (const bool apart : {false, true}) {
    EXPECT_TENSOR(f.out(apart)[0], f.x + 0.2f) << apart;
    EXPECT_TENSOR(f.out(apart)[1], f.x * 0.0f) << apart << ": 0.2 rounds to 0 by steps of 0.5";
  }
}

TEST(Placement, TheSameQuantizationIsMadeOnceForAllReaders) {
  Filled f;
  const auto quant = quant_of(0.1f);
  f.graph->find_node("add")->input_quant = {nullptr, quant};
  f.graph->find_node("mul")->input_quant = {nullptr, quant};
  EXPECT_TENSOR(f.out(true)[1], f.x * (3 * 0.1f));
  EXPECT_EQ(steps_that(*lower_with_host_apart(*f.graph, test::on_test_device(simulated())), "(fake quantization)"), 1u);
}

TEST(Placement, ArithmeticOfShapesStaysOnTheHost) {
  auto graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]> g (float[N,2,3] x) => (float[N,6] y)
    <int64[1] first = {0}, int64[1] second = {1}, int64[1] three = {3}> {
    s = Shape(x) n = Gather(s, first) k = Gather(s, second) m = Mul(k, three) t = Concat<axis = 0>(n, m) r = Reshape(x, t) y = Neg(r) })");
  const auto program = lower_with_host_apart(*graph, test::on_test_device());
  EXPECT_EQ(steps_that(*program, kCopy), 0u);
  const at::Tensor x = test::iota({4, 2, 3});
  EXPECT_TENSOR(test::run_on_test_device(*program, {x})[0], -x.reshape({4, 6}));
}

TEST(Placement, ASubgraphAndAnOutputMayReadWhatTheHostComputed) {
  auto graph = model("(bool go, float[N,2] x) => (int64[2] s, float[M] y)", R"(
    s = Shape(x) d = Cast<to = 1>(s)
    y = If (go) <then_branch = t () => (float[A] p) { p = Neg(d) }, else_branch = e () => (float[B] q) { q = Mul(d, d) }>)");
  const auto program = lower_with_host_apart(*graph, test::on_test_device());
  for (const bool go : {true, false}) {
    const Tensors out = test::run_on_test_device(*program, {at::scalar_tensor(go, at::kBool), test::iota({5, 2})});
    EXPECT_TENSOR(out[0], ints({5, 2}));
    EXPECT_TENSOR(out[1], go ? floats({-5, -2}) : floats({25, 4}));
  }
}

}  // namespace
}  // namespace ppq
