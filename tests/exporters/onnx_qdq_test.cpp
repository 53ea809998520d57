// Graphs with QuantizeLinear and DequantizeLinear: where the nodes stand, and that the file computes what the simulation does, by our own
// executor to the bit and by onnxruntime.
#include <sstream>

#include "exporters/exporter.h"
#include "exporters/model_samples.h"
#include "passes/quantizing.h"
#include "support/python.h"

namespace ppq::test {
namespace {

using testing::ElementsAre;
using testing::Not;

struct Exported {
  std::string path;
  std::unique_ptr<Graph> graph;
  ExportSummary summary;
};

Exported exported(const Graph& graph, const PlatformSpec& platform, const std::vector<std::pair<std::string, std::string>>& options = {}) {
  ExportOptions given;
  for (const auto& [name, value] : options) given.set(name, value);
  const std::string file = temporary_dir("qdq") + "/m.onnx";
  Exported result;
  result.path = file;
  result.summary = find_exporter("onnx-qdq").write(graph, platform, file, "", given);
  result.graph = read_onnx(file);
  check_onnx(*result.graph);
  return result;
}

std::vector<std::string> types(const Graph& graph) {
  std::vector<std::string> all;
  for (const Node* node : graph.nodes()) all.push_back(node->op_type);
  return all;
}

/// A network through the whole default pipeline.
struct Quantized : Quantizing {
  Quantized(const std::string& signature, const std::string& body, const std::vector<std::string>& random = {},
            TargetPlatform target = TargetPlatform::QNN_DSP_INT8, std::vector<int64_t> sizes = {1, 2, 4, 4})
      : Quantized(parse_model("<ir_version: 8, opset_import: [\"\" : 17]> g " + signature + " {" + body + "}", random), target, sizes) {}
  Quantized(std::unique_ptr<Graph> model, TargetPlatform target, const std::vector<int64_t>& sizes) : Quantizing(std::move(model), target) {
    for (int i = 0; i < 8; ++i) samples.push_back(noise(sizes, i));
    calibrate_with(samples);
    dispatch_graph(*graph, platform);
    run_passes(*graph, quantization_pipeline(platform, setting), context);
  }

  /// In our executor, and to the bit: the pairs round just where the simulation does.
  void expect_same(const Graph& file) const {
    const auto program = lower(file, on_test_device());
    for (const at::Tensor& sample : samples) {
      const Tensors ours = simulate({sample}), theirs = run_on_test_device(*program, {sample});
      ASSERT_EQ(ours.size(), theirs.size());
      for (size_t i = 0; i < ours.size(); ++i) EXPECT_TENSOR(theirs[i], ours[i]);
    }
  }

