#include "calibration/calibration_file.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/file.h"
#include "ppq/error.h"
#include "support/share.h"

namespace ppq::passes {
namespace {

using testing::HasSubstr;

std::vector<CalibratedTensor> two() {
  const at::Tensor channels = at::empty({3});
  channels[0] = 1.0f / 3, channels[1] = 1e-30f, channels[2] = 0.1f;
  return {{"image", "mse", {at::scalar_tensor(0.017f), at::scalar_tensor(128.0f)}},
          {"weird \"name\"\n", "minmax", {channels, at::zeros({3})}}};
}

TEST(CalibrationFile, ReadsBackTheSameBits) {
  Checkpoint point{test::temporary_dir("calibration_file") + "/kept.json", "finger", true};
  save_calibration(point, two());
  std::string why;
  const auto read = load_calibration(point, why);
  ASSERT_TRUE(read) << why;
  ASSERT_EQ(read->size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ((*read)[i].tensor, two()[i].tensor);
    EXPECT_EQ((*read)[i].observer, two()[i].observer);
    EXPECT_TRUE(at::equal((*read)[i].params.scale, two()[i].params.scale));
    EXPECT_EQ((*read)[i].params.scale.sizes(), two()[i].params.scale.sizes());
    EXPECT_TRUE(at::equal((*read)[i].params.offset, two()[i].params.offset));
  }
}

TEST(CalibrationFile, SaysWhyItIsNotUsed) {
  const std::string folder = test::temporary_dir("calibration_why");
  Checkpoint point{folder + "/kept.json", "finger", true};
  std::string why;
  EXPECT_FALSE(load_calibration(point, why));
  EXPECT_THAT(why, HasSubstr("no calibration"));
  save_calibration(point, two());
  write_file(point.file, "{\"fingerprint\": \"finger\"}");
  EXPECT_FALSE(load_calibration(point, why));
  EXPECT_THAT(why, HasSubstr("cannot be read"));
}

TEST(CalibrationFile, NamesThePartsThatDiffer) {
  Checkpoint point{test::temporary_dir("calibration_parts") + "/kept.json", R"({"model": "1", "samples": "2", "setting": "3"})", true};
  save_calibration(point, two());
  point.fingerprint = R"({"model": "1", "samples": "9", "setting": "8"})";
  std::string why;
  try {
    load_calibration(point, why);
    FAIL() << "numbers of other samples were taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Usage);
    EXPECT_THAT(error.what(), HasSubstr("what differs: samples, setting"));
  }
}

TEST(CalibrationFile, NothingIsReadOrWrittenUnasked) {
  const std::string folder = test::temporary_dir("calibration_unasked");
  save_calibration({}, two());
  Checkpoint point{folder + "/kept.json", "finger", false};
  save_calibration(point, two());
  std::string why;
  EXPECT_FALSE(load_calibration(point, why));
  EXPECT_EQ(why, "");
  EXPECT_TRUE(std::filesystem::exists(point.file));
}

}  // namespace
}  // namespace ppq::passes
