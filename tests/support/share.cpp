#include "support/share.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "support/places.h"

namespace ppq::test {

namespace fs = std::filesystem;

std::string shared_dir() {
  const char* given = std::getenv("PPQ_SHARED");
  const fs::path path = given ? fs::path(given) : fs::path(source_dir()) / ".." / "shared";
  return fs::is_directory(path / "models") ? fs::canonical(path).string() : "";
}

std::string shared(const std::string& relative) { return shared_dir() + "/" + relative; }

bool have_shared() { return !shared_dir().empty(); }

namespace {

struct Cleaner {
  std::vector<fs::path> paths;
  ~Cleaner() {
    std::error_code ignored;
    for (const auto& path : paths) fs::remove_all(path, ignored);
  }
};

}  // namespace

std::string temporary_dir(const std::string& name) {
  static Cleaner cleaner;
  static int count = 0;
  const fs::path path = fs::temp_directory_path() / ("ppq_test_" + std::to_string(::getpid()) + "_" + std::to_string(count++) + "_" + name);
  fs::remove_all(path);
  fs::create_directories(path);
  cleaner.paths.push_back(path);
  return path.string();
}

}  // namespace ppq::test
