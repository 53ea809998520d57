#include "support/places.h"

#include <cstdlib>

namespace ppq::test {
namespace {

std::string place(const char* variable, const char* of_build) {
  const char* moved = std::getenv(variable);
  return moved && *moved ? moved : of_build;
}

}  // namespace

std::string node_tests() { return place("PPQ_NODE_TESTS", PPQ_NODE_TESTS); }
std::string source_dir() { return place("PPQ_SOURCE_DIR", PPQ_SOURCE_DIR); }
std::string test_python() { return place("PPQ_TEST_PYTHON", PPQ_TEST_PYTHON); }
std::string program() { return place("PPQ_BINARY", PPQ_BINARY); }

}  // namespace ppq::test
