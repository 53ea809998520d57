#include "core/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace ppq {
namespace {

using testing::HasSubstr;
using testing::internal::CaptureStderr;
using testing::internal::GetCapturedStderr;

class Log : public testing::Test {
 protected:
  void SetUp() override { before_ = log_config(); }
  void TearDown() override { configure_log(before_); }
  /// What goes to stderr while all four levels speak.
  static std::string all_levels(const LogConfig& config) {
    configure_log(config);
    CaptureStderr();
    log_debug("one"), log_info("two"), log_warning("three"), log_error("four");
    return GetCapturedStderr();
  }

 private:
  LogConfig before_;
};

TEST_F(Log, LevelsDecideWhatIsSaid) {
  EXPECT_EQ(all_levels({LogLevel::Quiet, false, true}), "warning: three\nerror: four\n");
  EXPECT_EQ(all_levels({LogLevel::Normal, false, true}), "two\nwarning: three\nerror: four\n");
  EXPECT_EQ(all_levels({LogLevel::Verbose, false, true}), "one\ntwo\nwarning: three\nerror: four\n");
}

TEST_F(Log, JsonIsOneObjectALine) {
  configure_log({LogLevel::Normal, true, true});
  CaptureStderr();
  log_warning("a \"quoted\"\nline of \xff bytes");
  log_error("x");
  std::istringstream lines(GetCapturedStderr());
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json.at("level"), "warning");
  EXPECT_THAT(json.at("message").get<std::string>(), HasSubstr("a \"quoted\"\nline of "));
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(nlohmann::json::parse(line), nlohmann::json({{"level", "error"}, {"message", "x"}}));
  EXPECT_FALSE(std::getline(lines, line));
}

std::string progress(const LogConfig& config) {
  configure_log(config);
  CaptureStderr();
  {
    ProgressBar bar("calibrate", 10, "samples");
    for (size_t i = 1; i <= 10; ++i) bar.update(i);
    bar.finish();
    bar.finish();
  }
  return GetCapturedStderr();
}

TEST_F(Log, ProgressEndsInOneLineWithTheRate) {
  EXPECT_THAT(progress({LogLevel::Normal, false, true}),
              testing::MatchesRegex("calibrate: 10 samples in [0-9.]+ s \\([0-9.]+ samples/s\\)\n"));
}

TEST_F(Log, ProgressIsSilentWhenAskedTo) {
  EXPECT_EQ(progress({LogLevel::Quiet, false, true}), "");
  EXPECT_EQ(progress({LogLevel::Normal, false, false}), "");
}

TEST_F(Log, ProgressInJson) {
  const auto json = nlohmann::json::parse(progress({LogLevel::Normal, true, true}));
  EXPECT_EQ(json.at("level"), "progress");
  EXPECT_EQ(json.at("done"), 10);
  EXPECT_EQ(json.at("total"), 10);
}

TEST_F(Log, AStepThatNeverBeganSaysNothing) {
  configure_log({LogLevel::Normal, false, true});
  CaptureStderr();
  { ProgressBar bar("calibrate", 10, "samples"); }
  EXPECT_EQ(GetCapturedStderr(), "");
}

}  // namespace
}  // namespace ppq
