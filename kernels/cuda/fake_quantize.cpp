#include <ATen/ATen.h>

#include <algorithm>

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/layout.h"
#include "kernels/cuda/on_device.h"
#include "ppq/error.h"

namespace ppq::kernels::cuda {

at::Tensor fake_quantize(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format) {
  OnDevice device(x.device());
  at::Tensor input = dense(x), s = parameter(scale, x), o = parameter(offset, x);
  at::Tensor out = at::empty_strided(input.sizes(), input.strides(), input.options());
  launch_fake_quantize(elementwise(input, s, o, axis, format, "fake_quantize"), out.mutable_data_ptr(), device.stream());
  return out;
}

void fake_quantize_(at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format) {
  if (!x.is_non_overlapping_and_dense()) {
    x.copy_(cuda::fake_quantize(x, scale, offset, axis, format));
    return;
  }
  OnDevice device(x.device());
  at::Tensor s = parameter(scale, x), o = parameter(offset, x);
  launch_fake_quantize(elementwise(x, s, o, axis, format, "fake_quantize_"), x.mutable_data_ptr(), device.stream());
}

at::Tensor fake_quantize_blocks(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, int64_t block,
                                const Format& format) {
  if (axis < 0 || axis >= x.dim() || block < 1) {
    throw Error(ErrorKind::Internal, "fake_quantize_blocks",
                "axis and block: got " + std::to_string(axis) + " and " + std::to_string(block) + " for " + std::to_string(x.dim()) +
                    " dimensions");
  }
  int64_t expected = x.numel() == 0 ? scale.numel() : x.numel() / x.size(axis) * ((x.size(axis) + block - 1) / block);
  if (scale.numel() != expected || offset.numel() != expected) {
    throw Error(ErrorKind::Internal, "fake_quantize_blocks",
                "number of scales and offsets: got " + std::to_string(scale.numel()) + " and " + std::to_string(offset.numel()) +
                    ", expected " + std::to_string(expected));
  }
  OnDevice device(x.device());
  at::Tensor input = x.contiguous(), s = parameter(scale, x), o = parameter(offset, x);
  at::Tensor out = at::empty_like(input);
  if (x.numel() == 0) return out;
  Elementwise work{};
  work.x = input.const_data_ptr();
  work.scale = s.const_data_ptr<float>();
  work.offset = o.const_data_ptr<float>();
  work.count = input.numel();
  work.dtype = dtype_of(input, "fake_quantize_blocks");
  int64_t inner = input.stride(axis), size = input.size(axis);
  work.map = block_scale_map(input.numel() / (size * inner), size, inner, std::min(block, size));
  work.rule = format_rule(format, "fake_quantize_blocks");
  launch_fake_quantize(work, out.mutable_data_ptr(), device.stream());
  return out;
}

at::Tensor quantize_to_int(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format,
                           at::ScalarType dtype) {
  int64_t bytes = static_cast<int64_t>(c10::elementSize(dtype));
  if (!c10::isIntegralType(dtype, false) || bytes > 4) {
    throw Error(ErrorKind::Unsupported, "quantize_to_int",
                std::string("element type: got ") + c10::toString(dtype) + ", expected an integer type of up to 32 bits");
  }
  OnDevice device(x.device());
  at::Tensor input = dense(x), s = parameter(scale, x), o = parameter(offset, x);
  at::Tensor out = at::empty_strided(input.sizes(), input.strides(), input.options().dtype(dtype));
  launch_quantize_to_int(elementwise(input, s, o, axis, format, "quantize_to_int"), out.mutable_data_ptr(), static_cast<int>(bytes),
                         device.stream());
  return out;
}

}  // namespace ppq::kernels::cuda
