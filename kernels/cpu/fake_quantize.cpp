#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/parallel.h"
#include "ppq/error.h"

namespace ppq::kernels::cpu {
namespace {

constexpr int64_t kGrain = 32768;  ///< elements a thread takes at least

/// Calls uniform(begin, end, length, period) or varying(begin, end, length) on pieces of rows. Cuts one long row into rows,
/// so that a tensor with one scale is shared by the threads too.
template <class Uniform, class Varying>
void for_rows(const Layout& layout, const Uniform& uniform, const Varying& varying) {
  if (layout.count() == 0) return;
  if (layout.inner == 1 && layout.channels > 1) {
    int64_t grain = std::max<int64_t>(1, kGrain / layout.channels);
    parallel_for(layout.outer, grain, [&](int64_t begin, int64_t end) { varying(begin, end, layout.channels); });
    return;
  }
  int64_t rows = layout.outer * layout.channels;
  if (layout.channels == 1) {
    constexpr int64_t kPiece = 4096;
    int64_t count = layout.count(), whole = count / kPiece, tail = whole * kPiece;
    parallel_for(whole, kGrain / kPiece, [&](int64_t begin, int64_t end) { uniform(begin * kPiece, 0, 1, (end - begin) * kPiece, 1); });
    if (tail < count) uniform(tail, 0, 1, count - tail, 1);
    return;
  }
  int64_t grain = std::max<int64_t>(1, kGrain / layout.inner);
  parallel_for(rows, grain, [&](int64_t begin, int64_t end) { uniform(0, begin, end, layout.inner, layout.channels); });
}

const void* advance(const void* data, int64_t elements, int64_t size) { return static_cast<const char*>(data) + elements * size; }
void* advance(void* data, int64_t elements, int64_t size) { return static_cast<char*>(data) + elements * size; }

/// What the kernels need to multiply by 1/scale and yet give the integers of the division (loops_quantize.h, QuickLinear).
class QuickParameters {
 public:
  QuickParameters(QuantizeTask& task, int64_t count) : pitch_((count + 15) / 16 * 16) {
    if (!usable(task.rule)) return;
    numbers_ = at::empty({3 * pitch_}, at::kFloat);  // aligned: loads that cross cache lines take twice as long
    const float least = static_cast<float>(task.rule.quant_min), most = static_cast<float>(task.rule.quant_max);
    float *inverse = numbers_.mutable_data_ptr<float>(), *low = inverse + pitch_, *high = low + pitch_;
    for (int64_t c = 0; c < count; ++c) {
      const float scale = task.scale[c], offset = task.offset[c];
      // Whole offsets: only then clamping before adding the offset is the same.
      if (!(scale >= 0x1p-100f && scale <= 0x1p100f) || !(std::abs(offset) <= kReach) || offset != std::rint(offset)) return;
      inverse[c] = 1.0f / scale;
      if (std::abs(least - offset) > kReach || std::abs(most - offset) > kReach) return;
      low[c] = kBase + (least - offset);
      high[c] = kBase + (most - offset);
    }
    task.inverse = inverse, task.low = low, task.high = high;
  }

