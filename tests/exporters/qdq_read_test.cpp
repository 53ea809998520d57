// Networks with QuantizeLinear and DequantizeLinear read back: the float network with what they say on its slots, which simulates what the
// file computes, to the bit.
#include "exporters/qdq_read.h"

#include "executor/fused.h"
#include "exporters/twelve_ops.h"
#include "support/python.h"

namespace ppq::test {
namespace {

using testing::ElementsAreArray;
using testing::IsSupersetOf;

Tensors simulated(const Graph& graph, const Tensors& inputs) {
  LowerOptions options;
  options.mode = ExecutionMode::Simulated;
  return run_on_test_device(*lower(graph, on_test_device(options)), inputs);
}

/// What the file computes, node by node, is what the network without its pairs simulates.
PairsRead expect_same(const Graph& file, Graph& read, const std::vector<Tensors>& samples) {
  const PairsRead result = take_out_pairs(read);
  check_onnx(read);
  for (const Tensors& inputs : samples) {
    const Tensors theirs = run_on_test_device(*lower(file, on_test_device()), inputs), ours = simulated(read, inputs);
    EXPECT_EQ(theirs.size(), ours.size());
    for (size_t i = 0; i < theirs.size(); ++i) EXPECT_TENSOR(ours[i], theirs[i]);
  }
  return result;
}

std::unique_ptr<Graph> model(const std::string& signature, const std::string& body, int opset = 17) {
  return read_onnx_text("<ir_version: 8, opset_import: [\"\" : " + std::to_string(opset) + "]> g " + signature + " {" + body + "}");
}

std::vector<std::string> value_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const Value* value : graph.values()) names.push_back(value->name());
  std::sort(names.begin(), names.end());
  return names;
}

const char* const kNumbers = "float s = {0.5}, float t = {0.25}, uint8 z = {128}, int8 n = {3}";

TEST(QdqRead, APairBehindANodeIsItsOutputs) {
  const auto body = "[n] a = Neg(x) q = QuantizeLinear(a, s, z) d = DequantizeLinear(q, s, z) [m] y = Abs(d)";
  const auto file = model("(float[N,4] x) => (float[N,4] y) <" + std::string(kNumbers) + ">", body), read = file->clone();
  const PairsRead result = expect_same(*file, *read, {{floats({0.3f, -0.7f, 90, -100}).reshape({1, 4})}});
  EXPECT_EQ(result.applied, 1u);
  EXPECT_THAT(result.left, IsEmpty());
  EXPECT_THAT(types_of(*read), ElementsAre("Neg", "Abs"));
  EXPECT_THAT(value_names(*read), IsSupersetOf({"a", "x", "y"}));
  for (const char* gone : {"s", "z", "q", "d"}) EXPECT_EQ(read->find_value(gone), nullptr) << gone;
  const TensorQuantPtr quant = read->find_node("n")->quant_of_output();
  ASSERT_NE(quant, nullptr);
  EXPECT_EQ(scale_of(quant), 0.5);
  EXPECT_EQ(offset_of(quant), 128);
  EXPECT_EQ(quant->scheme.quant_max, 255);
  EXPECT_EQ(read->find_node("m")->quant_of_input(0), quant) << "rounded once";
  EXPECT_TRUE(read->find_node("n")->quantized);
}

/// Other readers see the tensor as it is; so does the graph's output.
TEST(QdqRead, APairInFrontOfAReaderIsThatReaders) {
  const auto file = model("(float[N,4] x) => (float[N,4] y, float[N,4] w, float[N,4] a) <" + std::string(kNumbers) + ">",
                          "[n] a = Neg(x) q = QuantizeLinear(a, s, z) d = DequantizeLinear(q, s, z) [m] y = Abs(d) [k] w = Abs(a)"),
             read = file->clone();
  expect_same(*file, *read, {{floats({0.3f, -0.7f, 90, -100}).reshape({1, 4})}});
  EXPECT_EQ(read->find_node("n")->quant_of_output(), nullptr);
  EXPECT_NE(read->find_node("m")->quant_of_input(0), nullptr);
  EXPECT_EQ(read->find_node("k")->quant_of_input(0), nullptr);
}

