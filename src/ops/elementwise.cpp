#include <ATen/ATen.h>

#include "ops/arithmetic.h"
#include "ops/dtypes.h"
#include "ops/families.h"

namespace ppq::ops {
namespace {

bool is_unsigned(const at::Tensor& x) { return x.scalar_type() == at::kByte || is_wide_unsigned(x.scalar_type()); }

at::Tensor absolute(const at::Tensor& x) { return is_unsigned(x) ? x : at::abs(x); }
at::Tensor sign(const at::Tensor& x) { return is_wide_unsigned(x.scalar_type()) ? signed_view(x).ne(0).to(x.scalar_type()) : at::sgn(x); }
at::Tensor round_half_even(const at::Tensor& x) { return at::round(x); }
at::Tensor is_nan(const at::Tensor& x) { return at::isFloat8Type(x.scalar_type()) ? at::isnan(x.to(at::kFloat)) : at::isnan(x); }

Kernel is_inf(const OpSpec& spec) {
  const bool positive = spec.node.attributes.get_int("detect_positive", 1);
  const bool negative = spec.node.attributes.get_int("detect_negative", 1);
  return [positive, negative](Inputs in, Outputs out) {
    const at::Tensor x = at::isFloat8Type(in[0].scalar_type()) ? in[0].to(at::kFloat) : in[0];
    if (positive && negative)
      out[0] = at::isinf(x);
    else if (positive)
      out[0] = at::isposinf(x);
    else if (negative)
      out[0] = at::isneginf(x);
    else
      out[0] = at::zeros_like(x, at::kBool);
  };
}

at::Tensor equal(const at::Tensor& a, const at::Tensor& b) { return at::eq(signed_view(a), signed_view(b)); }
at::Tensor greater(const at::Tensor& a, const at::Tensor& b) { return at::gt(ordered(a), ordered(b)); }
at::Tensor less(const at::Tensor& a, const at::Tensor& b) { return at::lt(ordered(a), ordered(b)); }
at::Tensor greater_equal(const at::Tensor& a, const at::Tensor& b) { return at::ge(ordered(a), ordered(b)); }
at::Tensor less_equal(const at::Tensor& a, const at::Tensor& b) { return at::le(ordered(a), ordered(b)); }

Kernel where(const OpSpec&) {
  return [](Inputs in, Outputs out) {
    const auto [x, y] = same_device(in[1], in[2]);
    const auto [condition, chosen] = same_device(in[0], x);
    out[0] = typed_view(at::where(condition, signed_view(chosen), signed_view(on_device_of(y, condition))), x.scalar_type());
  };
}

}  // namespace

Rows elementwise() {
  using enum OpKind;
  Rows rows{
      {"Abs", 1, unary<absolute>, {Computation, "d", "d"}},
      {"Neg", 1, unary<at::neg>, {Computation, "d", "d"}},
      {"Sign", 9, unary<sign>, {Computation, "d", "d"}},
      {"Ceil", 1, unary<at::ceil>, {Computation, "d", "d"}},
      {"Floor", 1, unary<at::floor>, {Computation, "d", "d"}},
      {"Round", 11, unary<round_half_even>, {Computation, "d", "d"}},
      {"Reciprocal", 1, unary<at::reciprocal>, {Computation, "d", "d"}},
      {"Sqrt", 1, unary<at::sqrt>, {Computation, "d", "d"}},
      {"Exp", 1, unary<at::exp>, {Computation, "d", "d"}},
      {"Log", 1, unary<at::log>, {Computation, "d", "d"}},
      {"Erf", 9, unary<at::erf>, {Computation, "d", "d"}},
      {"Sin", 7, unary<at::sin>, {Computation, "d", "d"}},
      {"Cos", 7, unary<at::cos>, {Computation, "d", "d"}},
      {"Tan", 7, unary<at::tan>, {Computation, "d", "d"}},
      {"Asin", 7, unary<at::asin>, {Computation, "d", "d"}},
      {"Acos", 7, unary<at::acos>, {Computation, "d", "d"}},
      {"Atan", 7, unary<at::atan>, {Computation, "d", "d"}},
      {"Sinh", 9, unary<at::sinh>, {Computation, "d", "d"}},
      {"Cosh", 9, unary<at::cosh>, {Computation, "d", "d"}},
      {"Tanh", 1, unary<at::tanh>, {Activation, "d", "d"}},
      {"Asinh", 9, unary<at::asinh>, {Computation, "d", "d"}},
      {"Acosh", 9, unary<at::acosh>, {Computation, "d", "d"}},
      {"Atanh", 9, unary<at::atanh>, {Computation, "d", "d"}},
      {"IsNaN", 9, unary<is_nan>, {Computation, "d", "f"}},
      {"IsInf", 10, is_inf, {Computation, "d", "f"}},
      {"Not", 1, unary<at::logical_not>, {Computation, "f", "f"}},
      {"And", 1, binary<at::logical_and>, {Computation, "f", "f"}},
      {"Or", 1, binary<at::logical_or>, {Computation, "f", "f"}},
      {"Xor", 1, binary<at::logical_xor>, {Computation, "f", "f"}},
      {"Equal", 1, binary<equal>, {Computation, "d", "f"}},
      {"Greater", 1, binary<greater>, {Computation, "d", "f"}},
      {"Less", 1, binary<less>, {Computation, "d", "f"}},
      {"GreaterOrEqual", 12, binary<greater_equal>, {Computation, "d", "f"}},
      {"LessOrEqual", 12, binary<less_equal>, {Computation, "d", "f"}},
      {"Where", 9, where, {Computation, "fd", "d"}},
  };
  append(rows, arithmetic_rows());
  append(rows, cast_rows());
  return rows;
}

}  // namespace ppq::ops
