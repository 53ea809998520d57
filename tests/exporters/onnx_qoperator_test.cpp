// Graphs of onnxruntime's integer operators: which operators stand there, that our own executor computes by them what the simulation does
// within a step, and what is refused. What onnxruntime makes of whole models is in onnx_qoperator_models_test.cpp.
#include "exporters/twelve_ops.h"

namespace ppq::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Not;

const char* const kFile = "quantized_qoperator.onnx";

std::unique_ptr<Graph> written(const Graph& graph, const PlatformSpec& platform) {
  const Exported out("onnx-qoperator", graph, platform);
  auto read = read_onnx(out.path(kFile));
  check_onnx(*read);
  return read;
}

/// A model whose nodes are all computed in integers, layers among them or not.
std::unique_ptr<Graph> in_integers(std::unique_ptr<Graph> graph) {
  for (Node* node : graph->nodes()) node->dispatch = Dispatch::Quantized;
  return graph;
}

/// Largest difference in steps of an output.
double steps_apart(const at::Tensor& a, const at::Tensor& b, double step) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>() / step;
}

TEST(OnnxQOperator, TwelveOpsInIntegers) {
  const QuantizedGraph q(
      target(rules::unsigned_asymmetric(8), rules::per_channel(rules::signed_symmetric(8)), every_type(), {"Relu", "Clip"}));
  const auto file = written(*q.graph, q.platform);
  // Softmax is float on this target. uint8 has its zero where Relu and Clip begin, so that only Clip's upper bound may need an operator.
  std::vector<std::string> types = types_of(*file);
  std::erase(types, "Clip");
  EXPECT_THAT(types, ElementsAre("QuantizeLinear", "QLinearConv", "MaxPool", "QLinearConv", "QLinearAdd", "QLinearSigmoid", "QLinearConcat",
                                 "QLinearGlobalAveragePool", "Flatten", "QGemm", "DequantizeLinear", "Softmax"));
  const Node* conv = node_of_type(*file, "QLinearConv");
  EXPECT_EQ(conv->constant_input(3).scalar_type(), at::kChar);
  EXPECT_EQ(conv->constant_input(4).numel(), 8);
  EXPECT_EQ(conv->constant_input(8).scalar_type(), at::kInt);
  // By hand: the bias at input scale × weight scale.
  const at::Tensor bias = twelve_ops()->find_value("b1")->constant(), scale = q.in("conv1")->params.scale * q.in("conv1", 1)->params.scale;
  EXPECT_LE((conv->constant_input(8) * scale - q.graph->find_value("b1")->constant()).abs().div(scale).max().item<double>(), 0.51);
  EXPECT_EQ(bias.numel(), 8);
  for (const Node* node : file->nodes())
    EXPECT_EQ(node->domain == "com.microsoft",
              node->op_type.starts_with("Q") && node->op_type != "QLinearConv" && node->op_type != "QuantizeLinear")
        << node->op_type;
}

/// The weights' sums are exact here, so that only rounding of halves at requantization is left, and what later layers make of it.
TEST(OnnxQOperator, EveryPlatformComputesTheSame) {
  size_t compared = 0;
  for (const PlatformSpec& platform : platform_table()) {
    SCOPED_TRACE(platform.name);
    const ExporterRow& row = find_exporter("onnx-qoperator");
    try {
      row.require(platform);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
      continue;
    }
    const QuantizedGraph q(platform);
    const auto file = written(*q.graph, q.platform);
    const auto program = lower(*file, on_test_device());
    const TensorQuantPtr last = q.out("fc1") ? q.out("fc1") : q.in("fc1");
    for (const at::Tensor& sample : q.samples) {
      const at::Tensor theirs = run_on_test_device(*program, {sample})[0], ours = q.simulate(sample)[0];
      EXPECT_LE(steps_apart(theirs, ours, scales(last)[0]), 2) << "Softmax makes no more of a step";
      EXPECT_EQ(theirs.scalar_type(), at::kFloat);
    }
    ++compared;
  }
  EXPECT_GE(compared, 12u);
}

