#include "ops/matmul.h"

#include <ATen/ATen.h>

#include "ops/families.h"
#include "ops/window.h"

namespace ppq::ops {
namespace {

/// Integers are multiplied as 64 bits wide. LibTorch does that on the CPU only, and a GPU's double is not exact: they go there and
/// back, which waits.
bool is_inexact_type(const at::Tensor& x) { return at::isFloatingType(x.scalar_type()) || at::isComplexType(x.scalar_type()); }
at::Tensor operand(const at::Tensor& x) { return is_inexact_type(x) ? x : x.cpu().to(at::kLong); }
at::Tensor product_as(const at::Tensor& product, const at::Tensor& like) { return product.to(like.options()); }

Kernel make_gemm(const OpSpec& spec) {
  return
      [attributes = GemmAttributes(spec.node)](Inputs in, Outputs out) { out[0] = gemm(in[0], in[1], input_or_none(in, 2), attributes); };
}

Kernel make_matmul(const OpSpec&) {
  return [](Inputs in, Outputs out) { out[0] = matrix_product(in[0], in[1]); };
}

Kernel make_einsum(const OpSpec& spec) {
  const std::string equation = spec.node.attributes.get_string("equation", "");
  if (equation.empty()) fail(spec.node, "equation: got none, expected a string such as ij,jk->ik");
  return [equation](Inputs in, Outputs out) {
    std::vector<at::Tensor> operands;
    for (const at::Tensor& x : in) operands.push_back(operand(x));
    out[0] = product_as(at::einsum(equation, operands), in[0]);
  };
}

Kernel make_det(const OpSpec&) {
  return [](Inputs in, Outputs out) { out[0] = at::linalg_det(in[0]); };
}

int gemm_weight_axis(const Node& node, size_t) { return node.attributes.get_int("transB", 0) ? 0 : 1; }

int matmul_weight_axis(const Node& node, size_t input) {
  const at::Tensor weight = node.constant_input(input);
  return weight.defined() && weight.dim() > 0 ? static_cast<int>(weight.dim()) - 1 : 0;
}

}  // namespace

GemmAttributes::GemmAttributes(const Node& node)
    : alpha(node.attributes.get_float("alpha", 1.0f)),
      beta(node.attributes.get_float("beta", 1.0f)),
      transpose_a(node.attributes.get_int("transA", 0) != 0),
      transpose_b(node.attributes.get_int("transB", 0) != 0) {}

at::Tensor gemm(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c, const GemmAttributes& g) {
  if (a.dim() != 2 || b.dim() != 2)
    reject("Gemm", "ranks: got " + to_string(a.sizes()) + " and " + to_string(b.sizes()) + ", expected two matrices");
  const at::Tensor left = g.transpose_a ? a.t() : a, right = g.transpose_b ? b.t() : b;
  if (left.size(1) != right.size(0))
    reject("Gemm", "inner dimension: got " + std::to_string(left.size(1)) + " and " + std::to_string(right.size(0)) + ", expected equal");
  if (!at::isFloatingType(a.scalar_type())) {
    const at::Tensor product = matrix_product(left, right).to(at::kDouble) * g.alpha;
    return (c.defined() ? product + c.to(at::kDouble) * g.beta : product).to(a.scalar_type());
  }
  if (!c.defined()) {
    const at::Tensor product = at::mm(left, right);
    return g.alpha == 1 ? product : product * g.alpha;
  }
  return at::addmm(c, left, right, g.beta, g.alpha);
}

at::Tensor matrix_product(const at::Tensor& a, const at::Tensor& b) {
  return is_inexact_type(a) ? at::matmul(a, b) : product_as(at::matmul(operand(a), operand(b)), a);
}

Rows matmul() {
  using enum OpKind;
  return {
      {"Gemm", 1, make_gemm, {Layer, "dwb", "d", {.weight_axis = gemm_weight_axis, .channel_axis = -1}}},
      {"MatMul", 1, make_matmul, {Layer, "ww", "d", {.weight_axis = matmul_weight_axis, .channel_axis = -1}}},
      {"Einsum", 12, make_einsum, {Computation, "d", "d"}},
      {"Det", 11, make_det, {Computation, "d", "d"}},
      {"MatMulInteger", 10, make_matmul_integer, {Computation, "ddf", "d"}},
      {"QLinearMatMul", 10, make_qlinear_matmul, {Computation, "dffdf", "d"}},
      // A layer and more in one: no pass rewrites them, so they are none of the layers that it finds.
      {"FusedMatMul", 1, make_fused_matmul, {Computation, "d", "d"}, "com.microsoft"},
      {"FusedGemm", 1, make_fused_gemm, {Computation, "d", "d"}, "com.microsoft"},
      {"MatMulIntegerToFloat", 1, make_matmul_integer_to_float, {Computation, "ddffffd", "d"}, "com.microsoft"},
      {"DynamicQuantizeMatMul", 1, make_dynamic_quantize_matmul, {Computation, "ddffd", "d"}, "com.microsoft"},
      {"QGemm", 1, make_qgemm, {Computation, "dffdffdf", "d"}, "com.microsoft"},
  };
}

}  // namespace ppq::ops
