#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "ppq/error.h"
#include "ppq/onnx.h"
#include "support/python.h"
#include "support/share.h"

namespace ppq::test {

inline void save(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Runs one of this folder's scripts with the tests' Python; its output, with "exit N" at the end when it fails.
inline std::string run_script(const std::string& script, const std::vector<std::string>& arguments) {
  std::string command = PPQ_TEST_PYTHON " " PPQ_SOURCE_DIR "/tests/onnx/";
  command += script;
  for (const auto& argument : arguments) command += " '" + argument + "'";
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::string output;
  char buffer[4096];
  while (const size_t count = fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, count);
  if (const int status = pclose(pipe)) output += "exit " + std::to_string(status);
  while (!output.empty() && output.back() == '\n') output.pop_back();
  return output;
}

/// The error of `body`; fails the test when there is none or when it says too little.
template <class Body>
std::string error_of(ErrorKind kind, const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "not a ppq::Error: " << error.what();
    return "";
  }
  ADD_FAILURE() << "no error";
  return "";
}

/// A model in onnx's text syntax around the body of its graph.
inline std::string text_model(const std::string& graph, const std::string& header = "ir_version: 10, opset_import: [\"\" : 21]") {
  return "<" + header + ">\n" + graph;
}

}  // namespace ppq::test
