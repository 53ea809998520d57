// A run that was cut short after calibration, and what --resume makes of it.
#include "apps/command.h"

namespace ppq::test {
namespace {

class Resume : public testing::Test {
 protected:
  Workspace work_{"resume"};
  const std::string output_ = work_.folder + "/out", kept_ = output_ + "/.calibration.json";

  void SetUp() override {
    cut_short();
    EXPECT_EQ(files_in(output_), std::vector<std::string>{".calibration.json"}) << "a failed run leaves no result";
  }
  void cut_short() {
    // Calibration succeeds, the analysis meets a NaN.
    at::Tensor sample = noise({1, 3, 8, 8}, 9);
    sample[0][0][0][0] = std::numeric_limits<float>::quiet_NaN();
    write_npy(work_.folder + "/eval/broken.npy", sample);
    ASSERT_EQ(ppq_torch(work_.quantize({"--output", output_, "--eval", work_.folder + "/eval"})).code, 5);
    ASSERT_TRUE(std::filesystem::exists(kept_));
  }
  double image_max() const {
    return Json::parse(read_file(output_ + "/quantized.table")).at("activation_encodings").at("image").at(0).at("max").get<double>();
  }
};

TEST_F(Resume, TakesTheKeptNumbersInsteadOfReadingTheSamples) {
  Json kept = Json::parse(read_file(kept_));
  for (Json& item : kept["calibration"])
    if (item["tensor"] == "image") item["scale"]["values"][0] = 0.5, item["offset"]["values"][0] = 128;
  write_file(kept_, kept.dump());
  const Result result = ppq_torch(work_.quantize({"--output", output_, "--resume"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NEAR(image_max(), 0.5 * (255 - 128), 1e-6) << "the number that was put there, not the samples' own";
  EXPECT_FALSE(std::filesystem::exists(kept_)) << "a finished run needs it no more";
}

TEST_F(Resume, GivesWhatAnUninterruptedRunGives) {
  ASSERT_EQ(ppq_torch(work_.quantize({"--output", output_, "--resume"})).code, 0);
  ASSERT_EQ(ppq_torch(work_.quantize({"--output", work_.folder + "/whole"})).code, 0);
  for (const char* name : {"/quantized.onnx", "/quantized.table", "/setting.json"})
    EXPECT_EQ(read_file(output_ + name), read_file(work_.folder + "/whole" + name)) << name;
}

TEST_F(Resume, RefusesAnotherSettingOrAnotherSample) {
  const Result other = ppq_torch(work_.quantize({"--output", output_, "--resume", "--observer", "minmax"}));
  EXPECT_EQ(other.code, 2) << other.err;
  EXPECT_THAT(other.err, HasSubstr("what differs: setting"));
  write_npy(work_.samples + "/2.npy", 4 * noise({1, 3, 8, 8}, 9));
  const Result more = ppq_torch(work_.quantize({"--output", output_, "--resume"}));
  EXPECT_EQ(more.code, 2) << more.err;
  EXPECT_THAT(more.err, HasSubstr("what differs: samples"));
  ASSERT_EQ(ppq_torch(work_.quantize({"--output", output_})).code, 0) << "without --resume it starts anew";
  EXPECT_GT(image_max(), 2);
}

TEST_F(Resume, RefusesOtherRules) {
  const std::string rules = work_.folder + "/rules.json";
  const auto put = [&](int bits) {
    write_file(rules, R"({"name": "mine", "like": "qnn_dsp_int8", "slots": [{"role": "weight", "bits": )" + std::to_string(bits) + "}]}");
  };
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--platform", rules, "--output", output_});
    return ppq_torch(work_.quantize(more));
  };
  put(6);
  ASSERT_EQ(run({"--eval", work_.folder + "/eval"}).code, 5);
  put(5);
  const Result other = run({"--resume"});
  EXPECT_EQ(other.code, 2) << other.err;
  EXPECT_THAT(other.err, HasSubstr("what differs: rules"));
  put(6);
  EXPECT_EQ(run({"--resume"}).code, 0);
}

TEST_F(Resume, RefusesOptionsThatMoveTheNumbers) {
  const Result other = ppq_torch(work_.quantize({"--output", output_, "--resume", "--allow-tf32"}));
  EXPECT_EQ(other.code, 2) << other.err;
  EXPECT_THAT(other.err, HasSubstr("what differs: allow-tf32"));
  EXPECT_EQ(ppq_torch(work_.quantize({"--output", output_, "--resume", "--layerwise-samples", "1"})).code, 0) << "this one moves none";
}

TEST_F(Resume, KnowsTheFilesThatAListNames) {
  const std::string list = work_.folder + "/list.txt", output = work_.folder + "/listed";
  write_file(list, "samples/0.npy\nsamples/1.npy\nsamples/2.npy\nsamples/3.npy\n");
  ASSERT_EQ(ppq_torch(work_.quantize({"--output", output, "--calib", list, "--eval", work_.folder + "/eval"})).code, 5);
  write_npy(work_.samples + "/1.npy", 4 * noise({1, 3, 8, 8}, 9));
  const Result result = ppq_torch(work_.quantize({"--output", output, "--calib", list, "--resume"}));
  EXPECT_EQ(result.code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("what differs: samples"));
}

TEST_F(Resume, WithoutAnInterruptedRunItStartsAnew) {
  const Result result = ppq_torch(work_.quantize({"--output", work_.folder + "/fresh", "--resume"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("calibrating anew"));
}

TEST_F(Resume, ABrokenFileCalibratesAnew) {
  write_file(kept_, read_file(kept_).substr(0, 100));
  const Result result = ppq_torch(work_.quantize({"--output", output_, "--resume"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, testing::AllOf(HasSubstr("cannot be read"), HasSubstr("calibrating anew")));
}

}  // namespace
}  // namespace ppq::test
