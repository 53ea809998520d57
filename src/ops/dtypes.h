#pragma once

#include <ATen/core/Tensor.h>

#include "ops/op.h"

// LibTorch can store uint16, uint32, uint64 and 8-bit floats, but computes with them only here and there. These helpers
// carry such tensors into a type of the same meaning that it does compute with, and back.

namespace ppq::ops {

/// The same bits as a signed integer (or uint8 for 8-bit floats) where LibTorch's own kernels are missing, else `x`.
/// Right for moving data, for wrapping arithmetic (add, subtract, multiply, bitwise), and for equality.
at::Tensor signed_view(const at::Tensor& x);
/// The bits of `x` read as `type` again: the inverse of signed_view.
at::Tensor typed_view(const at::Tensor& x, at::ScalarType type);

/// A signed tensor that orders as `x` does: uint16 and uint32 become int64, uint64 gets its top bit flipped.
at::Tensor ordered(const at::Tensor& x);
/// The inverse of `ordered`.
at::Tensor from_ordered(const at::Tensor& x, at::ScalarType type);

/// True for uint16, uint32 and uint64.
bool is_wide_unsigned(at::ScalarType type);

/// Runs `f` on signed_view(x), and views the result as x's type again.
template <class F>
at::Tensor moved(const at::Tensor& x, F&& f) {
  return typed_view(f(signed_view(x)), x.scalar_type());
}

/// Operands of one operation on one device: a host operand follows the other one.
inline std::pair<at::Tensor, at::Tensor> same_device(const at::Tensor& a, const at::Tensor& b) {
  if (a.device() == b.device()) return {a, b};
  return a.is_cpu() ? std::pair{on_device_of(a, b), b} : std::pair{a, on_device_of(b, a)};
}

/// Appends rows of one file of a family to another's.
inline void append(std::vector<OpRow>& rows, const std::vector<OpRow>& more) { rows.insert(rows.end(), more.begin(), more.end()); }

}  // namespace ppq::ops
