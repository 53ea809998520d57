#include <ATen/ATen.h>

#include <limits>

#include "ops/arithmetic.h"
#include "ops/dtypes.h"
#include "ppq/error.h"

namespace ppq::ops {
namespace {

bool is_float8(at::ScalarType type) {
  return type == at::kFloat8_e4m3fn || type == at::kFloat8_e4m3fnuz || type == at::kFloat8_e5m2 || type == at::kFloat8_e5m2fnuz;
}

double float8_max(at::ScalarType type) {
  if (type == at::kFloat8_e4m3fn) return std::numeric_limits<c10::Float8_e4m3fn>::max();
  if (type == at::kFloat8_e4m3fnuz) return std::numeric_limits<c10::Float8_e4m3fnuz>::max();
  if (type == at::kFloat8_e5m2) return std::numeric_limits<c10::Float8_e5m2>::max();
  return std::numeric_limits<c10::Float8_e5m2fnuz>::max();
}

/// The 8-bit power of two 2^(byte - 127), 255 being NaN. Negative values and zero become the smallest one.
at::Tensor to_power_of_two(const at::Tensor& x, const std::string& rounding, bool saturate) {
  const at::Tensor bits = x.to(at::kFloat).contiguous().view(at::kInt).bitwise_and(0x7fffffff);
  const at::Tensor mantissa = bits.bitwise_and(0x7fffff), exponent = bits.bitwise_right_shift(at::tensor(23, bits.options()));
  at::Tensor round_up;
  if (rounding == "up") {
    // Between 2^-127 (the least subnormal that is a power of two here) and 2^-126 the mantissa's top bit counts as 1.
    round_up = at::where(exponent.eq(0), mantissa.gt(0x400000), mantissa.gt(0));
  } else if (rounding == "nearest") {
    round_up = at::where(exponent.eq(0), mantissa.gt(0x600000), mantissa.ge(0x400000));
  } else {
    round_up = at::zeros_like(mantissa, at::kBool);
  }
  const at::Tensor special = exponent.eq(0xff);
  at::Tensor byte = exponent + round_up.to(at::kInt);
  byte = at::where(byte.ge(0xff), saturate ? 0xfe : 0xff, byte);
  const at::Tensor infinite = special.logical_and(mantissa.eq(0));
  byte = at::where(special, 0xff, byte);
  if (saturate) byte = at::where(infinite, 0xfe, byte);
  return byte.to(at::kByte).view(at::kFloat8_e8m0fnu);
}

struct CastOptions {
  bool saturate = true;
  std::string rounding = "up";
};

at::Tensor cast(const at::Tensor& x, at::ScalarType type, const CastOptions& options) {
  if (x.scalar_type() == type) return x;
  if (type == at::kFloat8_e8m0fnu) return to_power_of_two(x, options.rounding, options.saturate);
  if (is_float8(type) && options.saturate) {
    const double limit = float8_max(type);
    return x.to(at::kFloat).clamp(-limit, limit).to(type);
  }
  if (at::isFloat8Type(x.scalar_type()) && type != at::kFloat) return x.to(at::kFloat).to(type);
  return x.to(type);
}

CastOptions options_of(const OpSpec& spec) {
  return {spec.node.attributes.get_int("saturate", 1) != 0, spec.node.attributes.get_string("round_mode", "up")};
}

at::ScalarType target_of(const OpSpec& spec) {
  const AttrValue* to = spec.node.attributes.find("to");
  if (!to) fail(spec.node, "attribute 'to' is missing");
  if (const auto* name = std::get_if<std::string>(to))
    fail(spec.node, "attribute 'to': got the text '" + *name + "', expected a number (opset 6 or newer)");
  return to_scalar_type(static_cast<DataType>(spec.node.attributes.get_int("to", 0)));
}

Kernel make_cast(const OpSpec& spec) {
  return [type = target_of(spec), options = options_of(spec)](Inputs in, Outputs out) { out[0] = cast(in[0], type, options); };
}

Kernel make_cast_like(const OpSpec& spec) {
  return [options = options_of(spec)](Inputs in, Outputs out) { out[0] = cast(in[0], in[1].scalar_type(), options); };
}

Kernel make_bit_cast(const OpSpec& spec) {
  return [type = target_of(spec)](Inputs in, Outputs out) {
    TORCH_CHECK(in[0].element_size() == static_cast<int64_t>(c10::elementSize(type)), "BitCast between types of different size");
    out[0] = in[0].view(type);
  };
}

}  // namespace

Rows cast_rows() {
  using enum OpKind;
  return {
      {"Cast", 6, make_cast, {Computation, "d", "d"}},
      {"CastLike", 15, make_cast_like, {Computation, "df", "d"}},
      {"BitCast", 26, make_bit_cast, {Computation, "d", "d"}},
  };
}

}  // namespace ppq::ops
