#pragma once

#include <vector>

#include "kernels/observe_many.h"
#include "kernels/search.h"

/// The functions of kernels.h for tensors on CUDA: on the current stream of x's device, without synchronising. kernels.h's
/// own functions call these by the tensor's device; axis is checked there. A build without CUDA has no_cuda.cpp, where each throws
/// Unsupported.
namespace ppq::kernels::cuda {

at::Tensor fake_quantize(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format);
void fake_quantize_(at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format);
at::Tensor fake_quantize_blocks(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, int64_t block,
                                const Format& format);
at::Tensor quantize_to_int(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format,
                           at::ScalarType dtype);
Gradients fake_quantize_backward(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset,
                                 int64_t axis, const Format& format, bool masked = true);

void observe(const at::Tensor& x, int64_t axis, Histogram& histogram);
void merge(Histogram& histogram, const Histogram& other);
void observe_range(const at::Tensor& x, int64_t axis, Range& range);
void observe_range_blocks(const at::Tensor& x, int64_t axis, int64_t block, Range& range);
at::Tensor error_sums(const at::Tensor& quantized, const at::Tensor& reference);

using kernels::Observation;
/// observe() of many tensors with three launches for each 16 of one dtype: small tensors are launch-bound.
void observe_many(const std::vector<Observation>& observations);
/// The table of searches is copied to the device first; then one launch.
at::Tensor search_ranges(const std::vector<RangeSearch>& searches);

}  // namespace ppq::kernels::cuda
