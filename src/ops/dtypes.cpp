#include "ops/dtypes.h"

#include <ATen/ATen.h>

#include <limits>

namespace ppq::ops {
namespace {

constexpr int64_t kTopBit = std::numeric_limits<int64_t>::min();

at::ScalarType computable(at::ScalarType type) {
  switch (type) {
    case at::kUInt16:
      return at::kShort;
    case at::kUInt32:
      return at::kInt;
    case at::kUInt64:
      return at::kLong;
    case at::kFloat8_e4m3fn:
    case at::kFloat8_e4m3fnuz:
    case at::kFloat8_e5m2:
    case at::kFloat8_e5m2fnuz:
    case at::kFloat8_e8m0fnu:
      return at::kByte;
    default:
      return type;
  }
}

}  // namespace

bool is_wide_unsigned(at::ScalarType type) { return type == at::kUInt16 || type == at::kUInt32 || type == at::kUInt64; }

at::Tensor signed_view(const at::Tensor& x) {
  const auto type = computable(x.scalar_type());
  return type == x.scalar_type() ? x : x.view(type);
}

at::Tensor typed_view(const at::Tensor& x, at::ScalarType type) { return x.scalar_type() == type ? x : x.view(type); }

at::Tensor ordered(const at::Tensor& x) {
  if (x.scalar_type() == at::kUInt64) return x.view(at::kLong).bitwise_xor(kTopBit);
  return is_wide_unsigned(x.scalar_type()) ? x.to(at::kLong) : x;
}

at::Tensor from_ordered(const at::Tensor& x, at::ScalarType type) {
  if (type == at::kUInt64) return x.bitwise_xor(kTopBit).view(at::kUInt64);
  return is_wide_unsigned(type) ? x.to(type) : x;
}

}  // namespace ppq::ops
