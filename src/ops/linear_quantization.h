#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>

namespace ppq::ops {

/// How scale and zero point are laid over a tensor: one number for all, one for each index of `axis`, or (block > 0) one for
/// each `block` consecutive elements along `axis`.
struct QuantLayout {
  int64_t axis = 1;
  int64_t block = 0;
};

/// A scale or zero point shaped so that it broadcasts against `x`. Throws Model where it does not fit.
at::Tensor spread(const at::Tensor& parameter, const at::Tensor& x, const QuantLayout& layout);

/// Smallest and largest integer of an 8, 16 or 32-bit type.
std::pair<double, double> integer_range(at::ScalarType type);
bool is_float8(at::ScalarType type);

/// (q - zero_point) * scale in float32, as `type`. A zero point may be undefined (0).
at::Tensor dequantize(const at::Tensor& q, const at::Tensor& scale, const at::Tensor& zero_point, const QuantLayout& layout,
                      at::ScalarType type);

/// saturate(round_half_to_even(x / scale) + zero_point) as an integer type; for float8 the cast of x / scale (+ zero point),
/// clamped to the largest finite value when `saturate`.
at::Tensor quantize(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& zero_point, const QuantLayout& layout,
                    at::ScalarType type, bool saturate = true);

struct DynamicQuantized {
  at::Tensor values, scale, zero_point;
};
/// To uint8 over the range of the tensor and 0: scale = (max - min) / 255. A tensor of zeros has scale 1.
DynamicQuantized quantize_dynamically(const at::Tensor& x);

/// A whole-number tensor minus its zero point (may be undefined), as float32, or as float64 where `exact_in_float` is false.
at::Tensor centered(const at::Tensor& q, const at::Tensor& zero_point, const QuantLayout& layout, bool exact_in_float);
/// Whether sums of `count` products of 8-bit numbers are exact in float32.
inline bool sums_are_exact_in_float(int64_t count) { return count <= 258; }

}  // namespace ppq::ops