TEST(QdqRead, TwoReadersWithNumbersOfTheirOwn) {
  const auto file = model("(float[N,4] x) => (float[N,4] y, float[N,4] w) <" + std::string(kNumbers) + ">",
                          "[n] a = Neg(x) q = QuantizeLinear(a, s, z) d = DequantizeLinear(q, s, z) [m] y = Abs(d) "
                          "p = QuantizeLinear(a, t, n) e = DequantizeLinear(p, t, n) [k] w = Abs(e)"),
             read = file->clone();
  EXPECT_EQ(expect_same(*file, *read, {{floats({0.3f, -0.7f, 90, -100}).reshape({1, 4})}}).applied, 2u);
  EXPECT_EQ(scale_of(read->find_node("m")->quant_of_input(0)), 0.5);
  const TensorQuantPtr other = read->find_node("k")->quant_of_input(0);
  EXPECT_EQ(scale_of(other), 0.25);
  EXPECT_EQ(other->scheme.quant_min, -128);
  EXPECT_FALSE(other->scheme.symmetric) << "zero point 3";
}

/// The same pair twice, as tools write one for each reader: rounded where it is made.
TEST(QdqRead, TwoReadersThatAgreeRoundTheOutput) {
  const auto file = model("(float[N,4] x) => (float[N,4] y, float[N,4] w) <" + std::string(kNumbers) + ">",
                          "[n] a = Neg(x) q = QuantizeLinear(a, s, z) d = DequantizeLinear(q, s, z) [m] y = Abs(d) "
                          "p = QuantizeLinear(a, s, z) e = DequantizeLinear(p, s, z) [k] w = Abs(e)"),
             read = file->clone();
  expect_same(*file, *read, {{floats({0.3f, -0.7f, 90, -100}).reshape({1, 4})}});
  const TensorQuantPtr quant = read->find_node("n")->quant_of_output();
  ASSERT_NE(quant, nullptr);
  EXPECT_EQ(read->find_node("m")->quant_of_input(0), quant);
  EXPECT_EQ(read->find_node("k")->quant_of_input(0), quant);
}

/// A graph output keeps its name, and so does what a sub-graph reads; names made up for what stood before the pair go.
TEST(QdqRead, NamesOfTheFloatNetworkStay) {
  const auto file =
                 model("(float[N,4] x, bool go) => (float[N,4] y, float[N,4] v) <" + std::string(kNumbers) + ">",
                       "[n] a_raw = Neg(x) q = QuantizeLinear(a_raw, s, z) a = DequantizeLinear(q, s, z) "
                       "[m] y_QuantizeLinear_Input = Abs(a) p = QuantizeLinear(y_QuantizeLinear_Input, t, z) y = DequantizeLinear(p, t, z) "
                       "[i] v = If (go) <then_branch = t () => (float[N,4] u) { u = Abs(a) }, else_branch = e () => (float[N,4] w) { w = "
                       "Neg(a) }>"),
             read = file->clone();
  const Tensors inputs = {floats({0.3f, -0.7f, 30, -100}).reshape({1, 4}), at::scalar_tensor(true, at::kBool)};
  expect_same(*file, *read, {inputs});
  EXPECT_THAT(types_of(*read), ElementsAre("Neg", "Abs", "If"));
  EXPECT_EQ(read->find_node("n")->output()->name(), "a");
  EXPECT_EQ(read->find_node("m")->output()->name(), "y");
}

TEST(QdqRead, StoredIntegersBecomeTheFloatsThatTheyStandFor) {
  const auto file = model(
                 "(float[N,2] x) => (float[N,3] y) <float s = {0.5}, uint8 z = {128}, int8[2,3] w_quantized = {1, -2, 3, -128, 127, 0}, "
                 "float[3] ws = {0.5, 0.25, 2}, int8[3] wz = {0, 0, 0}, int32[3] b_quantized = {100000, -7, 3}, float[3] bs = {0.25, "
                 "0.125, 1}>",
                 "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) w_DequantizeLinear_Output = DequantizeLinear<axis = "
                 "1>(w_quantized, ws, wz) bd = DequantizeLinear<axis = 0>(b_quantized, bs) [fc] y = Gemm(d, "
                 "w_DequantizeLinear_Output, bd)"),
             read = file->clone();
  EXPECT_EQ(expect_same(*file, *read, {{floats({0.3f, -0.7f}).reshape({1, 2})}}).applied, 3u);
  EXPECT_TENSOR(read->find_value("w")->constant(), floats({0.5f, -0.5f, 6, -64, 31.75f, 0}).reshape({2, 3}));
  EXPECT_TENSOR(read->find_value("b")->constant(), floats({25000, -0.875f, 3}));
  const TensorQuantPtr weight = read->find_node("fc")->quant_of_input(1), bias = read->find_node("fc")->quant_of_input(2);
  EXPECT_EQ(weight->scheme.granularity, Granularity::PerChannel);
  EXPECT_EQ(weight->scheme.axis, 1);
  EXPECT_TRUE(weight->scheme.symmetric);
  EXPECT_EQ(weight->state, QuantState::Baked);
  EXPECT_EQ(bias->state, QuantState::PassiveBaked);
  EXPECT_EQ(bias->scheme.bits, 32);
  EXPECT_FALSE(bias->exported);
}

