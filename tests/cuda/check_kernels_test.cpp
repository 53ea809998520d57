// scripts/check_kernels, tried on two small objects that differ in one word (tests/cuda/host_call.cu).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <sstream>
#include <stdexcept>
#include <string>

#include "support/python.h"

namespace ppq::test {
namespace {

struct Checked {
  int code;
  std::string output;
};

Checked check(const std::string& option, const std::string& object) {
  std::ostringstream line;
  line << "'" << PPQ_TEST_PYTHON << "' '" << PPQ_SOURCE_DIR << "/scripts/check_kernels' " << option << " '" << object << "' 2>&1";
  const std::string command = line.str();
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (!pipe) throw std::runtime_error("cannot run " + command);
  std::string output;
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, n);
  const int status = ::pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, output};
}

class CheckKernels : public testing::Test {
 protected:
  void SetUp() override {
    if (std::string(PPQ_HOST_CALL_WRONG).empty()) GTEST_SKIP() << "a build without CUDA: nvcc compiled nothing to look at";
    if (!have_python()) GTEST_SKIP() << "no Python: run scripts/setup --tests";
  }
};

TEST_F(CheckKernels, AHostCallOfADeviceFunctionIsFoundWithItsCaller) {
  const Checked wrong = check("--host-calls", PPQ_HOST_CALL_WRONG);
  EXPECT_EQ(wrong.code, 1) << wrong.output;
  EXPECT_THAT(wrong.output, testing::AnyOf(testing::HasSubstr("launch_fill("), testing::HasSubstr("grid_of<float>")));
  EXPECT_THAT(wrong.output, testing::HasSubstr("1 problems"));
}

TEST_F(CheckKernels, ItsTwinThatTheHostHasTooIsFine) {
  const Checked right = check("--host-calls", PPQ_HOST_CALL_RIGHT);
  EXPECT_EQ(right.code, 0) << right.output;
}

TEST_F(CheckKernels, WhatIsNoObjectIsAnError) { EXPECT_EQ(check("--host-calls", "/no/such/object.o").code, 1); }

}  // namespace
}  // namespace ppq::test
