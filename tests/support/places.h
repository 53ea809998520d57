#pragma once

#include <string>

/// Where tests find what they read. The build knows the places; an environment variable of the macro's name moves one, for test
/// programs that were carried to another machine.
namespace ppq::test {

std::string node_tests();   ///< PPQ_NODE_TESTS: onnx's node tests, a folder each
std::string source_dir();   ///< PPQ_SOURCE_DIR: the project's sources
std::string test_python();  ///< PPQ_TEST_PYTHON: a Python with onnxruntime and onnx
std::string program();      ///< PPQ_BINARY: ppq_torch

}  // namespace ppq::test
