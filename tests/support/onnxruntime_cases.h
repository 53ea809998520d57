#pragma once

#include <string>

namespace ppq::test {

/// Runs every case of a family of tests/ops/onnxruntime_cases.py or onnxruntime_tensor_cases.py: single-operator models whose outputs
/// onnxruntime computed. Floating-point outputs agree within 1e-5 of the largest magnitude, integers exactly.
void expect_agreement_with_onnxruntime(const std::string& family);

}  // namespace ppq::test
