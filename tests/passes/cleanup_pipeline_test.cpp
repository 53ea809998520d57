#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>

#include "passes/rewritten.h"
#include "support/device.h"
#include "support/share.h"

namespace ppq::test {
namespace {

struct Cleaned {
  std::unique_ptr<Graph> before, after;
  std::map<std::string, size_t> counts;  ///< of operator types, after
};

Cleaned clean(const std::string& relative) {
  Cleaned out;
  out.before = read_onnx(shared("models/" + relative));
  out.after = out.before->clone();
  PassContext context;
  context.device = test_device();
  context.verify = true;
  run_passes(*out.after, cleanup_pipeline(), context);
  for (const auto& type : types_of(*out.after)) ++out.counts[type];
  return out;
}

std::vector<std::string> names_of(const std::vector<Value*>& values) {
  std::vector<std::string> names;
  for (const Value* value : values) names.push_back(value->name());
  return names;
}

/// Unknown dimensions of inputs that other samples than zeros and 2 are needed for.
Tensors inputs_of(const Graph& graph, const std::string& model, int64_t batch) {
  if (model.starts_with("silero_vad"))
    return {at::randn({batch, 512}) * 0.1, at::zeros({2, batch, 128}), at::scalar_tensor(16000, at::kLong)};
  if (model == "ppocr_cls/model.onnx") return {at::randn({batch, 3, 48, 192})};
  return random_inputs(graph, batch);
}

class RealModel : public testing::TestWithParam<const char*> {};

TEST_P(RealModel, ResultsStayTheSame) {
  PPQ_REQUIRE_SHARED();
  const Cleaned r = clean(GetParam());
  std::string listed;
  for (const auto& [type, count] : r.counts) listed += " " + type + ":" + std::to_string(count);
  std::printf("%s: %zu nodes -> %zu:%s\n", GetParam(), r.before->node_count(), r.after->node_count(), listed.c_str());
  EXPECT_NO_THROW(check_onnx(*r.after));
  EXPECT_EQ(names_of(r.before->inputs()), names_of(r.after->inputs()));
  EXPECT_EQ(names_of(r.before->outputs()), names_of(r.after->outputs()));
  EXPECT_LE(r.after->node_count(), r.before->node_count());
  for (const char* gone : {"BatchNormalization", "Identity", "Dropout", "Constant"}) EXPECT_EQ(r.counts.count(gone), 0u) << gone;
  const auto& shape = *r.before->inputs()[0]->shape;
  for (int64_t batch : {1, 2}) {
    if (batch > 1 && shape[0].known()) break;
    const Tensors inputs = inputs_of(*r.before, GetParam(), batch);
    EXPECT_LE(relative_difference(run_float(*r.after, inputs), run_float(*r.before, inputs)), 1e-5) << "batch " << batch;
  }
}

INSTANTIATE_TEST_SUITE_P(Shared, RealModel,
                         testing::Values("antispoof_minifasnet_v1se/model.onnx", "efficientnet_lite0_imagenet/model.onnx",
                                         "lprnet_ccpd/model.onnx", "mlperf_tiny_ad_autoencoder/model.onnx",
                                         "mlperf_tiny_kws_dscnn/model.onnx", "mlperf_tiny_resnet8_cifar10/model.onnx",
                                         "mnist_cnn/model.onnx", "mobilenet_v1_025_128_imagenet/model.onnx",
                                         "mobilenet_v1_050_160_imagenet/model.onnx", "ppocr_cls/model.onnx", "ppocr_cls/model_fixed.onnx",
                                         "resnet20_cifar10/model.onnx", "resnet20_cifar10/model_bn.onnx",
                                         "resnet20_cifar10/model_opset17.onnx", "retinaface_mnet025/model.onnx", "silero_vad/model.onnx",
                                         "squeezenet1_0_imagenet/model.onnx", "superres_espcn_x3/model.onnx", "ultraface_rfb320/model.onnx",
                                         "ultraface_rfb320/model_simplified.onnx", "ultraface_rfb320/model_without_postprocessing.onnx"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
                           return name;
                         });

TEST(CleanupPipeline, EveryModelIsListed) {
  PPQ_REQUIRE_SHARED();
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(shared("models"))) {
    if (entry.path().extension() == ".onnx") files.insert(entry.path().string());
  }
  EXPECT_EQ(files.size(), 21u) << "list new models in RealModel";
}

TEST(CleanupPipeline, ShapeChainsGo) {
  PPQ_REQUIRE_SHARED();
  for (const char* model : {"ultraface_rfb320/model.onnx", "ultraface_rfb320/model_without_postprocessing.onnx",
                            "resnet20_cifar10/model.onnx", "resnet20_cifar10/model_bn.onnx", "antispoof_minifasnet_v1se/model.onnx"}) {
    const auto counts = clean(model).counts;
    for (const char* gone : {"Shape", "Gather", "Unsqueeze", "ConstantOfShape", "Cast"})
      EXPECT_EQ(counts.count(gone), 0u) << model << " " << gone;
  }
}

TEST(CleanupPipeline, BatchNormsGoIntoConvolutions) {
  PPQ_REQUIRE_SHARED();
  const auto ppocr = clean("ppocr_cls/model.onnx").counts;
  EXPECT_EQ(ppocr.at("Conv"), 53u);
  EXPECT_EQ(clean("ultraface_rfb320/model.onnx").counts.at("Conv"), 52u);
  EXPECT_EQ(clean("resnet20_cifar10/model_bn.onnx").counts.at("Conv"), 19u);
}

TEST(CleanupPipeline, ADeclaredBatchOfOneStillRunsAsTwo) {
  PPQ_REQUIRE_SHARED();
  const Cleaned r = clean("ultraface_rfb320/model_without_postprocessing.onnx");
  // Take the declared 1 away: only what the nodes say is left.
  (*r.after->inputs()[0]->shape)[0] = {};
  const Tensors x = random_inputs(*r.before);
  const Tensors one = run_float(*r.after, x), two = run_float(*r.after, {at::cat({x[0], x[0]})});
  for (size_t i = 0; i < one.size(); ++i) EXPECT_LE(relative_difference({two[i].narrow(0, 1, 1)}, {one[i]}), 1e-5);
}

}  // namespace
}  // namespace ppq::test
