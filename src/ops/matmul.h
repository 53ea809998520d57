#pragma once

#include <ATen/core/Tensor.h>

#include "ops/op.h"

namespace ppq::ops {

/// numpy's matmul for every dtype on every device (integers exactly).
at::Tensor matrix_product(const at::Tensor& a, const at::Tensor& b);
/// The int32 result of multiplying whole-number matrices whose zero points (may be undefined) are subtracted first, held
/// exactly in a floating-point tensor. Zero points are one number, one a row of a, or one a column of b.
at::Tensor integer_product(const at::Tensor& a, const at::Tensor& a_zero, const at::Tensor& b, const at::Tensor& b_zero);

Kernel make_matmul_integer(const OpSpec& spec);
Kernel make_qlinear_matmul(const OpSpec& spec);
Kernel make_qgemm(const OpSpec& spec);
Kernel make_matmul_integer_to_float(const OpSpec& spec);
Kernel make_dynamic_quantize_matmul(const OpSpec& spec);
Kernel make_fused_matmul(const OpSpec& spec);
Kernel make_fused_gemm(const OpSpec& spec);

struct GemmAttributes {
  double alpha, beta;
  bool transpose_a, transpose_b;
  explicit GemmAttributes(const Node& node);
};
/// alpha * A' * B' + beta * C, C broadcast or undefined.
at::Tensor gemm(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c, const GemmAttributes& attributes);

}  // namespace ppq::ops