/// One operator a case: its integer form, and every number within a step of the simulation (of halves alone: sums are small and exact).
TEST(OnnxQOperator, OneOperatorAtATime) {
  struct Case {
    std::string signature, body, type;
    int opset = 17;
  };
  const std::string x = "(float[2,4,6,6] x) => (float[N,M,H,W] y)";
  const std::vector<Case> cases = {
      {"(float[2,4,6,6] x, float[3,4,3,3] w, float[3] b) => (float[N,M,H,W] y)", "[n] y = Conv<strides=[2,2],pads=[1,0,1,1]>(x, w, b)",
       "QLinearConv"},
      {"(float[2,4,6,6] x, float[8,1,3,3] w) => (float[N,M,H,W] y)", "[n] y = Conv<group=4,dilations=[2,2]>(x, w)", "QLinearConv"},
      {"(float[2,3,4] x, float[4,5] w) => (float[N,M,K] y)", "[n] y = MatMul(x, w)", "QLinearMatMul"},
      {"(float[2,4] x, float[5,4] w, float[5] b) => (float[N,M] y)", "[n] y = Gemm<transB=1,alpha=0.5,beta=2.0>(x, w, b)", "QGemm"},
      {"(float[2,4] x, float[4,5] w) => (float[N,M] y)", "[n] y = Gemm(x, w)", "QGemm"},
      {"(float[2,4] x) => (float[N,M] y)", "[n] y = Add(x, x)", "QLinearAdd"},
      {"(float[2,4] x) => (float[N,M] y)", "[n] y = Mul(x, x)", "QLinearMul"},
      {"(float[2,4] x) => (float[N,M] y)", "[n] y = Sigmoid(x)", "QLinearSigmoid"},
      {"(float[2,4] x) => (float[N,M] y)", "[n] y = LeakyRelu<alpha=0.3>(x)", "QLinearLeakyRelu"},
      {"(float[2,4] x) => (float[N,M] y)", "[n] y = Softmax<axis=-1>(x)", "QLinearSoftmax"},
      {x, "[n] y = AveragePool<kernel_shape=[3,3],pads=[1,1,1,1],count_include_pad=1>(x)", "QLinearAveragePool"},
      {x, "[n] y = GlobalAveragePool(x)", "QLinearGlobalAveragePool"},
      {x, "[n] y = Concat<axis=1>(x, x)", "QLinearConcat"}};
  for (const Case& c : cases) {
    for (const auto& [data, weight] : {std::pair(rules::unsigned_asymmetric(8), rules::unsigned_asymmetric(8)),
                                       {rules::unsigned_asymmetric(8), rules::per_channel(rules::signed_symmetric(8))},
                                       {rules::signed_symmetric(8), rules::per_channel(rules::narrow_symmetric(8))},
                                       {rules::signed_symmetric(4), rules::signed_symmetric(4)}}) {
      SCOPED_TRACE(c.body + " " + std::to_string(data.quant_min) + " " + std::to_string(weight.quant_min));
      std::vector<std::string> parameters;
      for (const char* name : {"w", "b"})
        if (c.signature.find(std::string("] ") + name) != std::string::npos) parameters.emplace_back(name);
      auto model = parse_model(
          "<ir_version: 8, opset_import: [\"\" : " + std::to_string(c.opset) + "]> g " + c.signature + " {" + c.body + "}", parameters);
      std::vector<int64_t> sizes;
      for (const Dim& dim : *model->inputs()[0]->shape) sizes.push_back(dim.value);
      const std::string op_type = model->nodes()[0]->op_type;
      PlatformSpec spec = target(data, weight, {op_type});
      SlotRule whole = rules::quantized(SlotRole::Output, data, {"Softmax"});  // onnxruntime's kernel wants 1 in the range
      whole.range = {0.0, 1.0};
      spec.slots.insert(spec.slots.begin(), whole);
      const QuantizedGraph q(std::move(spec), in_integers(std::move(model)), sizes);
      ASSERT_TRUE(q.node("n").quantized);
      const auto file = written(*q.graph, q.platform);
      EXPECT_THAT(types_of(*file), Contains(c.type));
      EXPECT_THAT(types_of(*file), Not(Contains(c.type.starts_with("QLinear") ? c.type.substr(7) : "Gemm")));
      const auto program = lower(*file, on_test_device());
      double most = 0;
      for (const at::Tensor& sample : q.samples)
        most = std::max(most, steps_apart(run_on_test_device(*program, {sample})[0], q.simulate(sample)[0], scales(q.out("n"))[0]));
      EXPECT_LE(most, 1.001);
    }
  }
}

