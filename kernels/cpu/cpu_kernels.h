#pragma once

#include "kernels/observe_many.h"
#include "kernels/search.h"

/// The CPU side of kernels.h: the same functions for tensors in host memory.
namespace ppq::kernels::cpu {

at::Tensor fake_quantize(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format);
void fake_quantize_(at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format);
at::Tensor fake_quantize_blocks(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, int64_t block,
                                const Format& format);
at::Tensor quantize_to_int(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format,
                           at::ScalarType dtype);
Gradients fake_quantize_backward(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset,
                                 int64_t axis, const Format& format, bool masked);
void observe(const at::Tensor& x, int64_t axis, Histogram& histogram);
void observe_many(const std::vector<Observation>& observations);
void merge(Histogram& histogram, const Histogram& other);
void observe_range(const at::Tensor& x, int64_t axis, Range& range);
void observe_range_blocks(const at::Tensor& x, int64_t axis, int64_t block, Range& range);
at::Tensor search_ranges(const std::vector<RangeSearch>& searches);
at::Tensor error_sums(const at::Tensor& quantized, const at::Tensor& reference);
at::Tensor channel_sums(const at::Tensor& x, int64_t axis, double bound);

}  // namespace ppq::kernels::cpu