/// As TensorRT and PyTorch have them: floats with both nodes, scales from Constant nodes.
TEST(QdqRead, FloatParametersWithBothNodes) {
  const auto file = model("(float[N,2] x) => (float[N,3] y) <float[2,3] w = {1, -2, 3, -8, 7, 0.4}>",
                          "s = Constant<value = float {0.5}>() z = Constant<value = int8 {0}>() q = QuantizeLinear(w, s, z) d = "
                          "DequantizeLinear(q, s, z) [fc] y = MatMul(x, d)"),
             read = file->clone();
  EXPECT_EQ(expect_same(*file, *read, {{floats({0.3f, -0.7f}).reshape({1, 2})}}).applied, 1u);
  EXPECT_THAT(types_of(*read), ElementsAre("MatMul")) << "the Constant nodes go with what read them";
  EXPECT_EQ(read->find_node("fc")->input(1)->name(), "w");
  EXPECT_EQ(read->find_node("fc")->quant_of_input(1)->state, QuantState::Active);
}

/// A pair says nothing of a tensor where its scale is computed, others read the integers, both nodes differ, or the model's output is
/// read unrounded too.
TEST(QdqRead, WhatIsNoPairStays) {
  const auto stays = [](const std::string& signature, const std::string& body, size_t nodes) {
    const auto file = model(signature, body, 21), read = file->clone();
    const Tensors inputs = {floats({0.3f, -0.7f, 30, -100}).reshape({1, 4})};
    const PairsRead result = expect_same(*file, *read, {inputs});
    EXPECT_EQ(result.applied, 0u) << body;
    EXPECT_EQ(result.left.size(), nodes) << body;
    EXPECT_EQ(read->node_count(), file->node_count()) << body;
  };
  const std::string numbers = " <" + std::string(kNumbers) + ">";
  stays("(float[N,4] x) => (float[N,4] y)" + numbers,
        "m = ReduceMax<keepdims = 0>(x) q = QuantizeLinear(x, m, z) y = DequantizeLinear(q, m, z)", 2);
  stays("(float[N,4] x) => (float[N,4] y, int32[N,4] i)" + numbers,
        "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z) i = Cast<to = 6>(q)", 2);
  stays("(float[N,4] x) => (float[N,4] y)" + numbers, "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, t, z)", 2);
  stays("(float[N,4] x) => (float[N,4] y)" + numbers, "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)", 2);
  stays("(float[N,4] x) => (float[N,4] y, float[N,4] a)" + numbers, "a = Neg(x) q = QuantizeLinear(a, s, z) y = DequantizeLinear(q, s, z)",
        2);
  stays("(float[N,4] x) => (float[N,4] y) <float[1,2] b = {0.5, 0.25}>",
        "q = QuantizeLinear<axis = 1, block_size = 2>(x, b) y = DequantizeLinear<axis = 1, block_size = 2>(q, b)", 2);
}

/// A second rounding by other numbers is a reader's.
TEST(QdqRead, PairsBehindPairs) {
  const auto file = model("(float[N,4] x) => (float[N,4] y) <" + std::string(kNumbers) + ">",
                          "[n] a = Neg(x) q = QuantizeLinear(a, t, z) d = DequantizeLinear(q, t, z) p = QuantizeLinear(d, s, z) e = "
                          "DequantizeLinear(p, s, z) [m] y = Abs(e)"),
             read = file->clone();
  EXPECT_EQ(expect_same(*file, *read, {{floats({0.3f, -0.7f, 30, -100}).reshape({1, 4})}}).applied, 2u);
  EXPECT_EQ(scale_of(read->find_node("n")->quant_of_output()), 0.25);
  EXPECT_EQ(scale_of(read->find_node("m")->quant_of_input(0)), 0.5);
}

