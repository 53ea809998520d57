#include <ATen/ATen.h>

#include <algorithm>

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/layout.h"
#include "kernels/cuda/on_device.h"
#include "ppq/error.h"

namespace ppq::kernels::cuda {
namespace {

/// `value` with the element type and the strides of dense `like`.
at::Tensor matched(const at::Tensor& value, const at::Tensor& like) {
  if (value.scalar_type() == like.scalar_type() && value.strides() == like.strides() && value.device() == like.device()) return value;
  return at::empty_strided(like.sizes(), like.strides(), like.options()).copy_(value);
}

bool aligned(const at::Tensor& x) { return reinterpret_cast<uintptr_t>(x.const_data_ptr()) % 16 == 0; }

}  // namespace

Gradients fake_quantize_backward(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset,
                                 int64_t axis, const Format& format, bool masked) {
  const char* function = "fake_quantize_backward";
  if (grad.sizes() != x.sizes()) {
    throw Error(ErrorKind::Internal, function,
                "gradient: got " + std::to_string(grad.numel()) + " elements, expected the input's shape of " + std::to_string(x.numel()));
  }
  OnDevice device(x.device());
  at::Tensor input = dense(x), dy = matched(grad, input), s = parameter(scale, x), o = parameter(offset, x);
  Gradients result{at::empty_strided(input.sizes(), input.strides(), input.options()), at::zeros_like(s), at::zeros_like(o)};
  if (x.numel() == 0) return result;
  Elementwise checked = elementwise(input, s, o, axis, format, function);
  int64_t blocks = 8 * multiprocessors();
  BackwardWork work{};
  work.grad = dy.const_data_ptr();
  work.x = checked.x;
  work.grad_x = result.input.mutable_data_ptr();
  work.scale = checked.scale;
  work.offset = checked.offset;
  work.dtype = checked.dtype;
  work.rule = checked.rule;
  work.masked = masked;
  work.view = channel_view(input, axis, s.numel(), function);
  work.partition = partition(work.view, work.dtype, 0, blocks);
  work.columns = plan_columns(work.view, work.dtype, aligned(input) && aligned(dy) && aligned(result.input), blocks);
  int64_t parts = work.columns.columns ? work.view.inner * work.columns.splits : work.partition.splits;
  at::Tensor partials = at::empty({work.view.channels * parts * 2}, input.options().dtype(at::kDouble));
  work.partials = partials.mutable_data_ptr<double>();
  work.grad_scale = result.scale.mutable_data_ptr<float>();
  work.grad_offset = result.offset.mutable_data_ptr<float>();
  work.factor = numerics::gradient_factor(x.numel() / work.view.channels, work.rule.quant_min, work.rule.quant_max);
  launch_backward(work, device.stream());
  return result;
}

at::Tensor error_sums(const at::Tensor& quantized, const at::Tensor& reference) {
  if (quantized.sizes() != reference.sizes()) {
    throw Error(ErrorKind::Internal, "error_sums",
                "reference: got " + std::to_string(reference.numel()) + " elements, expected the quantized tensor's shape of " +
                    std::to_string(quantized.numel()));
  }
  OnDevice device(quantized.device());
  at::Tensor sums = at::zeros({4}, quantized.options().dtype(at::kDouble));
  if (quantized.numel() == 0) return sums;
  // float16 and bfloat16 mix exactly in float32.
  bool mixed = quantized.scalar_type() != reference.scalar_type();
  at::Tensor q = dense(mixed ? quantized.to(at::kFloat) : quantized), f = matched(mixed ? reference.to(at::kFloat) : reference, q);
  at::Tensor partials = at::empty({kErrorBlocks * 4}, sums.options());
  launch_error_sums(q.const_data_ptr(), f.const_data_ptr(), q.numel(), dtype_of(q, "error_sums"), partials.mutable_data_ptr<double>(),
                    sums.mutable_data_ptr<double>(), device.stream());
  return sums;
}

}  // namespace ppq::kernels::cuda
