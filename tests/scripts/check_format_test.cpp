// scripts/check_format in a checkout of its own: what it notices, mends and leaves alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>

#include "core/file.h"
#include "support/python.h"
#include "support/share.h"

namespace ppq::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class CheckFormat : public testing::Test {
 protected:
  void SetUp() override {
    PPQ_REQUIRE_PYTHON();  // clang-format comes with it
    fs::create_directories(folder_ + "/scripts");
    fs::copy(PPQ_SOURCE_DIR "/scripts/check_format", folder_ + "/scripts/check_format");
    fs::copy(PPQ_SOURCE_DIR "/.clang-format", folder_ + "/.clang-format");
    write_file(folder_ + "/good.cpp", "int good() { return 1; }\n");
  }
  std::pair<std::string, int> shell(const std::string& command) {
    std::FILE* pipe = ::popen(("{ cd '" + folder_ + "' && " + command + "; } 2>&1").c_str(), "r");
    std::string output;
    char buffer[4096];
    while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, n);
    return {output, WEXITSTATUS(::pclose(pipe))};
  }
  std::pair<std::string, int> check(const std::string& option = "", const std::string& before = "") {
    const std::string tool = fs::path(PPQ_TEST_PYTHON).parent_path().string() + "/clang-format";
    return shell("PPQ_CLANG_FORMAT='" + tool + "' " + before + " scripts/check_format " + option);
  }
  void track(const std::string& files) { ASSERT_EQ(shell("git init -q . && git add " + files).second, 0); }
  const std::string folder_ = temporary_dir("check_format");
};

TEST_F(CheckFormat, ABadlyFormattedFileIsNamedAndMended) {
  write_file(folder_ + "/bad.cu", "int  bad( ){return 1;}\n");
  write_file(folder_ + "/stray.h", "int  stray( );\n");
  track("good.cpp bad.cu");
  auto [output, code] = check();
  EXPECT_EQ(code, 1) << output;
  EXPECT_THAT(output, testing::AllOf(HasSubstr("bad.cu"), testing::Not(HasSubstr("good.cpp")), testing::Not(HasSubstr("stray.h"))));
  EXPECT_EQ(check("--fix").second, 0);
  EXPECT_EQ(read_file(folder_ + "/bad.cu"), "int bad() { return 1; }\n");
  EXPECT_EQ(read_file(folder_ + "/stray.h"), "int  stray( );\n") << "git does not track it";
  EXPECT_EQ(check().second, 0);
  fs::remove(folder_ + "/bad.cu");
  EXPECT_EQ(check().second, 0) << "a file that was just removed";
}

TEST_F(CheckFormat, SaysWhyItCannotTell) {
  auto [output, code] = check("", "GIT_CEILING_DIRECTORIES='" + fs::path(folder_).parent_path().string() + "'");
  EXPECT_EQ(code, 77);
  EXPECT_THAT(output, HasSubstr("no git checkout"));
  track("good.cpp");
  std::tie(output, code) = check("", "PPQ_CLANG_FORMAT=/nowhere");
  EXPECT_EQ(code, 77);
  EXPECT_THAT(output, HasSubstr("no clang-format at /nowhere"));
  write_file(folder_ + "/newer", "#!/bin/sh\necho clang-format version 19.1.7\n");
  fs::permissions(folder_ + "/newer", fs::perms::owner_all);
  std::tie(output, code) = check("", "PPQ_CLANG_FORMAT=./newer");
  EXPECT_EQ(code, 77);
  EXPECT_THAT(output, HasSubstr("expected version 14"));
  EXPECT_EQ(check("--mend").second, 2);
}

}  // namespace
}  // namespace ppq::test
