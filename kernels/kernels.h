#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "ppq/rounding.h"

/// The hot loops of the product as plain functions over at::Tensor. Each runs on the CPU (kernels/cpu, vectorised) or on
/// CUDA (kernels/cuda, on the current stream, without synchronising), chosen by the tensor's device, and gives the same
/// integers on both. Scalar rules live in numerics.h.
namespace ppq::kernels {

/// The number format a value is rounded to.
struct Format {
  double quant_min = 0, quant_max = 255;
  Rounding rounding = Rounding::HalfEven;
  bool floating = false;  ///< minifloat instead of integers
  int exponent_bits = 4, mantissa_bits = 3;
};

/// Fake quantization: (clamp(round(x/scale)+offset) - offset) × scale. x: float32, float16 or bfloat16, any dense strides.
/// scale and offset: float32 with one element (axis < 0), or [C] along `axis`. NaN stays NaN.
at::Tensor fake_quantize(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format);
/// The same, into x's own memory.
void fake_quantize_(at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format);
/// Blocks of `block` elements along `axis` (the last may be shorter) share a scale: scale and offset have x's shape with that
/// axis divided.
at::Tensor fake_quantize_blocks(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, int64_t block,
                                const Format& format);
/// The integers of the linear format, as `dtype` (uint8, int8, uint16, int16, int32).
at::Tensor quantize_to_int(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format,
                           at::ScalarType dtype);

/// Gradients of fake quantization (LSQ, arXiv 1902.08153; offset as LSQ+, arXiv 2004.09576).
struct Gradients {
  at::Tensor input, scale, offset;
};
/// `masked`: straight-through with zero outside the range (LSQ); else dy passes everywhere. Scale and offset gradients are
/// scaled by 1/sqrt(elements sharing the scale × quant_max); sums are deterministic.
Gradients fake_quantize_backward(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset,
                                 int64_t axis, const Format& format, bool masked = true);

/// Growing histograms, one a channel. Bins lie on a grid anchored at 0: bin i of channel c covers
/// [(first[c]+i) × 2^exponent[c], (first[c]+i+1) × 2^exponent[c]). When a value falls outside, the exponent grows and bin
/// pairs merge, so counts stay exact and the result does not depend on the order of the data. All state is on `device`.
struct Histogram {
  at::Tensor counts;     ///< int64 [channels, bins]
  at::Tensor first;      ///< int64 [channels]: grid index of bin 0
  at::Tensor exponent;   ///< int32 [channels]; kEmptyExponent until a finite value was seen
  at::Tensor minimum;    ///< float32 [channels], +inf until seen
  at::Tensor maximum;    ///< float32 [channels], -inf until seen
  at::Tensor nonfinite;  ///< int64 [channels]: NaN and Inf seen (not counted in bins)
  int64_t channels() const { return counts.size(0); }
  int64_t bins() const { return counts.size(1); }
};
inline constexpr int32_t kEmptyExponent = -1000;
Histogram make_histogram(int64_t channels, int64_t bins, at::Device device);
/// Reads x (float32, float16, bfloat16) once: min, max, non-finite count and bins. axis < 0: one channel over everything;
/// else one channel for each index of `axis`. Strides may be any dense ones (NCHW, channels-last).
void observe(const at::Tensor& x, int64_t axis, Histogram& histogram);
/// Adds `other` (same channels and bins, any device) into `histogram`.
void merge(Histogram& histogram, const Histogram& other);

/// Running minimum, maximum and non-finite count, one a channel.
struct Range {
  at::Tensor minimum, maximum;  ///< float32 [channels], or the shape of blocks
  at::Tensor nonfinite;         ///< int64, the same shape
};
Range make_range(int64_t channels, at::Device device);
void observe_range(const at::Tensor& x, int64_t axis, Range& range);
/// Ranges of blocks of `block` elements along `axis` (the last may be shorter): tensors of x's shape with that axis divided,
/// as fake_quantize_blocks takes its scales. x that is not contiguous is copied.
Range make_block_range(at::IntArrayRef sizes, int64_t axis, int64_t block, at::Device device);
void observe_range_blocks(const at::Tensor& x, int64_t axis, int64_t block, Range& range);

/// Sums for analysis in float64, in one read: Σ(q-f)², Σf², Σq², Σqf, as a float64 tensor of 4 on x's device.
at::Tensor error_sums(const at::Tensor& quantized, const at::Tensor& reference);

/// Instruction sets of the CPU kernels: "avx512", "avx2", "scalar". The best one the machine has is used; the environment
/// variable PPQ_CPU_KERNELS names a lower one.
const char* cpu_instruction_set();

}  // namespace ppq::kernels
