// The switch that moves the tests to a device (support/device.h): a device that cannot be used is no silent success.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "support/device.h"
#include "support/thrown.h"

namespace ppq::test {
namespace {

struct Ran {
  int code;
  std::string output;
};

/// This program once more, without tests, under another PPQ_TEST_DEVICE.
Ran with_device(const std::string& name) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command = "PPQ_TEST_DEVICE='" + name + "' '" + self + "' --gtest_filter=None.OfThem 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  std::string output;
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, n);
  const int status = ::pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, output};
}

TEST(TestDevice, WhatIsNoDeviceEndsTheProgram) {
  const Ran ran = with_device("gpu");
  EXPECT_EQ(ran.code, 2) << ran.output;
  EXPECT_THAT(ran.output, testing::HasSubstr("PPQ_TEST_DEVICE=gpu: nothing was tested: [device] unknown device"));
}

TEST(TestDevice, ADeviceThatCannotBeUsedEndsTheProgram) {
  ASSERT_EQ(thrown([] { resolve_device("cuda:999"); }).kind(), ErrorKind::Unsupported);
  const Ran ran = with_device("cuda:999");
  EXPECT_EQ(ran.code, 4) << ran.output;
  EXPECT_THAT(ran.output, testing::HasSubstr("PPQ_TEST_DEVICE=cuda:999: nothing was tested: "));
}

TEST(TestDevice, TheCpuIsTheUsualOne) { EXPECT_EQ(with_device("cpu").code, 0); }

}  // namespace
}  // namespace ppq::test