/// Beside weights that are all zero a bias exceeds int32 at input scale × weight scale; the scale is free there.
TEST(OnnxQOperator, BiasesOfDeadChannelsFit) {
  auto model = parse_model(
      "<ir_version: 8, opset_import: [\"\" : 17]> g (float[2,4,6,6] x, float[3,4,1,1] w) => (float[N,M,H,W] y) "
      "<float[3] b = {3, -1, 2}> { [n] y = Conv(x, w, b) }",
      {"w"});
  at::Tensor weight = model->find_value("w")->constant().clone();
  weight[0].zero_();
  model->find_value("w")->set_constant(weight);
  const QuantizedGraph q(target(rules::signed_symmetric(8), rules::per_channel(rules::signed_symmetric(8)), {"Conv"}),
                         in_integers(std::move(model)), {2, 4, 6, 6});
  ASSERT_GT(3 / (scales(q.in("n"))[0] * scales(q.in("n", 1))[0]), 2147483647) << "the test is about such a bias";
  const auto file = written(*q.graph, q.platform);
  EXPECT_THAT(types_of(*file), ElementsAre("QuantizeLinear", "QLinearConv", "DequantizeLinear"));
  const auto program = lower(*file, on_test_device());
  for (const at::Tensor& sample : q.samples)
    EXPECT_LE(steps_apart(run_on_test_device(*program, {sample})[0], q.simulate(sample)[0], scales(q.out("n"))[0]), 1.001);
}

/// What moves data or bounds it has no operator of its own: to the bit.
TEST(OnnxQOperator, MovedAndBoundedDataStaysInIntegers) {
  for (const QuantScheme& data : {rules::unsigned_asymmetric(8), rules::signed_symmetric(8), rules::narrow_symmetric(8)}) {
    SCOPED_TRACE(data.quant_min);
    const QuantizedGraph q(
        target(data, rules::signed_symmetric(8), {"Relu", "Clip", "MaxPool", "Transpose", "Reshape", "Pad", "Slice", "Split", "Add"},
               {"Relu", "Clip"}),
        in_integers(parse_model(
            "<ir_version: 8, opset_import: [\"\" : 17]> g (float[1,3,16,16] x) => (float[N,M] y) <float lo = {-0.7}, float hi = {1.1}, "
            "int64[2] flat = {0, -1}, int64[8] pads = {0, 0, 1, 1, 0, 0, 1, 1}, int64[1] first = {1}, int64[1] last = {9}, int64[1] "
            "axis = {2}, int64[2] parts = {2, 1}> { c = Clip(x, lo, hi) t = Transpose<perm = [0, 2, 3, 1]>(c) "
            "s = Slice(t, first, last, axis) u, v = Split<axis = 3>(s, parts) p = Pad(u, pads) m = MaxPool<kernel_shape = [2, 2]>(p) y = "
            "Reshape(m, flat) }")));
    const auto file = written(*q.graph, q.platform);
    size_t quantize = 0, dequantize = 0;
    for (const std::string& type : types_of(*file)) quantize += type == "QuantizeLinear", dequantize += type == "DequantizeLinear";
    // The Clip in front has scales of its own on both sides: it is float.
    EXPECT_EQ(quantize, 2u);
    EXPECT_EQ(dequantize, 2u);
    const auto program = lower(*file, on_test_device());
    for (const at::Tensor& sample : q.samples) EXPECT_TENSOR(run_on_test_device(*program, {sample})[0], q.simulate(sample)[0]);
  }
}