  std::vector<at::Tensor> samples;
};

const char* const kConvolution =
    "(float[N,2,4,4] x, float[3,2,3,3] w, float[2,3,1,1] v) => (float[N,2,2,2] y) <float[3] b = {0.5, -1, 0.25}>";
const char* const kBody = "a = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(a) p = MaxPool<kernel_shape=[2,2],strides=[2,2]>(r) y = Conv(p, v)";

TEST(OnnxQdq, PairsStandWhereTheSimulationRounds) {
  const Quantized q(kConvolution, kBody, {"w", "v"}, TargetPlatform::QNN_HTP_INT8);
  const Exported out = exported(*q.graph, q.platform);
  // By hand: the input, three parameters and the activation's output; MaxPool moves what is rounded; the second weight and the output.
  EXPECT_THAT(types(*out.graph),
              ElementsAre("QuantizeLinear", "DequantizeLinear", "DequantizeLinear", "DequantizeLinear", "Conv", "Relu", "QuantizeLinear",
                          "DequantizeLinear", "MaxPool", "DequantizeLinear", "Conv", "QuantizeLinear", "DequantizeLinear"));
  EXPECT_EQ(out.summary.written, 6u);
  EXPECT_THAT(out.summary.missing, IsEmpty());
  for (const Node* node : out.graph->nodes()) {
    EXPECT_EQ(node->domain, "");
    if (node->is("Conv")) {
      const Node* weight = node->input(1)->producer();
      EXPECT_EQ(weight->attributes.get_int("axis", -1), 0);
      EXPECT_EQ(weight->input(0)->constant().scalar_type(), at::kChar);
      EXPECT_EQ(weight->input(1)->constant().dim(), 1);
    }
    if (node->is("QuantizeLinear")) {
      EXPECT_EQ(node->input(2)->constant().scalar_type(), at::kByte);
      EXPECT_EQ(node->input(1)->constant().dim(), 0);
    }
  }
  const Node* bias = out.graph->find_node("a") ? nullptr : out.graph->nodes()[4]->input(2)->producer();
  ASSERT_NE(bias, nullptr);
  EXPECT_EQ(bias->input(0)->constant().scalar_type(), at::kInt);
  EXPECT_EQ(out.graph->outputs()[0]->name(), "y");
  q.expect_same(*out.graph);
}

const char* const kBranches =
    "a = Conv<pads=[1,1,1,1]>(x, w, b) r = Clip(a, zero, six) d = Conv<pads=[1,1,1,1]>(r, w2, b2) s = Sigmoid(d) m = Mul(r, s) "
    "e = Add(m, r) t = Transpose<perm=[0,2,3,1]>(e) c = Concat<axis=3>(t, t) y = MatMul(c, u)";
const char* const kBranchesSignature =
    "(float[N,2,4,4] x, float[3,2,3,3] w, float[3,3,3,3] w2, float[6,5] u) => (float[N,4,4,5] y) "
    "<float[3] b = {0.5, -1, 0.25}, float[3] b2 = {0, 1, 2}, float zero = {0}, float six = {6}>";

TEST(OnnxQdq, EveryPlatformComputesTheSame) {
  for (const PlatformSpec& platform : platform_table()) {
    SCOPED_TRACE(platform.name);
    const Quantized q(kBranchesSignature, kBranches, {"w", "w2", "u"}, platform.id);
    const QuantScheme& data = platform.scheme(SlotRole::Data);
    if (data.rounding != Rounding::HalfEven || platform.scheme(SlotRole::Bias).bits > 32) {
      EXPECT_EQ(thrown([&] { exported(*q.graph, q.platform); }).kind(), ErrorKind::Unsupported);
      continue;
    }
    const Exported out = exported(*q.graph, q.platform);
    EXPECT_GT(out.summary.written, 5u);
    q.expect_same(*out.graph);
  }
}

/// 16 bits are onnxruntime's own operators below opset 21, scales of channels below 13.
TEST(OnnxQdq, OperatorsFollowTheOpset) {
  for (const auto& [opset, eight, sixteen] :
       {std::tuple(9, "com.microsoft", "com.microsoft"), {12, "", "com.microsoft"}, {17, "", "com.microsoft"}, {21, "", ""}}) {
    for (const TargetPlatform target : {TargetPlatform::QNN_DSP_INT8, TargetPlatform::QNN_HTP_INT8, TargetPlatform::QNN_HTP_A16W8}) {
      SCOPED_TRACE(std::to_string(opset) + " " + find_platform(target).name);
      const Quantized q(
          parse_model("<ir_version: 8, opset_import: [\"\" : " + std::to_string(opset) + "]> g " + kConvolution + " {" + kBody + "}",
                      {"w", "v"}),
          target, {1, 2, 4, 4});
      const Exported out = exported(*q.graph, q.platform);
      for (const Node* node : out.graph->nodes()) {
        if (node->op_type != "QuantizeLinear" && node->op_type != "DequantizeLinear") continue;
        const at::ScalarType type = node->input(2)->constant().scalar_type();
        const bool channels = node->input(1)->constant().dim() == 1;
        const std::string wanted = type == at::kUInt16 ? sixteen : channels && opset < 13 ? "com.microsoft" : eight;
        EXPECT_EQ(node->domain, wanted) << node->name;
      }
      q.expect_same(*out.graph);
    }
  }
}

TEST(OnnxQdq, ParametersAreStoredAsAsked) {
  const Quantized q(kConvolution, kBody, {"w", "v"}, TargetPlatform::QNN_HTP_INT8);
  const Exported floats = exported(*q.graph, q.platform, {{"qdq-weights", "float"}, {"qdq-bias", "float"}});
  EXPECT_EQ(floats.graph->find_value("w")->constant().scalar_type(), at::kFloat);
  EXPECT_TRUE(floats.graph->find_node("w_QuantizeLinear"));
  for (const Node* node : floats.graph->nodes())
    EXPECT_TRUE(!node->is("Conv") || !node->input(2) || node->input(2)->is_constant()) << "biases stay floats";
  q.expect_same(*floats.graph);
  const Exported integers = exported(*q.graph, q.platform);
  EXPECT_EQ(integers.graph->find_value("w"), nullptr) << "what nobody reads is not written";
  EXPECT_EQ(integers.graph->find_value("w_quantized")->constant().scalar_type(), at::kChar);
  EXPECT_THAT(thrown([&] { exported(*q.graph, q.platform, {{"qdq-weights", "int3"}}); }).what(), HasSubstr("qdq-weights"));
}

/// The simulation saturates where the target does; int8 goes one further than ±127, uint8 much further than six bits.
TEST(OnnxQdq, RangesNarrowerThanTheirTypeAreCut) {
  Quantizing q("(float[N,4] x) => (float[N,4] y)", "[n] a = Neg(x) [t] y = Abs(a)");
  for (const auto& [name, quant] : {std::pair("n", active(0.1, 0, -127, 127)), {"t", active(0.05, 3, 0, 63)}}) {
    q.node(name).quantized = true;
    q.node(name).output_quant = {quant};
  }
  const Exported out = exported(*q.graph, q.platform);
  EXPECT_THAT(types(*out.graph), ElementsAre("Neg", "Max", "Min", "QuantizeLinear", "DequantizeLinear", "Abs", "Max", "Min",
                                             "QuantizeLinear", "DequantizeLinear"));
  const at::Tensor x = floats({100, -100, 12.75f, 0.02f}).reshape({1, 4});
  EXPECT_TENSOR(run_on_test_device(*lower(*out.graph, on_test_device()), {x})[0], q.simulate({x})[0]);
}

/// Of two readers one rounds what comes from a float producer; the other one does not. Sub-graphs read the name they always read.
TEST(OnnxQdq, ReadersThatRoundAloneGetTheirOwnPair) {
  Quantizing q("(float[N,4] x) => (float[N,4] y, float[N,4] z)", "[n] a = Neg(x) [one] y = Abs(a) [two] z = Relu(a)");
  q.node("one").quantized = true;
  q.node("one").input_quant = {active(0.5, 128)};
  const Exported out = exported(*q.graph, q.platform);
  EXPECT_EQ(out.graph->find_node("two")->input(0)->name(), "a");
  EXPECT_TRUE(out.graph->find_node("one")->input(0)->producer()->is("DequantizeLinear"));
  const at::Tensor x = floats({0.3f, -0.7f, 90, -0.2f}).reshape({1, 4});
  const Tensors got = run_on_test_device(*lower(*out.graph, on_test_device()), {x}), wanted = q.simulate({x});
  for (size_t i = 0; i < 2; ++i) EXPECT_TENSOR(got[i], wanted[i]);
}

/// What a sub-graph reads by name is rounded like what readers see, also in front of a Relu that would round it again.
TEST(OnnxQdq, SubGraphsReadWhatIsRounded) {
  Quantizing q("(float[N,4] x, bool go) => (float[N,4] y, float[N,4] z)",
               "[n] a = Neg(x) [r] y = Relu(a) z = If (go) <then_branch = t () => (float[N,4] u) { u = Abs(a) }, "
               "else_branch = e () => (float[N,4] v) { v = Neg(a) }>");
  const auto quant = active(0.5, 0);
  q.node("n").output_quant = {quant}, q.node("r").input_quant = {quant}, q.node("r").output_quant = {quant};
  const Exported out = exported(*q.graph, q.platform);
  EXPECT_THAT(types(*out.graph),
              ElementsAre("Neg", "QuantizeLinear", "DequantizeLinear", "Relu", "QuantizeLinear", "DequantizeLinear", "If"));
  const Tensors inputs = {floats({-0.3f, -0.7f, 1.2f, -0.2f}).reshape({1, 4}), at::scalar_tensor(true, at::kBool)};
  const Tensors got = run_on_test_device(*lower(*out.graph, on_test_device()), inputs), wanted = q.simulate(inputs);
  for (size_t i = 0; i < 2; ++i) EXPECT_TENSOR(got[i], wanted[i]);
}

TEST(OnnxQdq, HalfPrecisionIsRoundedWithFloatScales) {
  Quantizing q(read_onnx_text(
      "<ir_version: 8, opset_import: [\"\" : 17]> g (float16[N,4] x) => (float16[N,4] y) { [n] a = Neg(x) [t] y = Abs(a) }"));
  q.node("n").quantized = true;
  q.node("n").output_quant = {active(0.0123, 100)};
  const Exported out = exported(*q.graph, q.platform);
  EXPECT_THAT(types(*out.graph), ElementsAre("Neg", "Cast", "QuantizeLinear", "DequantizeLinear", "Cast", "Abs"));
  const at::Tensor x = floats({0.3f, -0.7f, 1.25f, -9}).reshape({1, 4}).to(at::kHalf);
  EXPECT_TENSOR(run_on_test_device(*lower(*out.graph, on_test_device()), {x})[0], q.simulate({x})[0]);
}

/// More pairs around the same integers: also behind data that is moved, and between a layer and its Relu or Clip.
TEST(OnnxQdq, PairsWhereverTheyChangeNothing) {
  for (TargetPlatform target : {TargetPlatform::QNN_DSP_INT8, TargetPlatform::QNN_HTP_INT8, TargetPlatform::ONNXRUNTIME}) {
    const Quantized q(kBranchesSignature, kBranches, {"w", "w2", "u"}, target);
    const Exported needed = exported(*q.graph, q.platform), all = exported(*q.graph, q.platform, {{"qdq-pairs", "all"}});
    // Behind the Conv in front of the Clip, and behind the Transpose.
    EXPECT_EQ(all.summary.written, needed.summary.written + 2);
    q.expect_same(*all.graph);
    for (const Node* node : all.graph->nodes())
      if (node->is("Clip") || node->is("Transpose")) {
        EXPECT_EQ(node->input(0)->producer()->op_type, "DequantizeLinear") << node->op_type;
        EXPECT_EQ(node->output()->uses()[0].node->op_type, "QuantizeLinear") << node->op_type;
      }
  }
}

/// In onnxruntime without its optimizations: up to the order of its sums.
void expect_same_in_onnxruntime(const Quantized& q, const Exported& file) {
  if (!have_python()) return;
  const std::string folder = temporary_dir("qdq_ort");
  for (size_t i = 0; i < q.samples.size(); ++i) {
    write_npy(folder + "/x" + std::to_string(i) + ".npy", q.samples[i]);
    write_npy(folder + "/y" + std::to_string(i) + ".npy", q.simulate({q.samples[i]})[0]);
  }
  const std::string said = run_python(R"(
import sys, numpy as np, onnxruntime as ort
options = ort.SessionOptions()
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
worst = 0
for i in range(int(sys.argv[3])):
    y = session.run(None, {"x": np.load(f"{sys.argv[2]}/x{i}.npy")})[0]
    own = np.load(f"{sys.argv[2]}/y{i}.npy")
    worst = max(worst, np.abs(y - own).max() / np.abs(own).max())
print(worst)
)",
                                      {file.path, folder, std::to_string(q.samples.size())});
  EXPECT_LT(std::stod(said), 1e-5);
}

/// Minifloats are stored as such, in the opset that has them; the model was of opset 17.
TEST(OnnxQdq, Fp8) {
  for (TargetPlatform target : {TargetPlatform::GRAPHCORE_FP8, TargetPlatform::TRT_FP8}) {
    const Quantized q("(float[1,2,4,4] x, float[3,2,3,3] w, float[3] b) => (float[1,3,1,1] y)",
                      "a = Conv(x, w, b) r = Relu(a) y = GlobalAveragePool(r)", {"w", "b"}, target);
    const Exported out = exported(*q.graph, q.platform);
    EXPECT_EQ(out.graph->opset(), 19);
    const Node* dequantize = nullptr;
    for (const Node* node : out.graph->nodes())
      if (node->is("DequantizeLinear") && node->input(0)->is_constant()) dequantize = node;
    ASSERT_NE(dequantize, nullptr) << "the weight is stored";
    EXPECT_EQ(dequantize->constant_input(0).scalar_type(), at::kFloat8_e4m3fn);
    EXPECT_EQ(dequantize->constant_input(1).numel(), 3) << "a scale a channel";
    // Behind layers TensorRT's floats are not rounded, so that the order of sums shows.
    if (target == TargetPlatform::GRAPHCORE_FP8) q.expect_same(*out.graph);
    expect_same_in_onnxruntime(q, out);
  }
}

TEST(OnnxQdq, WhatOnnxCannotSayIsRefused) {
  Quantizing q("(float[N,4] x) => (float[N,4] y)", "[n] y = Neg(x)");
  const auto error = [&](auto change) {
    auto quant = active(0.5, 128);
    change(quant->scheme);
    q.node("n").output_quant = {quant};
    const Error e = thrown([&] { exported(*q.graph, q.platform); });
    EXPECT_EQ(e.kind(), ErrorKind::Unsupported);
    EXPECT_THAT(e.what(), HasSubstr("tensor y"));
    return std::string(e.what());
  };
  EXPECT_THAT(error([](QuantScheme& s) { s.rounding = Rounding::HalfUp; }), HasSubstr("halves"));
  EXPECT_THAT(error([](QuantScheme& s) { s = rules::minifloat(4), s.quant_max = 240; }), HasSubstr("E4M3 (up to 448)"));
  EXPECT_THAT(error([](QuantScheme& s) { s.bits = 40; }), HasSubstr("40 bits"));
  EXPECT_THAT(error([](QuantScheme& s) { s.granularity = Granularity::PerBlock; }), HasSubstr("a scale a tensor or a channel"));
}

struct QdqCase {
  std::string model;  ///< a folder of shared/models
  std::string platform;
};
void PrintTo(const QdqCase& c, std::ostream* out) { *out << c.model << " " << c.platform; }

std::vector<QdqCase> qdq_cases() {
  std::vector<QdqCase> all;
  if (!have_shared()) return {{"none", "qnn_dsp_int8"}};
  for (const auto& entry : std::filesystem::directory_iterator(shared("models")))
    for (const PlatformSpec& platform : platform_table()) {
      const std::string model = entry.path().filename().string();
      // One name of the three that share their rules.
      if (platform.name == "qnn_dsp_int8" || platform.name == "qnn_htp_int8" || platform.name == "qnn_htp_a16w8")
        all.push_back({model, platform.name});
    }
  // Further targets whose runtimes take such a file, on two models.
  for (const char* platform : {"onnxruntime", "trt_int8", "openvino_int8", "ppl_cuda_int8", "rknn_int8", "rknn_int8_c", "fpga_int8",
                               "metax_int8_c", "metax_int8_t"})
    for (const char* model : {"mlperf_tiny_resnet8_cifar10", "mlperf_tiny_ad_autoencoder"}) all.push_back({model, platform});
  std::sort(all.begin(), all.end(), [](const QdqCase& a, const QdqCase& b) { return a.model + a.platform < b.model + b.platform; });
  return all;
}

/// Integers and scales of weights that were not rounded to nearest.
TEST(OnnxQdq, HoldsTheWeightsThatWereSimulated) {
  PPQ_REQUIRE_SHARED();
  const std::string name = "mlperf_tiny_resnet8_cifar10", file = model_file(name), folder = temporary_dir("qdq_rounded"),
                    samples = folder + "/samples", out = folder + "/out";
  write_samples(name, *read_onnx(file), samples, 32);
  const Result job = ppq_torch({"--model", file, "--calib", samples, "--platform", "qnn_dsp_int8", "--device", "cpu", "--layerwise-samples",
                                "0", "--export", "encodings,onnx-qdq", "--output", out});
  ASSERT_EQ(job.code, 0) << job.err;
  bool compensated = false;
  const Json report = Json::parse(read_file(out + "/report.json"));
  for (const Json& pass : report["passes"])
    compensated |= pass["name"] == "compensate-rounding" && pass.value("decision", "").find("kept") != std::string::npos;
  EXPECT_TRUE(compensated) << "else this shows nothing";
  const auto baked = read_onnx(out + "/quantized.onnx"), pairs = read_onnx(out + "/quantized_qdq.onnx");
  size_t layers = 0;
  for (const Node* node : pairs->nodes()) {
    if (!node->is("Conv") && !node->is("Gemm")) continue;
    const Node* pair = node->input(1)->producer();
    ASSERT_TRUE(pair && pair->is("DequantizeLinear")) << node->name;
    const at::Tensor zero = pair->constant_input(2), integers = pair->constant_input(0).to(at::kFloat);
    const at::Tensor weight = (zero.defined() ? integers - zero.to(at::kFloat) : integers) * pair->constant_input(1);
    const Node* twin = baked->find_node(node->name);
    ASSERT_TRUE(twin) << node->name;
    EXPECT_TRUE(weight.equal(twin->constant_input(1))) << node->name;
    ++layers;
  }
  EXPECT_GT(layers, 5u);
}

class QdqInOnnxruntime : public testing::TestWithParam<QdqCase> {};

TEST_P(QdqInOnnxruntime, AgreesWithTheSimulation) {
  PPQ_REQUIRE_SHARED();
  PPQ_REQUIRE_PYTHON();
  const auto& [model, platform] = GetParam();
  if (model == "silero_vad") GTEST_SKIP() << model << ": three inputs; the samples of this test have one";
  const std::string file = model_file(model), folder = temporary_dir("qdq_model"), samples = folder + "/samples", out = folder + "/out";
  write_samples(model, *read_onnx(file), samples);
  const Result job =
      ppq_torch({"--model", file, "--calib", samples, "--platform", platform, "--device", "cpu", "--observer", "minmax", "--passes",
                 "-equalize-layers,-compensate-rounding", "--layerwise-samples", "0", "--export", "encodings,onnx-qdq", "--output", out});
  ASSERT_EQ(job.code, 0) << job.err;
  const Result run = ppq_torch({"run", "--model", out + "/quantized.onnx", "--table", out + "/quantized.table", "--platform", platform,
                                "--device", "cpu", "--input", samples, "--output", folder + "/ours"});
  ASSERT_EQ(run.code, 0) << run.err;
  std::istringstream lines(run_python(read_file(source_dir() + "/tests/exporters/qdq_check.py"),
                                      {out + "/quantized_qdq.onnx", file, out + "/quantized.table", samples, folder + "/ours"}));
  size_t outputs = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("{\"output\"", 0) != 0) continue;
    ++outputs;
    const Json found = Json::parse(line);
    // Nearly every element within a step; or, where sums of floats that come out in another order turn halves to the other side (steps of
    // 16 bits are near that everywhere) and later layers make more of it, as much noise as the simulation says.
    const double ours = found["ours"].get<double>(), theirs = found["theirs"].get<double>();
    const bool close = found["share"].get<double>() >= 0.99 && found["worst"].get<double>() <= 8;
    EXPECT_TRUE(close || std::abs(theirs - ours) <= 0.05 * ours) << line;
    std::printf("%s %s %s\n", model.c_str(), platform.c_str(), line.c_str());
  }
  EXPECT_GT(outputs, 0u);
}

INSTANTIATE_TEST_SUITE_P(Models, QdqInOnnxruntime, testing::ValuesIn(qdq_cases()),
                         [](const auto& info) { return info.param.model + "_" + info.param.platform; });

}  // namespace
}  // namespace ppq::test
