#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "executor/program.h"
#include "ppq/onnx.h"
#include "support/device.h"
#include "support/op_run.h"
#include "support/thrown.h"

namespace ppq {
namespace {

using test::floats;
using test::thrown;
using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<Graph> model(const std::string& signature, const std::string& body) {
  return read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g " + signature + " {" + body + "}");
}

TensorQuantPtr quant_of(float scale, float offset, QuantState state = QuantState::Active) {
  auto quant = std::make_shared<TensorQuant>();
  quant->params.scale = at::full({}, scale);
  quant->params.offset = at::full({}, offset);
  quant->state = state;
  return quant;
}

/// The formula in plain float arithmetic: clamp(round(x / scale) + offset, 0, 255), back to real values.
at::Tensor rounded(const at::Tensor& x, float scale, float offset) {
  at::Tensor out = x.clone();
  float* data = out.data_ptr<float>();
  for (int64_t i = 0; i < out.numel(); ++i) {
    const float q = std::clamp(std::nearbyint(data[i] / scale) + offset, 0.0f, 255.0f);
    data[i] = (q - offset) * scale;
  }
  return out;
}

LowerOptions simulated(std::vector<const Value*> watch = {}, bool watch_quantized = false) {
  LowerOptions options;
  options.mode = ExecutionMode::Simulated;
  options.watch = std::move(watch);
  options.watch_quantized = watch_quantized;
  return options;
}

TEST(Lower, ASlotDiesAtItsLastReader) {
  auto graph = model("(float[4] x) => (float[4] y)", "a = Relu(x) b = Neg(a) c = Abs(b) d = Add(a, c) y = Neg(d)");
  auto program = lower(*graph, test::on_test_device());
  ASSERT_EQ(program->steps.size(), 5u);
  auto slot_of = [&](size_t step) { return program->steps[step].outputs[0]; };
  EXPECT_THAT(program->steps[0].dies, ElementsAre(program->inputs[0].slot));
  EXPECT_THAT(program->steps[1].dies, ElementsAre()) << "a is read again by d";
  EXPECT_THAT(program->steps[2].dies, ElementsAre(slot_of(1)));
  EXPECT_THAT(program->steps[3].dies, testing::UnorderedElementsAre(slot_of(0), slot_of(2)));
  EXPECT_THAT(program->steps[4].dies, ElementsAre(slot_of(3))) << "the graph output lives on";
}

TEST(Lower, ConstantsSurviveRuns) {
  auto graph =
      read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g (float[2] x) => (float[2] y) <float[2] k = {1, 2}> { y = Add(x, k) }");
  auto program = lower(*graph, test::on_test_device());
  for (int i = 0; i < 2; ++i) EXPECT_TENSOR(test::run_on_test_device(*program, {floats({1, 1})})[0], floats({2, 3}));
}

TEST(Lower, KeepsNoPointerIntoTheGraph) {
  auto graph = model("(float[2] x) => (float[2] y)", "a = Relu(x) y = Neg(a)");
  auto program = lower(*graph, test::on_test_device());
  graph.reset();
  EXPECT_TENSOR(test::run_on_test_device(*program, {floats({1, -1})})[0], floats({-1, 0}));
}

TEST(Lower, OnlyWhatIsAskedForIsComputed) {
  auto graph = model("(float[2] x) => (float[2] y, float[2] z)", "a = Relu(x) y = Neg(a) b = Abs(x) z = Neg(b)");
  LowerOptions options;
  options.outputs = {graph->find_value("b"), graph->find_value("x")};
  auto program = lower(*graph, test::on_test_device(options));
  EXPECT_EQ(program->steps.size(), 1u);
  const Tensors results = test::run_on_test_device(*program, {floats({1, -2})});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_TENSOR(results[0], floats({1, 2}));
  EXPECT_TENSOR(results[1], floats({1, -2}));
}

TEST(Lower, OutputsThatAreInputsOrConstantsPassThrough) {
  auto graph = read_onnx_text(
      "<ir_version: 8, opset_import: [\"\" : 17]> g (float[2] x) => (float[2] y, float[2] x, float[2] k) <float[2] k = {5, 6}> { y = "
      "Neg(x) }",
      {.infer_shapes = false, .check = false});
  const Tensors results = test::run_on_test_device(*lower(*graph, test::on_test_device()), {floats({1, 2})});
  EXPECT_TENSOR(results.at(1), floats({1, 2}));
  EXPECT_TENSOR(results.at(2), floats({5, 6}));
}

TEST(Watch, ReportsEachValueOnceInOrderOfExecution) {
  auto graph = model("(float[2] x) => (float[2] y)", "a = Relu(x) b = Neg(a) y = Abs(b)");
  LowerOptions options;
  for (const char* name : {"y", "a", "x", "b"}) options.watch.push_back(graph->find_value(name));
  std::vector<size_t> order;
  std::map<size_t, at::Tensor> seen;
  test::run_on_test_device(*lower(*graph, test::on_test_device(options)), {floats({2, -3})}, [&](size_t index, const at::Tensor& value) {
    order.push_back(index);
    seen[index] = value.clone();
  });
  EXPECT_THAT(order, ElementsAre(2, 1, 3, 0)) << "x, a, b, y";
  EXPECT_TENSOR(seen[2], floats({2, -3}));
  EXPECT_TENSOR(seen[1], floats({2, 0}));
  EXPECT_TENSOR(seen[3], floats({-2, 0}));
  EXPECT_TENSOR(seen[0], floats({2, 0}));
}

TEST(Watch, ReachesBranchesThatNoOutputNeedsAndConstants) {
  auto graph = read_onnx_text(
      "<ir_version: 8, opset_import: [\"\" : 17]> g (float[2] x) => (float[2] y) <float[2] k = {5, 6}> { y = Neg(x) side = Add(x, k) }");
  LowerOptions options;
  options.watch = {graph->find_value("side"), graph->find_value("k")};
  std::map<size_t, at::Tensor> seen;
  test::run_on_test_device(*lower(*graph, test::on_test_device(options)), {floats({1, 1})},
                           [&](size_t index, const at::Tensor& value) { seen[index] = value.clone(); });
  EXPECT_TENSOR(seen.at(0), floats({6, 7}));
  EXPECT_TENSOR(seen.at(1), floats({5, 6}));
}

/// x -> Neg -> a -> Abs -> y with a quantized at its producer.
struct Simulated {
  std::unique_ptr<Graph> graph = model("(float[4] x) => (float[4] y)", "a = Neg(x) y = Abs(a)");
  Node *neg = graph->nodes()[0], *abs = graph->nodes()[1];
  at::Tensor x = floats({0.3f, -0.26f, 100, -100});
  at::Tensor out(const LowerOptions& options) { return test::run_on_test_device(*lower(*graph, test::on_test_device(options)), {x})[0]; }
};

TEST(FakeQuantization, RoundsOutputsAtTheirProducer) {
  Simulated s;
  s.neg->output_quant = {quant_of(0.1f, 100)};
  s.abs->input_quant = {s.neg->quant_of_output()};
  EXPECT_TENSOR(s.out(simulated()), at::abs(rounded(-s.x, 0.1f, 100)));
  EXPECT_TENSOR(s.out({}), at::abs(s.x)) << "float mode ignores it";
}

TEST(FakeQuantization, ReadersWithTheirOwnRoundAgain) {
  Simulated s;
  s.neg->output_quant = {quant_of(0.1f, 100)};
  s.abs->input_quant = {quant_of(0.5f, 128)};
  EXPECT_TENSOR(s.out(simulated()), at::abs(rounded(rounded(-s.x, 0.1f, 100), 0.5f, 128)));
  s.neg->output_quant = {nullptr};
  EXPECT_TENSOR(s.out(simulated()), at::abs(rounded(-s.x, 0.5f, 128)));
}

TEST(FakeQuantization, OnlyStatesThatSimulateRound) {
  Simulated s;
  s.neg->output_quant = {quant_of(0.1f, 100)};
  for (QuantState state : {QuantState::Initial, QuantState::Baked, QuantState::PassiveBaked}) {
    s.neg->quant_of_output()->state = state;
    EXPECT_TENSOR(s.out(simulated()), at::abs(s.x));
  }
  s.neg->quant_of_output()->state = QuantState::Passive;
  EXPECT_TENSOR(s.out(simulated()), at::abs(rounded(-s.x, 0.1f, 100)));
}

TEST(FakeQuantization, WatchersSeeBothSides) {
  Simulated s;
  s.neg->output_quant = {quant_of(0.1f, 100)};
  for (bool after : {false, true}) {
    at::Tensor seen;
    test::run_on_test_device(*lower(*s.graph, test::on_test_device(simulated({s.graph->find_value("a")}, after))), {s.x},
                             [&](size_t, const at::Tensor& value) { seen = value.clone(); });
    EXPECT_TENSOR(seen, after ? rounded(-s.x, 0.1f, 100) : -s.x);
  }
}

TEST(FakeQuantization, GraphInputsAndOutputs) {
  Simulated s;
  s.neg->input_quant = {quant_of(0.2f, 128)};
  s.abs->output_quant = {quant_of(0.3f, 0)};
  EXPECT_TENSOR(s.out(simulated()), rounded(at::abs(-rounded(s.x, 0.2f, 128)), 0.3f, 0));
}

TEST(FakeQuantization, FusedInteriorIsNotRounded) {
  auto graph = model("(float[4] x) => (float[4] y)", "a = Neg(x) y = Relu(a)");
  const auto quant = quant_of(0.1f, 0);
  graph->nodes()[0]->output_quant = {quant};
  graph->nodes()[1]->input_quant = {quant};
  graph->nodes()[1]->output_quant = {quant};
  const at::Tensor x = floats({0.26f, -0.26f, 30, -30});
  at::Tensor inner;
  const at::Tensor out = test::run_on_test_device(*lower(*graph, test::on_test_device(simulated({graph->find_value("a")}, true))), {x},
                                                  [&](size_t, const at::Tensor& v) { inner = v.clone(); })[0];
  EXPECT_TENSOR(inner, -x);
  EXPECT_TENSOR(out, rounded(at::relu(-x), 0.1f, 0));
}

TEST(FakeQuantization, AFusedActivationReadsUnroundedNumbers) {
  auto graph = model("(float[4] x) => (float[4] y)", "a = Neg(x) y = LeakyRelu<alpha = 0.5>(a)");
  const auto quant = quant_of(0.1f, 100);
  graph->nodes()[0]->output_quant = {quant};
  graph->nodes()[1]->input_quant = {quant};
  graph->nodes()[1]->output_quant = {quant};
  const at::Tensor x = floats({0.27f, 0.48f, -0.26f, 1.13f});  // -0.27 / 2 rounds to -0.1; rounded before, -0.3 / 2 would give -0.2
  EXPECT_TENSOR(test::run_on_test_device(*lower(*graph, test::on_test_device(simulated())), {x})[0],
                rounded(at::leaky_relu(-x, 0.5), 0.1f, 100));
}

TEST(FakeQuantization, ParametersRoundOnceEachReader) {
  auto graph = read_onnx_text(
      "<ir_version: 8, opset_import: [\"\" : 17]> g (float[2] x) => (float[2] y, float[2] z) <float[2] k = {0.26, 1.0}> { y = Add(x, k) z "
      "= Mul(x, k) }");
  Node* add = graph->nodes()[0];
  add->input_quant = {nullptr, quant_of(0.1f, 0)};
  const at::Tensor x = floats({1, 1});
  Tensors out = test::run_on_test_device(*lower(*graph, test::on_test_device(simulated())), {x});
  EXPECT_TENSOR(out[0], x + rounded(floats({0.26f, 1}), 0.1f, 0));
  EXPECT_TENSOR(out[1], floats({0.26f, 1})) << "the other reader is float";
  LowerOptions parameters;
  parameters.quantize_parameters = true;
  add->input_quant[0] = quant_of(3, 0), add->output_quant = {quant_of(3, 0)};
  EXPECT_TENSOR(test::run_on_test_device(*lower(*graph, test::on_test_device(parameters)), {x})[0],
                x + rounded(floats({0.26f, 1}), 0.1f, 0))
      << "activations stay float";
  EXPECT_TENSOR(graph->find_value("k")->constant(), floats({0.26f, 1})) << "stored numbers stay";
}

/// A small network by hand: y = Relu(x·W + b) + k, every slot rounded where the target rounds it, in plain loops.
TEST(FakeQuantization, AWholeNetworkByHand) {
  auto graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]> g (float[2,3] x) => (float[2,2] y)
    <float[3,2] W = {0.31, -0.52, 0.77, 0.18, -0.93, 0.46}, float[2] b = {0.11, -0.27}, float[2] k = {0.4, -0.6}>
    { m = Gemm(x, W, b) r = Relu(m) y = Add(r, k) })");
  Node *gemm = graph->nodes()[0], *relu = graph->nodes()[1], *add = graph->nodes()[2];
  const auto in = quant_of(0.02f, 120), fused = quant_of(0.015f, 0), operand = quant_of(0.008f, 100), out = quant_of(0.021f, 90);
  auto weight = quant_of(0, 0), bias = quant_of(0, 0, QuantState::Passive);
  weight->scheme = {.bits = 8, .quant_min = -128, .quant_max = 127, .symmetric = true, .granularity = Granularity::PerChannel, .axis = 1};
  weight->params = {floats({0.0075f, 0.004f}), floats({0, 0})};
  bias->scheme = {
      .bits = 32, .quant_min = -2147483648.0, .quant_max = 2147483647.0, .symmetric = true, .granularity = Granularity::PerChannel};
  bias->params = {floats({0.02f * 0.0075f, 0.02f * 0.004f}), floats({0, 0})};
  gemm->input_quant = {in, weight, bias}, gemm->output_quant = {fused};
  relu->input_quant = {fused}, relu->output_quant = {fused};
  add->input_quant = {fused, operand}, add->output_quant = {out};