/// Operators without an integer form, readers with numbers of their own, sub-graphs and float outputs: floats in between, to the bit.
TEST(OnnxQOperator, FloatsInBetween) {
  Quantizing q("(float[N,4] x, bool go) => (float[N,4] y, float[N,4] z, float[N,4] a)",
               "[n] a = Neg(x) [m] b = Exp(a) [k] y = Abs(a) z = If (go) <then_branch = t () => (float[N,4] u) { u = Neg(b) }, "
               "else_branch = e () => (float[N,4] v) { v = Abs(b) }>");
  const auto first = active(0.5, 128), second = active(0.25, 3), third = active(0.7, 100);
  q.node("n").quantized = q.node("m").quantized = q.node("k").quantized = true;
  q.node("n").output_quant = {first}, q.node("m").input_quant = {first}, q.node("m").output_quant = {second};
  q.node("k").input_quant = {third};
  const auto file = written(*q.graph, q.platform);
  EXPECT_THAT(types_of(*file), AllOf(Contains("QuantizeLinear"), Contains("DequantizeLinear"), Contains("Exp"), Contains("If")));
  const auto program = lower(*file, on_test_device());
  const Tensors inputs = {floats({0.3f, -0.7f, 2, -90}).reshape({1, 4}), at::scalar_tensor(true, at::kBool)};
  const Tensors theirs = run_on_test_device(*program, inputs), ours = q.simulate(inputs);
  for (size_t i = 0; i < 3; ++i) EXPECT_TENSOR(theirs[i], ours[i]);
  EXPECT_EQ(file->outputs()[2]->name(), "a");
}

TEST(OnnxQOperator, WhatIntegersOfEightBitsCannotSayIsRefused) {
  const ExporterRow& row = find_exporter("onnx-qoperator");
  for (const auto& [platform, says] : {std::pair("qnn_htp_a16w8", "16 bits"),
                                       {"espdl_int16", "16 bits"},
                                       {"trt_fp8", "floating-point"},
                                       {"graphcore_fp8", "floating-point"},
                                       {"ncnn_int8", "halves"},
                                       {"mnn_int8", "halves"}}) {
    const Error error = thrown([&] { row.require(find_platform(platform)); });
    EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
    EXPECT_THAT(error.what(), AllOf(HasSubstr(platform), HasSubstr(says), HasSubstr("onnx-qdq")));
  }
  for (const char* platform : {"qnn_dsp_int8", "qnn_htp_int8", "onnxruntime", "openvino_int8", "trt_int8", "fpga_int8", "espdl_int8"})
    EXPECT_NO_THROW(row.require(find_platform(platform))) << platform;
  // A single wide tensor is found before anything is written.
  Quantizing q("(float[N,4] x) => (float[N,4] y)", "[n] a = Neg(x) [m] y = Abs(a)");
  q.node("n").output_quant = {active(0.5, 0, 0, 255)};
  q.node("m").output_quant = {active(0.5, 0, -32768, 32767)};
  q.node("m").output_quant[0]->scheme.bits = 16;
  const std::string folder = temporary_dir("qoperator_refused");
  const Error error = thrown([&] { row.write(*q.graph, q.platform, folder + "/net.onnx", "", {}); });
  EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("tensor y"), HasSubstr("16 bits")));
  EXPECT_FALSE(std::filesystem::exists(folder + "/net.onnx"));
}

}  // namespace
}  // namespace ppq::test
