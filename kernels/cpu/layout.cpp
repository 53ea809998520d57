#include "kernels/cpu/layout.h"

#include "ppq/error.h"

namespace ppq::kernels::cpu {

Layout layout_of(const at::Tensor& x, int64_t axis) {
  Layout layout;
  if (axis < 0) {
    layout.inner = x.numel();
    return layout;
  }
  layout.channels = x.size(axis);
  if (x.numel() == 0) {
    layout.outer = 0;
    return layout;
  }
  // The stride of a dimension of size 1 says nothing; there is nothing to step over either.
  if (layout.channels == 1) {
    layout.inner = x.numel();
    return layout;
  }
  layout.inner = x.stride(axis);
  layout.outer = x.numel() / (layout.channels * layout.inner);
  return layout;
}

at::Tensor dense(const at::Tensor& x) { return x.is_non_overlapping_and_dense() ? x : x.contiguous(); }

Type type_of(const at::Tensor& x, const char* function) {
  switch (x.scalar_type()) {
    case at::kFloat:
      return Type::Float;
    case at::kHalf:
      return Type::Half;
    case at::kBFloat16:
      return Type::BFloat16;
    default:
      throw Error(ErrorKind::Unsupported, function,
                  std::string("element type: got ") + at::toString(x.scalar_type()) + ", expected float32, float16 or bfloat16");
  }
}

Parameters::Parameters(const at::Tensor& scale_in, const at::Tensor& offset_in, int64_t count, const char* function)
    : scale(scale_in.to(at::kFloat).contiguous()), offset(offset_in.to(at::kFloat).contiguous()) {
  if (scale.numel() != count || offset.numel() != count) {
    throw Error(ErrorKind::Internal, function,
                "number of scales and offsets: got " + std::to_string(scale.numel()) + " and " + std::to_string(offset.numel()) +
                    ", expected " + std::to_string(count));
  }
}

numerics::FormatRule rule_of(const Format& format, const char* function) {
  if (!(format.quant_min <= format.quant_max)) {
    throw Error(
        ErrorKind::Internal, function,
        "quantized range: got " + std::to_string(format.quant_min) + ".." + std::to_string(format.quant_max) + ", expected min <= max");
  }
  if (format.floating) {
    int e = format.exponent_bits, m = format.mantissa_bits;
    if (e < 1 || e > 8 || m < 0 || m > 23 || 2 - (1 << (e - 1)) > m) {
      throw Error(ErrorKind::Unsupported, function,
                  "floating format: got " + std::to_string(e) + " exponent and " + std::to_string(m) +
                      " mantissa bits, expected 1 to 8 and 0 to 23");
    }
  }
  return numerics::make_format(format.quant_min, format.quant_max, static_cast<int>(format.rounding), format.floating, format.exponent_bits,
                               format.mantissa_bits);
}

}  // namespace ppq::kernels::cpu
