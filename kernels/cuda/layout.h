#pragma once

#include <ATen/ATen.h>

#include "kernels/cuda/launch.h"
#include "kernels/kernels.h"

/// What the host side of the kernels shares: how tensors lie in memory, and checks.
namespace ppq::kernels::cuda {

/// Throws Unsupported unless x is float32, float16 or bfloat16.
DType dtype_of(const at::Tensor& x, const char* function);
/// x itself when its elements fill memory without holes, in any order of dimensions (NCHW, channels-last); else a copy.
at::Tensor dense(const at::Tensor& x);
/// Memory order of a dense tensor as [outer, channels, inner]; axis < 0: one channel. Throws Internal when `channels` (of
/// the scale or the state) does not fit.
ChannelView channel_view(const at::Tensor& x, int64_t axis, int64_t channels, const char* function);
/// How blocks share a view whose kernel keeps `bytes_a_channel` in shared memory (0: any number of channels would fit):
/// few neighbouring channels a block where their rows are short. About `blocks` blocks, fewer for small tensors.
Partition partition(const ChannelView& view, DType dtype, int64_t bytes_a_channel, int64_t blocks);
/// Whether and how a view is reduced by columns. `aligned`: all its tensors start on 16-byte boundaries.
ColumnPlan plan_columns(const ChannelView& view, DType dtype, bool aligned, int64_t blocks);
ScaleMap channel_scale_map(const ChannelView& view);
/// x: contiguous [outer, axis, inner].
ScaleMap block_scale_map(int64_t outer, int64_t axis, int64_t inner, int64_t block);
/// Everything about one fake quantization of dense x but its output. Keeps pointers: scale and offset must outlive it.
Elementwise elementwise(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format,
                        const char* function);
/// Throws Unsupported for minifloats that kernels/numerics.h cannot express.
numerics::FormatRule format_rule(const Format& format, const char* function);
/// float32, contiguous, on x's device.
at::Tensor parameter(const at::Tensor& value, const at::Tensor& x);

}  // namespace ppq::kernels::cuda
