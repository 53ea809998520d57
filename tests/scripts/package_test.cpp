// scripts/package: its launcher against LibTorch folders that are right and wrong; scripts/check_device where there is no device.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>

#include "core/file.h"
#include "support/places.h"
#include "support/python.h"
#include "support/share.h"

namespace ppq::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

std::pair<std::string, int> shell(const std::string& command) {
  std::FILE* pipe = ::popen(("{ " + command + "; } 2>&1").c_str(), "r");
  std::string output;
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, n);
  return {output, WEXITSTATUS(::pclose(pipe))};
}

/// A package's launcher, for torch 2.11.0 with CUDA 13, and a LibTorch folder with what is said to be there.
class WithLibTorch : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ + "/libexec");
    fs::create_directories(folder_ + "/lib");
    std::string text = read_file(PPQ_SOURCE_DIR "/scripts/with_libtorch");
    for (const auto& [name, value] :
         {std::pair("@TORCH_VERSION@", "2.11.0"), {"@CUDA_MAJOR@", "13"}, {"@GLIBC_VERSION@", "2.17"}, {"@GLIBCXX_VERSION@", "3.4"}}) {
      ASSERT_NE(text.find(name), std::string::npos) << name;
      text.replace(text.find(name), std::string(name).size(), value);
    }
    write_file(folder_ + "/libexec/with_libtorch", text);
    torch({"lib/libtorch.so", "lib/libtorch_cuda.so"}, "2.11.0+cu130");
    put("site/nvidia/cu13/lib/libcudart.so.13");
  }
  void put(const std::string& file, const std::string& text = "x") {
    fs::create_directories(fs::path(folder_ + "/" + file).parent_path());
    write_file(folder_ + "/" + file, text);
  }
  void torch(const std::vector<std::string>& files, const std::string& version) {
    fs::remove_all(folder_ + "/site/torch");
    for (const std::string& file : files) put("site/torch/" + file);
    if (!version.empty()) put("site/torch/version.py", "from x import y\n__version__ = '" + version + "'\ncuda = '13.0'\n");
  }
  std::pair<std::string, int> launch(const std::string& environment) {
    return shell("cd '" + folder_ + "' && " + environment + " sh libexec/with_libtorch sh -c 'echo \"$LD_LIBRARY_PATH\"; exit 3'");
  }
  std::pair<std::string, int> launch_here() { return launch("PPQ_LIBTORCH='" + folder_ + "/site/torch'"); }
  const std::string folder_ = fs::canonical(temporary_dir("launcher")).string();
};

TEST_F(WithLibTorch, RunsTheProgramBesideItsLibraries) {
  const auto [output, code] = launch_here();
  EXPECT_EQ(code, 3) << output;
  EXPECT_THAT(output, AllOf(HasSubstr(folder_ + "/lib:"), HasSubstr("/site/torch/lib"), HasSubstr("nvidia/cu13/lib")));
  put("python", "#!/bin/sh\necho '" + folder_ + "/site/torch'\n");
  fs::permissions(folder_ + "/python", fs::perms::owner_all);
  EXPECT_EQ(launch("PPQ_PYTHON=./python").second, 3);
  torch({"lib/libtorch.so", "lib/libtorch_cuda.so"}, "");
  put("site/torch/build-version", "2.11.1+cu130\n");
  EXPECT_EQ(launch_here().second, 3) << "PyTorch's own download, and a later patch";
}

TEST_F(WithLibTorch, SaysWhatIsWrong) {
  auto expect = [&](std::pair<std::string, int> ran, const std::string& text) {
    EXPECT_EQ(ran.second, 4) << text;
    EXPECT_THAT(ran.first, AllOf(testing::StartsWith("error: [LibTorch] "), HasSubstr(text), HasSubstr(" Hint: ")));
  };
  expect(launch("PPQ_PYTHON=/nowhere/python"), "/nowhere/python does not run");
  put("python", "#!/bin/sh\necho\n");
  fs::permissions(folder_ + "/python", fs::perms::owner_all);
  expect(launch("PPQ_PYTHON=./python"), "./python has none");
  expect(launch("PPQ_LIBTORCH=/nowhere"), "no lib/libtorch.so in /nowhere");
  torch({"lib/libtorch.so", "lib/libtorch_cuda.so"}, "2.12.0+cu130");
  expect(launch_here(), "got 2.12.0+cu130, expected 2.11");
  torch({"lib/libtorch.so", "lib/libtorch_cuda.so"}, "2.1.10");
  expect(launch_here(), "got 2.1.10, expected 2.11");
  torch({"lib/libtorch.so", "lib/libtorch_cuda.so"}, "");
  expect(launch_here(), "got none that can be read");
  torch({"lib/libtorch.so"}, "2.11.0+cpu");
  expect(launch_here(), "has no CUDA");
  torch({"lib/libtorch.so", "lib/libtorch_cuda.so"}, "2.11.0+cu126");
  fs::remove_all(folder_ + "/site/nvidia");
  if (shell("ldconfig -p | grep -q libcudart.so.13").second != 0) expect(launch_here(), "no libcudart.so.13");
  put("site/nvidia/cu13/lib/libcudart.so.13");
  const std::string file = folder_ + "/libexec/with_libtorch", text = read_file(file);
  write_file(file, std::string(text).replace(text.find("glibc=2.17"), 10, "glibc=9.99"));
  expect(launch_here(), "expected 9.99 or newer");
  write_file(file, std::string(text).replace(text.find("glibcxx=3.4"), 11, "glibcxx=9.9"));
  expect(launch_here(), "expected one with GLIBCXX_9.9");
}

TEST(CheckDevice, WithoutADeviceItSaysSo) {
  if (!have_python()) GTEST_SKIP() << "no Python: run scripts/setup --tests";
  const std::string check = "'" + test_python() + "' '" PPQ_SOURCE_DIR "/scripts/check_device' --build '" PPQ_BUILD_DIR "' ";
  auto [output, code] = shell(check + "--parts tests,nonsense");
  EXPECT_EQ(code, 2);
  EXPECT_THAT(output, HasSubstr("unknown nonsense"));
  std::tie(output, code) = shell("cd '" + temporary_dir("check_device") + "' && CUDA_VISIBLE_DEVICES= " + check);
  EXPECT_EQ(code, 4);
  EXPECT_THAT(output, HasSubstr("no CUDA device"));
}

}  // namespace
}  // namespace ppq::test
