#include "kernels/cuda/layout.h"

#include <algorithm>
#include <string>

#include "ppq/error.h"

namespace ppq::kernels::cuda {

DType dtype_of(const at::Tensor& x, const char* function) {
  switch (x.scalar_type()) {
    case at::kFloat:
      return DType::Float32;
    case at::kHalf:
      return DType::Float16;
    case at::kBFloat16:
      return DType::BFloat16;
    default:
      throw Error(ErrorKind::Unsupported, function,
                  std::string("element type: got ") + c10::toString(x.scalar_type()) + ", expected float32, float16 or bfloat16");
  }
}

at::Tensor dense(const at::Tensor& x) { return x.is_non_overlapping_and_dense() ? x : x.contiguous(); }

ChannelView channel_view(const at::Tensor& x, int64_t axis, int64_t channels, const char* function) {
  if (axis >= x.dim()) {
    throw Error(ErrorKind::Internal, function,
                "channel axis: got " + std::to_string(axis) + ", expected one of " + std::to_string(x.dim()) + " dimensions");
  }
  int64_t found = axis < 0 ? 1 : x.size(axis);
  if (found != channels) {
    throw Error(ErrorKind::Internal, function, "channels: got " + std::to_string(found) + ", expected " + std::to_string(channels));
  }
  if (found == 1 || x.numel() == 0) return {1, std::max<int64_t>(found, 1), found > 1 ? 0 : x.numel()};
  int64_t inner = x.stride(axis);
  return {x.numel() / (found * inner), found, inner};
}

Partition partition(const ChannelView& view, DType dtype, int64_t bytes_a_channel, int64_t blocks) {
  constexpr int64_t kShared = 32 << 10, kRow = 256, kBlockBytes = 32 << 10;
  Partition result;
  int64_t channel_bytes = view.inner * element_size(dtype);
  if (bytes_a_channel > 0 && channel_bytes > 0 && view.channels > 1) {
    int64_t wanted = std::max<int64_t>(1, kRow / channel_bytes);
    result.group = std::clamp<int64_t>(std::min(wanted, kShared / bytes_a_channel), 1, std::min(view.channels, kMaxGroup));
  }
  result.groups = (view.channels + result.group - 1) / result.group;
  int64_t bytes = view.outer * result.group * channel_bytes;
  result.splits = std::clamp<int64_t>(std::min(bytes / kBlockBytes, (blocks + result.groups - 1) / result.groups), 1, 4096);
  return result;
}

ColumnPlan plan_columns(const ChannelView& view, DType dtype, bool aligned, int64_t blocks) {
  constexpr int64_t kShortRow = 128;
  ColumnPlan plan;
  int64_t size = element_size(dtype), columns = view.channels * view.inner;
  plan.columns = view.channels > 1 && view.inner * size < kShortRow && view.outer > 1;
  if (!plan.columns) return plan;
  plan.vectors = aligned && columns * size % 16 == 0;
  int64_t width = 32 * (plan.vectors ? 16 / size : 1);
  plan.blocks = (columns + width - 1) / width;
  plan.splits = std::clamp<int64_t>(std::min(view.outer / 32, (blocks + plan.blocks - 1) / plan.blocks), 1, 4096);
  return plan;
}

ScaleMap channel_scale_map(const ChannelView& view) {
  if (view.channels == 1) return {};
  ScaleMap map;
  map.inner = view.inner;
  map.axis = view.channels;
  map.block_stride = 1;
  map.by_inner = make_fast_divide(std::clamp<int64_t>(map.inner, 1, int64_t{1} << 30));
  map.by_axis = make_fast_divide(map.axis);
  map.mapped = true;
  return map;
}

ScaleMap block_scale_map(int64_t outer, int64_t axis, int64_t inner, int64_t block) {
  ScaleMap map;
  map.inner = inner;
  map.axis = axis;
  map.block = block;
  map.outer_stride = (axis + block - 1) / block * inner;
  map.block_stride = inner;
  map.inner_stride = inner > 1 ? 1 : 0;
  map.by_inner = make_fast_divide(std::clamp<int64_t>(map.inner, 1, int64_t{1} << 30));
  map.by_axis = make_fast_divide(map.axis);
  map.by_block = make_fast_divide(map.block);
  map.mapped = true;
  return map;
}

numerics::FormatRule format_rule(const Format& format, const char* function) {
  int e = format.exponent_bits, m = format.mantissa_bits;
  if (!(format.quant_min <= format.quant_max)) {
    throw Error(
        ErrorKind::Internal, function,
        "quantized range: got " + std::to_string(format.quant_min) + ".." + std::to_string(format.quant_max) + ", expected min <= max");
  }
  if (format.floating && (e < 1 || e > 8 || m < 0 || m > 23 || 2 - (1 << (e - 1)) > m)) {
    throw Error(
        ErrorKind::Unsupported, function,
        "floating format: got " + std::to_string(e) + " exponent and " + std::to_string(m) + " mantissa bits, expected 1 to 8 and 0 to 23");
  }
  return numerics::make_format(format.quant_min, format.quant_max, static_cast<int>(format.rounding), format.floating, format.exponent_bits,
                               format.mantissa_bits);
}

at::Tensor parameter(const at::Tensor& value, const at::Tensor& x) {
  return value.to(at::TensorOptions().device(x.device()).dtype(at::kFloat)).contiguous();
}

Elementwise elementwise(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format,
                        const char* function) {
  if (offset.numel() != scale.numel()) {
    throw Error(ErrorKind::Internal, function,
                "offsets: got " + std::to_string(offset.numel()) + ", expected " + std::to_string(scale.numel()) + " as scales");
  }
  Elementwise work{};
  work.x = x.const_data_ptr();
  work.scale = scale.const_data_ptr<float>();
  work.offset = offset.const_data_ptr<float>();
  work.count = x.numel();
  work.dtype = dtype_of(x, function);
  work.map = channel_scale_map(channel_view(x, axis, scale.numel(), function));
  work.rule = format_rule(format, function);
  return work;
}

}  // namespace ppq::kernels::cuda