  auto round_to = [](float v, float scale, float offset, float low, float high) {
    return (std::clamp(std::nearbyint(v / scale) + offset, low, high) - offset) * scale;
  };
  const float W[3][2] = {{0.31f, -0.52f}, {0.77f, 0.18f}, {-0.93f, 0.46f}}, b[2] = {0.11f, -0.27f}, k[2] = {0.4f, -0.6f};
  const float sw[2] = {0.0075f, 0.004f};
  const at::Tensor x = floats({0.313f, -1.27f, 2.9f, -0.045f, 0.771f, -2.38f}).reshape({2, 3});
  at::Tensor expected = at::empty({2, 2});
  for (int i = 0; i < 2; ++i)
    for (int c = 0; c < 2; ++c) {
      float sum = round_to(b[c], 0.02f * sw[c], 0, -2147483648.0f, 2147483648.0f);
      for (int j = 0; j < 3; ++j) sum += round_to(x[i][j].item<float>(), 0.02f, 120, 0, 255) * round_to(W[j][c], sw[c], 0, -128, 127);
      const float r = round_to(std::max(sum, 0.0f), 0.015f, 0, 0, 255);
      expected[i][c] = round_to(r + round_to(k[c], 0.008f, 100, 0, 255), 0.021f, 90, 0, 255);
    }
  EXPECT_TENSOR_NEAR(test::run_on_test_device(*lower(*graph, test::on_test_device(simulated())), {x})[0], expected, 1e-6);
}

TEST(Lower, BadAttributesNameTheNode) {
  auto graph = model("(float[2] x) => (float[2] y)", "[soft] y = Softmax<axis=7>(x)");
  const Error error = thrown([&] { test::run_on_test_device(*lower(*graph, test::on_test_device()), {floats({1, 2})}); });
  EXPECT_EQ(error.kind(), ErrorKind::Model);
  EXPECT_THAT(error.where(), HasSubstr("Softmax"));
}

}  // namespace
}  // namespace ppq