 private:
  static constexpr float kReach = 512, kBase = 3072;
  static bool usable(const numerics::FormatRule& rule) {
    const double low = rule.quant_min, high = rule.quant_max;
    return !rule.floating && rule.rounding == numerics::kHalfEven && high - low <= 2 * kReach && low == std::rint(low) &&
           high == std::rint(high);
  }
  int64_t pitch_;
  at::Tensor numbers_;
};

/// x and y are dense with the same strides.
void run(const at::Tensor& x, at::Tensor& y, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format,
         const char* function) {
  const Level& level = current_level();
  Layout layout = layout_of(x, axis);
  Parameters parameters(scale, offset, layout.channels, function);
  QuantizeTask task{x.const_data_ptr(),
                    y.mutable_data_ptr(),
                    type_of(x, function),
                    parameters.scale.const_data_ptr<float>(),
                    parameters.offset.const_data_ptr<float>(),
                    rule_of(format, function)};
  QuickParameters quick(task, layout.channels);
  int64_t size = x.element_size();
  for_rows(
      layout,
      [&](int64_t start, int64_t begin, int64_t end, int64_t length, int64_t period) {
        QuantizeTask piece = task;
        piece.x = advance(task.x, start, size);
        piece.y = advance(task.y, start, size);
        level.fake_quantize_uniform(piece, begin, end, length, period);
      },
      [&](int64_t begin, int64_t end, int64_t length) { level.fake_quantize_varying(task, begin, end, length); });
}

IntType int_type_of(at::ScalarType dtype) {
  switch (dtype) {
    case at::kByte:
      return IntType::UInt8;
    case at::kChar:
      return IntType::Int8;
    case at::kUInt16:
      return IntType::UInt16;
    case at::kShort:
      return IntType::Int16;
    case at::kInt:
      return IntType::Int32;
    default:
      throw Error(ErrorKind::Unsupported, "quantize_to_int",
                  std::string("integer type: got ") + at::toString(dtype) + ", expected uint8, int8, uint16, int16 or int32");
  }
}
void check_fits(IntType type, const Format& format) {
  constexpr double kLow[] = {0, -128, 0, -32768, -2147483648.0}, kHigh[] = {255, 127, 65535, 32767, 2147483647.0};
  int i = static_cast<int>(type);
  if (format.floating || format.quant_min < kLow[i] || format.quant_max > kHigh[i]) {
    throw Error(ErrorKind::Internal, "quantize_to_int",
                "quantized range: got " + std::to_string(format.quant_min) + ".." + std::to_string(format.quant_max) +
                    ", expected integers the type holds");
  }
}

}  // namespace

at::Tensor fake_quantize(const at::Tensor& x_in, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format) {
  at::Tensor x = dense(x_in), y = at::empty_like(x);
  run(x, y, scale, offset, axis, format, "fake_quantize");
  return y;
}

void fake_quantize_(at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format) {
  if (x.is_non_overlapping_and_dense()) {
    run(x, x, scale, offset, axis, format, "fake_quantize_");
  } else {
    x.copy_(cpu::fake_quantize(x, scale, offset, axis, format));
  }
}

at::Tensor fake_quantize_blocks(const at::Tensor& x_in, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, int64_t block,
                                const Format& format) {
  const char* function = "fake_quantize_blocks";
  if (axis < 0 || axis >= x_in.dim() || block < 1) {
    throw Error(ErrorKind::Internal, function,
                "axis and block: got " + std::to_string(axis) + " and " + std::to_string(block) + " for " + std::to_string(x_in.dim()) +
                    " dimensions");
  }
  const Level& level = current_level();
  at::Tensor x = x_in.contiguous(), y = at::empty_like(x);
  int64_t length = x.size(axis), blocks = (length + block - 1) / block;
  int64_t inner = 1;
  for (int64_t d = axis + 1; d < x.dim(); ++d) inner *= x.size(d);
  if (x.numel() == 0) return y;
  int64_t outer = x.numel() / (length * inner);
  Parameters parameters(scale, offset, outer * blocks * inner, function);
  const float* scales = parameters.scale.const_data_ptr<float>();
  const float* offsets = parameters.offset.const_data_ptr<float>();
  QuantizeTask task{x.const_data_ptr(), y.mutable_data_ptr(), type_of(x, function), scales, offsets, rule_of(format, function)};
  int64_t size = x.element_size();
  // A work item is one block: `block` (or what is left) elements along the axis, times inner.
  parallel_for(outer * blocks, std::max<int64_t>(1, kGrain / (block * inner)), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      int64_t start = item % blocks * block, extent = std::min(block, length - start);
      QuantizeTask piece = task;
      piece.x = advance(task.x, (item / blocks * length + start) * inner, size);
      piece.y = advance(task.y, (item / blocks * length + start) * inner, size);
      piece.scale = scales + item * inner;
      piece.offset = offsets + item * inner;
      if (inner == 1) {
        level.fake_quantize_uniform(piece, 0, 1, extent, 1);
      } else {
        level.fake_quantize_varying(piece, 0, extent, inner);
      }
    }
  });
  return y;
}

at::Tensor quantize_to_int(const at::Tensor& x_in, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format,
                           at::ScalarType dtype) {
  const char* function = "quantize_to_int";
  const Level& level = current_level();
  IntType int_type = int_type_of(dtype);
  check_fits(int_type, format);
  at::Tensor x = dense(x_in), y = at::empty_like(x, x.options().dtype(dtype));
  Layout layout = layout_of(x, axis);
  Parameters parameters(scale, offset, layout.channels, function);
  QuantizeTask task{x.const_data_ptr(),
                    y.mutable_data_ptr(),
                    type_of(x, function),
                    parameters.scale.const_data_ptr<float>(),
                    parameters.offset.const_data_ptr<float>(),
                    rule_of(format, function)};
  for_rows(
      layout,
      [&](int64_t start, int64_t begin, int64_t end, int64_t length, int64_t period) {
        QuantizeTask piece = task;
        piece.x = advance(task.x, start, x.element_size());
        piece.y = advance(task.y, start, y.element_size());
        level.quantize_int_uniform(piece, int_type, begin, end, length, period);
      },
      [&](int64_t begin, int64_t end, int64_t length) { level.quantize_int_varying(task, int_type, begin, end, length); });
  return y;
}

}  // namespace ppq::kernels::cpu
