// Includes go one way: a room sees those below it only.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "core/file.h"

namespace ppq::test {
namespace {

namespace fs = std::filesystem;

/// From the ground up. CONTRIBUTING.md has the same list.
const std::vector<std::string> kRooms = {"core",      "kernels",  "quant",     "graph",     "onnx",    "data",
                                         "ops",       "executor", "observers", "platforms", "setting", "calibration",
                                         "exporters", "analysis", "passes",    "job",       "apps"};

/// Public headers are the faces of rooms.
const std::map<std::string, std::string> kFaces = {
    {"error", "core"},    {"progress", "core"},     {"run_context", "core"}, {"record", "core"},        {"rounding", "core"},
    {"warning", "core"},  {"quant", "quant"},       {"graph", "graph"},      {"tensors", "graph"},      {"onnx", "onnx"},
    {"dataset", "data"},  {"executor", "executor"}, {"setting", "setting"},  {"platform", "platforms"}, {"pass", "passes"},
    {"quantizer", "job"}, {"job", "job"},           {"ppq", "job"},
};

struct Exception {
  const char *file, *include, *reason;
};
const std::vector<Exception> kExceptions = {
    {"kernels/cuda/device.cuh", "tests/cuda/shim/shim.h", "the host's stand-in for CUDA, compiled in by tests alone"},
    {"src/platforms/plain.cpp", "ppq/setting.h", "the hook of a platform on the setting fills it in"},
    {"src/calibration/calibration_file.h", "ppq/pass.h", "Checkpoint is a part of PassContext"},
};

struct Include {
  std::string file, target;
  size_t line;
};

/// Place of a room in the order; above all others where it is none of them.
size_t level(const std::string& room) { return static_cast<size_t>(std::find(kRooms.begin(), kRooms.end(), room) - kRooms.begin()); }

std::string room_of_header(const std::string& path) {
  const auto face = path.starts_with("ppq/") ? kFaces.find(fs::path(path).stem().string()) : kFaces.end();
  return face != kFaces.end() ? face->second : path.substr(0, path.find('/'));
}

std::string room_of_file(const std::string& path) {
  for (const char* root : {"src/", "include/"})
    if (path.starts_with(root)) return room_of_header(path.substr(std::string(root).size()));
  return path.substr(0, path.find('/'));
}

bool runs_upwards(const std::string& file, const std::string& include) {
  // Without a folder: a neighbour.
  return include.find('/') != std::string::npos && level(room_of_header(include)) > level(room_of_file(file));
}

std::vector<Include> includes() {
  static const std::regex pattern(R"re(^\s*#\s*include\s*"([^"]+)".*)re");
  std::vector<Include> all;
  for (const char* root : {"src", "kernels", "apps", "include"})
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(PPQ_SOURCE_DIR) / root)) {
      if (!entry.is_regular_file()) continue;
      std::istringstream text(read_file(entry.path().string()));
      size_t number = 0;
      for (std::string line; std::getline(text, line);) {
        ++number;
        std::smatch match;
        if (std::regex_match(line, match, pattern))
          all.push_back({fs::relative(entry.path(), PPQ_SOURCE_DIR).generic_string(), match[1], number});
      }
    }
  return all;
}

TEST(Includes, GoDownwards) {
  std::set<const Exception*> needed;
  size_t seen = 0;
  for (const Include& include : includes()) {
    ++seen;
    EXPECT_LT(level(room_of_file(include.file)), kRooms.size()) << include.file << " is in no room";
    if (!runs_upwards(include.file, include.target)) continue;
    const auto exception = std::find_if(kExceptions.begin(), kExceptions.end(),
                                        [&](const Exception& e) { return e.file == include.file && e.include == include.target; });
    if (exception != kExceptions.end())
      needed.insert(&*exception);
    else
      ADD_FAILURE() << include.file << ":" << include.line << " includes \"" << include.target << "\": " << room_of_file(include.file)
                    << " is below " << room_of_header(include.target);
  }
  EXPECT_GT(seen, 500u);
  for (const Exception& exception : kExceptions)
    EXPECT_TRUE(needed.count(&exception)) << exception.file << " no longer includes " << exception.include << ": strike the exception";
}

TEST(Includes, WhatIsUpwards) {
  EXPECT_TRUE(runs_upwards("src/graph/graph.cpp", "ops/op_facts.h"));
  EXPECT_TRUE(runs_upwards("src/calibration/sweep.h", "ppq/pass.h"));
  EXPECT_TRUE(runs_upwards("include/ppq/graph.h", "ppq/executor.h"));
  EXPECT_TRUE(runs_upwards("kernels/kernels.h", "ppq/quant.h"));
  EXPECT_TRUE(runs_upwards("apps/ppq_torch/main.cpp", "tests/support/golden.h")) << "no room at all";
  EXPECT_FALSE(runs_upwards("src/ops/op.h", "ppq/graph.h"));
  EXPECT_FALSE(runs_upwards("src/passes/cleanup/rewrite.h", "graph/readers.h"));
  EXPECT_FALSE(runs_upwards("apps/ppq_torch/main.cpp", "commands.h"));
  EXPECT_FALSE(runs_upwards("src/ops/op.h", "ops/op_facts.h"));
}

TEST(Includes, EveryRoomAndHeaderHasItsPlace) {
  for (const auto& entry : fs::directory_iterator(PPQ_SOURCE_DIR "/src"))
    EXPECT_THAT(kRooms, testing::Contains(entry.path().filename().string()));
  for (const auto& entry : fs::directory_iterator(PPQ_SOURCE_DIR "/include/ppq"))
    EXPECT_TRUE(kFaces.count(entry.path().stem().string())) << entry.path();
}

TEST(Includes, ContributorsReadTheSameOrder) {
  std::string order;
  for (const std::string& room : kRooms) order += (order.empty() ? "`" : " `") + room + "`";
  EXPECT_THAT(read_file(PPQ_SOURCE_DIR "/CONTRIBUTING.md"), testing::HasSubstr(order));
}

}  // namespace
}  // namespace ppq::test
