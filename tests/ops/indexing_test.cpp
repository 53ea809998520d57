#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/onnxruntime_cases.h"
#include "support/python.h"

namespace ppq::test {
namespace {

TEST(Indexing, AgreesWithOnnxruntime) {
  PPQ_REQUIRE_PYTHON();
  expect_agreement_with_onnxruntime("indexing");
}

}  // namespace
}  // namespace ppq::test
