#include "core/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include "support/share.h"
#include "support/thrown.h"

namespace ppq {
namespace {

namespace fs = std::filesystem;
using test::temporary_dir;
using test::thrown;
using testing::HasSubstr;

size_t entries(const std::string& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(ReadFile, GivesTheBytes) {
  const std::string path = temporary_dir("read") + "/f";
  std::string bytes(100000, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7);
  write_file(path, bytes);
  EXPECT_EQ(read_file(path), bytes);
  write_file(path, "");
  EXPECT_EQ(read_file(path), "");
  EXPECT_THAT(read_file("/proc/self/status"), HasSubstr("Pid:")) << "a file that says it has no size";
}

TEST(ReadFile, NamesWhatIsWrong) {
  const std::string folder = temporary_dir("read");
  const Error missing = thrown([&] { read_file(folder + "/none"); });
  EXPECT_EQ(missing.kind(), ErrorKind::Data);
  EXPECT_EQ(missing.where(), folder + "/none");
  EXPECT_THAT(missing.what(), HasSubstr("no such file"));
  EXPECT_THAT(thrown([&] { read_file(folder); }).what(), HasSubstr("is a folder"));
}

TEST(AtomicFile, NothingIsSeenBeforeCommit) {
  const std::string folder = temporary_dir("atomic"), path = folder + "/f";
  write_file(path, "old");
  {
    AtomicFile file(path);
    file.write("new ");
    file.write("text");
    EXPECT_EQ(file.position(), 8u);
    EXPECT_EQ(read_file(path), "old");
    file.commit();
  }
  EXPECT_EQ(read_file(path), "new text");
  EXPECT_EQ(entries(folder), 1u);
}

TEST(AtomicFile, WithoutCommitNothingStays) {
  const std::string folder = temporary_dir("atomic");
  {
    AtomicFile file(folder + "/f");
    file.write(std::string(100000, 'x'));
  }
  EXPECT_EQ(entries(folder), 0u);
  write_file(folder + "/f", "old");
  {
    AtomicFile file(folder + "/f");
    file.write("x");
  }
  EXPECT_EQ(read_file(folder + "/f"), "old");
}

TEST(AtomicFile, AKilledProcessLeavesNothing) {
  const std::string folder = temporary_dir("killed");
  const pid_t child = fork();
  if (child == 0) {
    AtomicFile file(folder + "/f");
    file.write(std::string(100000, 'x'));
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(fs::exists(folder + "/f"));
  const int tmpfile = ::open(folder.c_str(), O_TMPFILE | O_WRONLY, 0600);
  if (tmpfile < 0) GTEST_SKIP() << "this file system has no nameless files: a killed process leaves a .partial file";
  ::close(tmpfile);
  EXPECT_EQ(entries(folder), 0u);
}

TEST(AtomicFile, MakesMissingFolders) {
  const std::string path = temporary_dir("deep") + "/a/b/c/f";
  write_file(path, "x");
  EXPECT_EQ(read_file(path), "x");
}

TEST(AtomicFile, PlacesThatCannotBeWrittenAreResourceErrors) {
  const std::string folder = temporary_dir("places");
  const Error below = thrown([&] { write_file("/dev/null/x", "x"); });
  EXPECT_EQ(below.kind(), ErrorKind::Resource);
  EXPECT_THAT(below.what(), HasSubstr("cannot write: Not a directory"));
  write_file(folder + "/file", "x");
  EXPECT_EQ(thrown([&] { write_file(folder + "/file/below", "x"); }).kind(), ErrorKind::Resource);
  const Error target = thrown([&] { write_file(folder, "x"); });
  EXPECT_EQ(target.kind(), ErrorKind::Resource);
  EXPECT_THAT(target.what(), HasSubstr("is a folder"));
  EXPECT_EQ(thrown([&] { write_file(folder + "/" + std::string(300, 'n'), "x"); }).kind(), ErrorKind::Resource);
  EXPECT_EQ(entries(folder), 1u);
}

/// Through a link, so that a broken program replaces the link and not the device.
TEST(AtomicFile, AFullDiskIsAResourceError) {
  if (!fs::is_character_file("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const std::string path = temporary_dir("full") + "/link";
  fs::create_symlink("/dev/full", path);
  const Error error = thrown([&] { write_file(path, std::string(100000, 'x')); });
  EXPECT_EQ(error.kind(), ErrorKind::Resource);
  EXPECT_THAT(error.what(), HasSubstr("No space left on device"));
  EXPECT_THAT(error.hint(), HasSubstr("free some space"));
  EXPECT_TRUE(fs::is_symlink(path));
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

TEST(AtomicFile, AFileThatGrowsTooLargeLeavesNothing) {
  const std::string folder = temporary_dir("limit");
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{5000, 5000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    int code = 1;
    try {
      write_file(folder + "/f", std::string(100000, 'x'));
    } catch (const Error& error) {
      code = exit_code(error.kind());
    }
    ::_exit(code);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 6);
  EXPECT_EQ(entries(folder), 0u);
}

TEST(AtomicFile, PipesAreWrittenAsTheyAre) {
  const std::string path = temporary_dir("pipe") + "/pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  std::string got;
  std::thread reader([&] { got = read_file(path); });
  write_file(path, "through the pipe");
  if (!fs::is_fifo(path)) {
    // Replaced by a file: let the reader go before failing.
    const int fd = ::open(path.c_str(), O_WRONLY | O_NONBLOCK);
    ::close(fd);
  }
  reader.join();
  EXPECT_TRUE(fs::is_fifo(path));
  EXPECT_EQ(got, "through the pipe");
}

TEST(AtomicFile, ALinkStaysALink) {
  const std::string folder = temporary_dir("link");
  write_file(folder + "/real", "old");
  fs::create_symlink(folder + "/real", folder + "/link");
  write_file(folder + "/link", "new");
  EXPECT_TRUE(fs::is_symlink(folder + "/link"));
  EXPECT_EQ(read_file(folder + "/real"), "new");
}

}  // namespace
}  // namespace ppq
