#pragma once

#include <string>

namespace ppq::test {

/// Runs every case of a family of tests/ops/onnxruntime_cases.py or onnxruntime_tensor_cases.py: single-operator models whose outputs
/// onnxruntime computed. Floating-point outputs agree within 1e-5 of the largest magnitude, integers exactly.
///
/// onnxruntime judges only what it computes alike on every processor. Without VNNI it multiplies uint8 by int8 in pairs that saturate
/// at 16 bits, so products of 8-bit whole numbers have exact results (tests/ops/exact_products.py), which onnxruntime confirms for operands
/// of one type and for small ones. The elementwise QLinear operators multiply no such pairs. A model with QuantizeLinear and
/// DequantizeLinear is to be compared with onnxruntime's optimizations off (as here): they would fuse the two around a Conv or MatMul into
/// those products, where without them it computes in float.
void expect_agreement_with_onnxruntime(const std::string& family);

}  // namespace ppq::test
