// Whole models in onnxruntime's integer operators, run there: operator by operator within a step of the simulation.
#include <sstream>

#include "exporters/model_samples.h"
#include "ppq/error.h"
#include "support/python.h"

namespace ppq::test {
namespace {

const char* const kFile = "quantized_qoperator.onnx";

struct OrtCase {
  std::string model, platform;
};
void PrintTo(const OrtCase& c, std::ostream* out) { *out << c.model << " " << c.platform; }

std::vector<OrtCase> ort_cases() {
  if (!have_shared()) return {{"none", "onnxruntime"}};
  std::vector<OrtCase> all;
  for (const auto& entry : std::filesystem::directory_iterator(shared("models"))) {
    const std::string model = entry.path().filename().string();
    if (model != "silero_vad") all.push_back({model, "onnxruntime"});  // three inputs; the samples of this test have one
  }
  for (const char* platform : {"openvino_int8", "trt_int8", "qnn_dsp_int8", "qnn_htp_int8"})
    for (const char* model : {"mlperf_tiny_resnet8_cifar10", "mlperf_tiny_ad_autoencoder"}) all.push_back({model, platform});
  std::sort(all.begin(), all.end(), [](const OrtCase& a, const OrtCase& b) { return a.model + a.platform < b.model + b.platform; });
  return all;
}

class QOperatorInOnnxruntime : public testing::TestWithParam<OrtCase> {};

/// Weights of 7 bits: without VNNI onnxruntime adds pairs of products in 16 bits, which saturate with 8
/// (tests/support/onnxruntime_cases.h).
TEST_P(QOperatorInOnnxruntime, AgreesWithTheSimulation) {
  PPQ_REQUIRE_SHARED();
  PPQ_REQUIRE_PYTHON();
  const auto& [model, platform] = GetParam();
  const std::string file = model_file(model), folder = temporary_dir("qoperator"), samples = folder + "/samples", out = folder + "/out",
                    narrow = folder + "/narrow.json";
  write_samples(model, *read_onnx(file), samples);
  const bool unsigned_weights = platform == "qnn_dsp_int8";
  write_file(narrow, R"({"name": "narrow", "like": ")" + platform + R"(", "slots": [{"role": "weight", "bits": 7, )" +
                         (unsigned_weights ? R"("signed": false)" : R"("symmetric": true, "granularity": "per-channel")") + "}]}");
  const Result job =
      ppq_torch({"--model", file, "--calib", samples, "--platform", narrow, "--device", "cpu", "--observer", "minmax", "--passes",
                 "-equalize-layers", "--layerwise-samples", "0", "--export", "encodings,onnx-qoperator", "--output", out});
  // QLinearConv came with opset 10; an older model whose operators mean another thing in a later one says what to do.
  if (read_onnx(file)->opset() < 10 && job.code != 0) {
    EXPECT_EQ(job.code, exit_code(ErrorKind::Unsupported)) << job.err;
    EXPECT_THAT(job.err, HasSubstr("export the model with opset 13"));
    return;
  }
  ASSERT_EQ(job.code, 0) << job.err;
  const Result run = ppq_torch({"run", "--model", out + "/quantized.onnx", "--table", out + "/quantized.table", "--platform", narrow,
                                "--device", "cpu", "--input", samples, "--tensors", "all", "--output", folder + "/ours"});
  ASSERT_EQ(run.code, 0) << run.err;
  size_t operators = 0, outputs = 0;
  // Operator by operator: halves, and what biases lose as integers (half of input scale × weight scale), come out a step further, and
  // nothing else does.
  std::istringstream each(
      run_python(read_file(source_dir() + "/tests/exporters/qoperator_check.py"), {out + "/" + kFile, samples, folder + "/ours"}));
  for (std::string line; std::getline(each, line);) {
    if (line.rfind("{\"tensor\"", 0) != 0) continue;
    ++operators;
    const Json found = Json::parse(line);
    EXPECT_LE(found["worst"].get<int>(), 1) << line;
  }
  // End to end: those steps, and what later layers make of them; no more noise than the simulation says, but for chance.
  std::istringstream whole(run_python(read_file(source_dir() + "/tests/exporters/qdq_check.py"),
                                      {out + "/" + kFile, file, out + "/quantized.table", samples, folder + "/ours"}));
  for (std::string line; std::getline(whole, line);) {
    if (line.rfind("{\"output\"", 0) != 0) continue;
    ++outputs;
    const Json found = Json::parse(line);
    const bool close = found["share"].get<double>() >= 0.99 && found["worst"].get<double>() <= 8;
    EXPECT_TRUE(close || found["theirs"].get<double>() <= 1.5 * found["ours"].get<double>()) << line;
    std::printf("%s %s %s\n", model.c_str(), platform.c_str(), line.c_str());
  }
  EXPECT_GT(outputs, 0u);
  EXPECT_GT(operators, 0u);
  // A layer is float only where nothing is rounded behind it: the simulation computes it in one go with a LeakyRelu or Sigmoid.
  size_t integer = 0, in_float = 0;
  const auto network = read_onnx(out + "/" + kFile);
  for (const Node* node : network->nodes()) {
    integer += node->op_type == "QLinearConv" || node->op_type == "QGemm" || node->op_type == "QLinearMatMul";
    if (!node->is("Conv") && !node->is("Gemm") && !node->is("MatMul")) continue;
    ++in_float;
    for (const Use& use : node->output()->uses()) EXPECT_FALSE(use.node->is("QuantizeLinear")) << node->name;
  }
  std::printf("%s %s: %zu layers in integers, %zu in float; %zu tensors compared\n", model.c_str(), platform.c_str(), integer, in_float,
              operators);
  EXPECT_GT(integer, 0u);
}

INSTANTIATE_TEST_SUITE_P(Models, QOperatorInOnnxruntime, testing::ValuesIn(ort_cases()),
                         [](const auto& info) { return info.param.model + "_" + info.param.platform; });

}  // namespace
}  // namespace ppq::test
