#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/cpu/level.h"
#include "kernels/kernels.h"

namespace ppq::kernels::cpu {

/// A dense tensor's memory as [outer, channels, inner]: however its dimensions are permuted, the dimensions with smaller
/// strides than the channel axis lie inside of it and the others outside, so NCHW and channels-last need no copy.
struct Layout {
  int64_t outer = 1, channels = 1, inner = 1;
  int64_t count() const { return outer * channels * inner; }
};

/// Layout of dense `x` along `axis` (-1: one channel over everything).
Layout layout_of(const at::Tensor& x, int64_t axis);

/// x itself where its elements fill their memory without gaps or overlaps, else a contiguous copy.
at::Tensor dense(const at::Tensor& x);

/// Throws unless x is float32, float16 or bfloat16.
Type type_of(const at::Tensor& x, const char* function);

/// Scale and offset as contiguous float32 arrays of `count` elements (one element is enough where count is 1).
struct Parameters {
  at::Tensor scale, offset;
  Parameters(const at::Tensor& scale, const at::Tensor& offset, int64_t count, const char* function);
};

/// Checks the format and gives its plain form.
numerics::FormatRule rule_of(const Format& format, const char* function);

}  // namespace ppq::kernels::cpu
