#pragma once

#include <string>
#include <vector>

namespace ppq::test {

/// The tests' own Python (numpy, onnx, onnxruntime, Pillow) is there.
bool have_python();

/// Runs a script (its text) with arguments, in a process of its own, and returns what it prints. A script that fails
/// fails the test, with its messages. `interpreter` other than "" replaces the tests' own Python.
std::string run_python(const std::string& script, const std::vector<std::string>& arguments = {}, const std::string& interpreter = "");

}  // namespace ppq::test

/// Skips the test, loudly, where the tests' Python is absent.
#define PPQ_REQUIRE_PYTHON() \
  if (!ppq::test::have_python()) GTEST_SKIP() << "no Python for oracles: run scripts/setup --tests"
