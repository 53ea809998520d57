#include "ops/linear_quantization.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "ops/op.h"
#include "ppq/error.h"

namespace ppq::ops {
namespace {

[[noreturn]] void misfit(const at::Tensor& parameter, const at::Tensor& x, const QuantLayout& layout) {
  throw Error(ErrorKind::Model, "quantization parameters",
              "shape: got " + to_string(parameter.sizes()) + ", expected one number or one for each index of axis " +
                  std::to_string(layout.axis) + " of " + to_string(x.sizes()) +
                  (layout.block > 0 ? " in blocks of " + std::to_string(layout.block) : ""));
}

double largest_float8(at::ScalarType type) {
  switch (type) {
    case at::kFloat8_e4m3fn:
      return 448;
    case at::kFloat8_e4m3fnuz:
      return 240;
    default:
      return 57344;  // both e5m2 forms
  }
}

}  // namespace

at::Tensor spread(const at::Tensor& parameter, const at::Tensor& x, const QuantLayout& layout) {
  const at::Tensor p = on_device_of(parameter, x);
  if (layout.block > 0) {
    const int64_t axis = normalize_axis(layout.axis, x.dim());
    const int64_t block = std::min(layout.block, std::max<int64_t>(x.size(axis), 1));
    if (p.dim() != x.dim() || p.size(axis) != (x.size(axis) + block - 1) / block) misfit(p, x, layout);
    return p.repeat_interleave(block, axis).narrow(axis, 0, x.size(axis));
  }
  if (p.numel() == 1) return p.reshape({});
  const int64_t axis = normalize_axis(layout.axis, x.dim());
  if (p.dim() == x.dim() && p.dim() > 1) return p;  // already broadcastable (QLinearMatMul's per-row and per-column form)
  if (p.dim() != 1 || p.size(0) != x.size(axis)) misfit(p, x, layout);
  std::vector<int64_t> shape(x.dim(), 1);
  shape[axis] = p.size(0);
  return p.reshape(shape);
}

std::pair<double, double> integer_range(at::ScalarType type) {
  switch (type) {
    case at::kByte:
      return {0, 255};
    case at::kChar:
      return {-128, 127};
    case at::kUInt16:
      return {0, 65535};
    case at::kShort:
      return {-32768, 32767};
    case at::kInt:
      return {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
    default:
      throw Error(ErrorKind::Unsupported, "quantization",
                  std::string("quantized type: got ") + at::toString(type) + ", expected an 8, 16 or 32-bit integer or float8");
  }
}

bool is_float8(at::ScalarType type) {
  return type == at::kFloat8_e4m3fn || type == at::kFloat8_e4m3fnuz || type == at::kFloat8_e5m2 || type == at::kFloat8_e5m2fnuz;
}

at::Tensor dequantize(const at::Tensor& q, const at::Tensor& scale, const at::Tensor& zero_point, const QuantLayout& layout,
                      at::ScalarType type) {
  const at::Tensor s = spread(scale, q, layout).to(at::kFloat);
  if (is_float8(q.scalar_type())) {
    at::Tensor value = q.to(at::kFloat);
    if (zero_point.defined()) value = value - spread(zero_point, q, layout).to(at::kFloat);
    return (value * s).to(type);
  }
  at::Tensor value = q.to(at::kInt);
  if (zero_point.defined()) value = value - spread(zero_point, q, layout).to(at::kInt);
  return value.to(at::kFloat).mul(s).to(type);
}

at::Tensor quantize(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& zero_point, const QuantLayout& layout,
                    at::ScalarType type, bool saturate) {
  at::Tensor value = x.to(at::kFloat) / spread(scale, x, layout).to(at::kFloat);
  if (is_float8(type)) {
    if (zero_point.defined()) value = value + spread(zero_point, x, layout).to(at::kFloat);
    const double limit = largest_float8(type);
    return (saturate ? value.clamp(-limit, limit) : value).to(type);
  }
  value = value.round();
  if (zero_point.defined()) value = value + spread(zero_point, x, layout).to(at::kFloat);
  const auto [low, high] = integer_range(type);
  return value.clamp(low, high).to(type);
}

DynamicQuantized quantize_dynamically(const at::Tensor& input) {
  const at::Tensor x = input.to(at::kFloat), zero = at::zeros({}, x.options());
  const at::Tensor low = x.numel() ? at::minimum(x.min(), zero) : zero, high = x.numel() ? at::maximum(x.max(), zero) : zero;
  at::Tensor scale = (high - low) / 255;
  scale = at::where(scale == 0, at::ones_like(scale), scale);
  const at::Tensor zero_point = (-low / scale).clamp(0, 255).round();
  return {(x / scale).round().add(zero_point).clamp(0, 255).to(at::kByte), scale, zero_point.to(at::kByte)};
}

at::Tensor centered(const at::Tensor& q, const at::Tensor& zero_point, const QuantLayout& layout, bool exact_in_float) {
  const at::ScalarType type = exact_in_float ? at::kFloat : at::kDouble;
  const at::Tensor value = q.to(type);
  return zero_point.defined() ? value - spread(zero_point, q, layout).to(type) : value;
}

}  // namespace ppq::ops
