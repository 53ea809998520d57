#pragma once

#include <ATen/core/Tensor.h>

#include <limits>

namespace ppq::kernels {

/// Sums over each channel of x along `axis` (float32, float16 or bfloat16, any dense strides), in one read: float64 [4, C] on
/// x's device: Σx, Σx², and with a finite bound b Σx² over x > 0 and Σ(x-b)² over x > b (else 0). Up to 32 neighbours are added
/// in float32 before float64 takes over; the result depends neither on the threads nor on the level of instructions.
at::Tensor channel_sums(const at::Tensor& x, int64_t axis, double bound = std::numeric_limits<double>::infinity());

}  // namespace ppq::kernels
