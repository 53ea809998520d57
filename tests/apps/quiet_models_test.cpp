// Good models are quantized without a coded warning.
#include "apps/command.h"

namespace ppq::test {
namespace {

struct QuietModel {
  const char *name, *platform;
  std::vector<std::string> images;  ///< their preprocessing
};

class QuietModels : public testing::TestWithParam<QuietModel> {};

TEST_P(QuietModels, HaveNothingToWarnOf) {
  PPQ_REQUIRE_SHARED();
  const std::string folder = temporary_dir("quiet");
  size_t count = 0;
  std::filesystem::create_directories(folder + "/images");
  for (const std::string& name : files_in(shared("data/imagenet/images")))
    if (name.ends_with(".jpg") && count++ < 8)
      std::filesystem::create_symlink(shared("data/imagenet/images/" + name), folder + "/images/" + name);
  std::vector<std::string> arguments = {"--model",    shared("models/" + std::string(GetParam().name) + "/model.onnx"),
                                        "--calib",    folder + "/images",
                                        "--platform", GetParam().platform,
                                        "--device",   test_device_name(),
                                        "--observer", "minmax",
                                        "--output",   folder + "/out"};
  arguments.insert(arguments.end(), GetParam().images.begin(), GetParam().images.end());
  const Result result = ppq_torch(arguments);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(Json::parse(read_file(folder + "/out/report.json"))["warning_details"], Json::array());
}

INSTANTIATE_TEST_SUITE_P(
    Shared, QuietModels,
    testing::Values(
        QuietModel{"mobilenet_v1_025_128_imagenet",
                   "qnn_htp_int8",
                   {"--resize-shorter", "146", "--crop", "128x128", "--mean", "128,128,128", "--std", "128,128,128", "--color", "rgb"}},
        QuietModel{"squeezenet1_0_imagenet",
                   "qnn_dsp_int8",
                   {"--resize-shorter", "256", "--crop", "227x227", "--mean", "104,117,123", "--std", "1,1,1", "--color", "bgr"}},
        QuietModel{"efficientnet_lite0_imagenet",
                   "qnn_dsp_int8",
                   {"--resize-shorter", "256", "--crop", "224x224", "--mean", "127,127,127", "--std", "128,128,128", "--color", "rgb"}}),
    [](const auto& info) { return std::string(info.param.name).substr(0, 9) + std::to_string(info.index); });

}  // namespace
}  // namespace ppq::test
