// An out-of-tree project finds the installed package, and the example built with it runs.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "support/share.h"

namespace ppq::test {
namespace {

/// Output and exit code of a shell command.
std::pair<std::string, int> shell(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::string output;
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, n);
  return {output, WEXITSTATUS(::pclose(pipe))};
}

TEST(Package, FindPackageBuildsAndRunsTheExample) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "a library with sanitizers links only into programs with sanitizers";
#endif
  const std::string folder = temporary_dir("package"), prefix = folder + "/prefix", build = folder + "/build";
  const auto installed = shell("'" PPQ_CMAKE "' --install '" PPQ_BUILD_DIR "' --component library --prefix '" + prefix + "'");
  ASSERT_EQ(installed.second, 0) << installed.first;
  for (const char* file : {"/include/ppq/ppq.h", "/include/ppq/quantizer.h"}) EXPECT_TRUE(std::filesystem::exists(prefix + file)) << file;

  const auto configured = shell("'" PPQ_CMAKE "' -S '" PPQ_SOURCE_DIR "/tests/package' -B '" + build +
                                "' -G '" PPQ_GENERATOR "' -DCMAKE_MAKE_PROGRAM='" PPQ_MAKE_PROGRAM "' -DCMAKE_PREFIX_PATH='" + prefix +
                                "' -DEXAMPLE='" PPQ_SOURCE_DIR "/examples/deploy_snpe_dsp.cpp'");
  ASSERT_EQ(configured.second, 0) << configured.first;
  const auto built = shell("'" PPQ_CMAKE "' --build '" + build + "'");
  ASSERT_EQ(built.second, 0) << built.first;

  const auto usage = shell("'" + build + "/deploy'");
  EXPECT_EQ(usage.second, 2) << usage.first;
  EXPECT_NE(usage.first.find("usage:"), std::string::npos) << usage.first;
  const auto missing = shell("'" + build + "/deploy' '" + folder + "/none.onnx' '" + folder + "' cpu");
  EXPECT_NE(missing.first.find("error: ["), std::string::npos) << missing.first;
}

TEST(Package, WrongPlaceOfLibTorchIsSaid) {
  const std::string folder = temporary_dir("package"), prefix = folder + "/prefix";
  ASSERT_EQ(shell("'" PPQ_CMAKE "' --install '" PPQ_BUILD_DIR "' --component library --prefix '" + prefix + "'").second, 0);
  const auto configured = shell("'" PPQ_CMAKE "' -S '" PPQ_SOURCE_DIR "/tests/package' -B '" + folder +
                                "/build' -G '" PPQ_GENERATOR "' -DCMAKE_MAKE_PROGRAM='" PPQ_MAKE_PROGRAM "' -DCMAKE_PREFIX_PATH='" +
                                prefix + "' -DEXAMPLE=x.cpp -DPPQ_TORCH_ROOT=/nowhere");
  EXPECT_NE(configured.second, 0);
  EXPECT_NE(configured.first.find("/nowhere/include/ATen/ATen.h is not there"), std::string::npos) << configured.first;
}

}  // namespace
}  // namespace ppq::test
