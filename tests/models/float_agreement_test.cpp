// Every real model gives what onnxruntime gives, within 1e-4 of the output's largest magnitude.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iostream>

#include "core/file.h"
#include "executor/host_waits.h"
#include "ppq/executor.h"
#include "ppq/onnx.h"
#include "support/python.h"
#include "support/share.h"

namespace ppq::test {
namespace {

struct ModelCase {
  const char* file;                     ///< below models/
  std::vector<int> batches;             ///< 3 too where the model's batch is symbolic
  std::vector<std::string> dimensions;  ///< NAME=NUMBER of other free dimensions and scalar inputs
};

const std::vector<ModelCase> kModels{
    {"antispoof_minifasnet_v1se/model.onnx", {1, 3}},
    {"efficientnet_lite0_imagenet/model.onnx", {1, 3}},
    {"lprnet_ccpd/model.onnx", {1}},
    {"mlperf_tiny_ad_autoencoder/model.onnx", {1, 3}},
    {"mlperf_tiny_kws_dscnn/model.onnx", {1, 3}},
    {"mlperf_tiny_resnet8_cifar10/model.onnx", {1, 3}},
    {"mnist_cnn/model.onnx", {1}},
    {"mobilenet_v1_025_128_imagenet/model.onnx", {1, 3}},
    {"mobilenet_v1_050_160_imagenet/model.onnx", {1, 3}},
    {"ppocr_cls/model.onnx", {1, 3}, {"?2=48", "?3=192"}},
    {"ppocr_cls/model_fixed.onnx", {1}},
    {"resnet20_cifar10/model.onnx", {1, 3}},
    {"resnet20_cifar10/model_bn.onnx", {1, 3}},
    {"resnet20_cifar10/model_opset17.onnx", {1, 3}},
    {"retinaface_mnet025/model.onnx", {1}},
    {"silero_vad/model.onnx", {1, 3}, {"sequence=576", "sr=16000"}},
    {"silero_vad/model.onnx", {1, 3}, {"sequence=288", "sr=8000"}},
    {"squeezenet1_0_imagenet/model.onnx", {1, 3}},
    {"superres_espcn_x3/model.onnx", {1, 3}},
    {"ultraface_rfb320/model.onnx", {1}},
    {"ultraface_rfb320/model_simplified.onnx", {1}},
    {"ultraface_rfb320/model_without_postprocessing.onnx", {1}},
};

bool has_control_flow(const Graph& graph) {
  const auto nodes = graph.nodes();
  return std::any_of(nodes.begin(), nodes.end(),
                     [](const Node* n) { return n->op_type == "If" || n->op_type == "Loop" || n->op_type == "Scan"; });
}

Tensors read_all(const std::string& folder, const std::string& stem, size_t count) {
  Tensors tensors;
  for (size_t i = 0; i < count; ++i) tensors.push_back(read_tensor_proto(folder + "/" + stem + "_" + std::to_string(i) + ".pb"));
  return tensors;
}

class FloatAgreement : public ::testing::TestWithParam<size_t> {};

TEST_P(FloatAgreement, WithOnnxruntime) {
  PPQ_REQUIRE_SHARED();
  PPQ_REQUIRE_PYTHON();
  const ModelCase& model = kModels[GetParam()];
  const std::string path = shared(std::string("models/") + model.file),
                    script = read_file(PPQ_SOURCE_DIR "/tests/models/run_onnxruntime.py");
  const auto graph = read_onnx(path);
  const auto program = lower(*graph, {});
  for (int batch : model.batches) {
    const std::string folder = temporary_dir("agreement");
    std::vector<std::string> arguments{path, folder, std::to_string(batch), shared("")};
    arguments.insert(arguments.end(), model.dimensions.begin(), model.dimensions.end());
    run_python(script, arguments);
    ASSERT_FALSE(HasFailure());
    size_t input_count = 0;
    while (std::filesystem::exists(folder + "/input_" + std::to_string(input_count) + ".pb")) ++input_count;
    const Tensors expected = read_all(folder, "output", graph->outputs().size());
    const Tensors inputs = read_all(folder, "input", input_count);
    const HostWaits waits(at::kCPU);
    const Tensors actual = run(*program, inputs);
    // Control flow asks for its condition; nothing else may make a device wait, or a batch could not be recorded as a CUDA graph.
    if (!has_control_flow(*graph)) {
      EXPECT_EQ(waits.count(), 0u) << waits.first();
    }
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(actual[i].scalar_type(), expected[i].scalar_type());
      ASSERT_EQ(actual[i].sizes(), expected[i].sizes());
      const double largest = expected[i].abs().max().item().toDouble(), worst = (actual[i] - expected[i]).abs().max().item().toDouble();
      EXPECT_GT(largest, 0);
      EXPECT_LE(worst, 1e-4 * largest) << model.file << ", batch " << batch << ", output " << i;
      std::cout << model.file << " batch " << batch << " output " << i << ": largest difference " << worst / largest << " of " << largest
                << "\n";
    }
  }
}

std::string case_name(const ::testing::TestParamInfo<size_t>& info) {
  std::string name = kModels[info.param].file;
  for (const std::string& dimension : kModels[info.param].dimensions) name += "_" + dimension;
  name.erase(std::remove_if(name.begin(), name.end(), [](unsigned char c) { return c == '?'; }), name.end());
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Models, FloatAgreement, ::testing::Range<size_t>(0, kModels.size()), case_name);

/// A model that is added to the share must be added here.
TEST(FloatAgreementList, NamesEveryModel) {
  PPQ_REQUIRE_SHARED();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(shared("models"))) {
    if (entry.path().extension() != ".onnx") continue;
    const std::string file = std::filesystem::relative(entry.path(), shared("models")).string();
    EXPECT_TRUE(std::any_of(kModels.begin(), kModels.end(), [&](const ModelCase& m) { return file == m.file; })) << file;
  }
}

}  // namespace
}  // namespace ppq::test