/// What moves elements, and a Relu, has one quantization on both sides, wherever the file rounds.
TEST(QdqRead, BothSidesOfMovedDataAgree) {
  const auto file = model("(float[1,4] x) => (float[4] y, float[4,1] v) <" + std::string(kNumbers) + ", int64[1] m = {-1}>",
                          "[n] a = Neg(x) [r] b = Relu(a) [f] c = Reshape(b, m) q = QuantizeLinear(c, s, z) d = DequantizeLinear(q, s, z) "
                          "[k] e = Abs(d) p = QuantizeLinear(e, t, z) g = DequantizeLinear(p, t, z) [t] y = Identity(g) [u] v = "
                          "Unsqueeze(g, m)"),
             read = file->clone();
  expect_same(*file, *read, {{floats({0.3f, -0.7f, 30, -100}).reshape({1, 4})}});
  const TensorQuantPtr first = read->find_node("n")->quant_of_output(), second = read->find_node("k")->quant_of_output();
  ASSERT_NE(first, nullptr);
  for (const auto& [node, output] : {std::pair("r", false), {"r", true}, {"f", false}, {"f", true}})
    EXPECT_EQ(output ? read->find_node(node)->quant_of_output() : read->find_node(node)->quant_of_input(0), first) << node << output;
  EXPECT_EQ(read->find_node("u")->quant_of_output(), second);
}

/// Every target's file, read back: the tensors have the names and numbers that they had before it was written.
TEST(QdqRead, OurOwnFilesOfEveryPlatform) {
  for (const PlatformSpec& platform : platform_table()) {
    if (platform.scheme(SlotRole::Data).rounding != Rounding::HalfEven || platform.scheme(SlotRole::Bias).bits > 32) continue;
    for (const char* pairs : {"needed", "all"}) {
      SCOPED_TRACE(platform.name + " " + pairs);
      const QuantizedGraph q(platform);
      const Exported out("onnx-qdq", q, {{"qdq-pairs", pairs}});
      const auto read = read_onnx(out.path("quantized_qdq.onnx"));
      const PairsRead result = take_out_pairs(*read);
      EXPECT_THAT(result.left, IsEmpty());
      EXPECT_THAT(types_of(*read), ElementsAreArray(types_of(*q.graph)));
      for (const at::Tensor& sample : q.samples) EXPECT_TENSOR(simulated(*read, {sample})[0], q.simulate(sample)[0]);
      const Pinned pinned(*q.graph);
      for (const Node* node : q.graph->nodes()) {
        const Node* same = read->find_node(node->name);
        ASSERT_NE(same, nullptr) << node->name;
        EXPECT_EQ(same->output()->name(), node->output()->name());
        const TensorQuantPtr ours = node->quant_of_output(), theirs = same->quant_of_output();
        if (!ours || !ours->simulated()) continue;
        // In front of a Sigmoid nothing is rounded, and no file says that it is.
        if (is_fused_interior(*node->output(), pinned) && node->output()->uses()[0].node->is("Sigmoid")) continue;
        ASSERT_NE(theirs, nullptr) << node->name;
        EXPECT_TENSOR(theirs->params.scale, ours->params.scale);
        EXPECT_TENSOR(theirs->params.offset, ours->params.offset);
        EXPECT_EQ(theirs->scheme.quant_min, ours->scheme.quant_min) << node->name;
        EXPECT_EQ(theirs->scheme.quant_max, ours->scheme.quant_max) << node->name;
      }
    }
  }
}

TEST(QdqRead, HalfPrecision) {
  const auto original =
      read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g (float16[N,4] x) => (float16[N,4] y) { [n] a = Neg(x) [t] y = Abs(a) }");
  original->find_node("n")->quantized = true;
  original->find_node("n")->output_quant = {active(0.0123, 100)};
  const Exported out("onnx-qdq", *original, find_platform("qnn_dsp_int8"));
  const auto file = read_onnx(out.path("quantized_qdq.onnx")), read = file->clone();
  EXPECT_EQ(expect_same(*file, *read, {{floats({0.3f, -0.7f, 1.25f, -9}).reshape({1, 4}).to(at::kHalf)}}).applied, 1u);
  EXPECT_THAT(types_of(*read), ElementsAre("Neg", "Abs"));
}

}  // namespace
}  // namespace ppq::test
