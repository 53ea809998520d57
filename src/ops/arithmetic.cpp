#include "ops/arithmetic.h"

#include <ATen/ATen.h>

#include <cmath>

#include "ops/dtypes.h"
#include "ops/expendable.h"

namespace ppq::ops {
namespace {

at::Tensor wrapping(const at::Tensor& a, const at::Tensor& b, Binary function) {
  if (signed_view(a).scalar_type() == a.scalar_type()) return function(a, b);
  return typed_view(function(signed_view(a), signed_view(b)), a.scalar_type());
}

at::Tensor add(const at::Tensor& a, const at::Tensor& b) {
  return wrapping(a, b, [](const at::Tensor& x, const at::Tensor& y) { return at::add(x, y); });
}
at::Tensor subtract(const at::Tensor& a, const at::Tensor& b) {
  return wrapping(a, b, [](const at::Tensor& x, const at::Tensor& y) { return at::sub(x, y); });
}
at::Tensor multiply(const at::Tensor& a, const at::Tensor& b) { return wrapping(a, b, at::mul); }
at::Tensor bitwise_and(const at::Tensor& a, const at::Tensor& b) { return wrapping(a, b, at::bitwise_and); }
at::Tensor bitwise_or(const at::Tensor& a, const at::Tensor& b) { return wrapping(a, b, at::bitwise_or); }
at::Tensor bitwise_xor(const at::Tensor& a, const at::Tensor& b) { return wrapping(a, b, at::bitwise_xor); }
at::Tensor bitwise_not(const at::Tensor& x) {
  return moved(x, [](const at::Tensor& bits) { return at::bitwise_not(bits); });
}

/// LibTorch has no 64-bit unsigned division, nor a signed type that could do it: a loop on the host.
template <class F>
at::Tensor uint64_loop(const at::Tensor& a, const at::Tensor& b, F f) {
  const auto pair = at::broadcast_tensors({a.cpu().view(at::kLong), b.cpu().view(at::kLong)});
  const at::Tensor x = pair[0].contiguous(), y = pair[1].contiguous();
  at::Tensor out = at::empty_like(x);
  const auto* xs = x.const_data_ptr<int64_t>();
  const auto* ys = y.const_data_ptr<int64_t>();
  auto* os = out.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < out.numel(); ++i) os[i] = static_cast<int64_t>(f(static_cast<uint64_t>(xs[i]), static_cast<uint64_t>(ys[i])));
  return on_device_of(out.view(at::kUInt64), a);
}

uint64_t checked_divisor(uint64_t y) {
  TORCH_CHECK(y != 0, "integer division by zero");
  return y;
}

at::Tensor divide(const at::Tensor& a, const at::Tensor& b) {
  const auto type = a.scalar_type();
  if (type == at::kUInt64) return uint64_loop(a, b, [](uint64_t x, uint64_t y) { return x / checked_divisor(y); });
  if (at::isFloatingType(type)) return at::div(a, b);
  return from_ordered(at::div(ordered(a), ordered(b), "trunc"), type);
}

at::Tensor python_modulo(const at::Tensor& a, const at::Tensor& b) {
  const auto type = a.scalar_type();
  if (type == at::kUInt64) return uint64_loop(a, b, [](uint64_t x, uint64_t y) { return x % checked_divisor(y); });
  return from_ordered(at::remainder(ordered(a), ordered(b)), type);
}

at::Tensor c_modulo(const at::Tensor& a, const at::Tensor& b) {
  const auto type = a.scalar_type();
  if (type == at::kUInt64) return python_modulo(a, b);
  return from_ordered(at::fmod(ordered(a), ordered(b)), type);
}

Kernel modulo(const OpSpec& spec) { return make_binary(spec, spec.node.attributes.get_int("fmod", 0) ? c_modulo : python_modulo); }

/// The result has the type of the base; exponents of another type are read as they are.
at::Tensor power(const at::Tensor& a, const at::Tensor& b) {
  const auto type = a.scalar_type(), exponent = b.scalar_type();
  if (type == exponent && !is_wide_unsigned(type)) return at::pow(a, b);
  if (at::isFloatingType(type)) return at::pow(a, b.to(type));
  if (at::isFloatingType(exponent)) {
    // A GPU's power may lie a few last places below the integer that it is, before the fraction is cut off.
    const at::Tensor power = at::pow(a.to(at::kDouble), b.to(at::kDouble)), near = power.round();
    return at::where((power - near).abs() <= near.abs() * 1e-14, near, power).to(type);
  }
  return at::pow(a.to(at::kLong), b.to(at::kLong)).to(type);
}

at::Tensor shift_left(const at::Tensor& a, const at::Tensor& b) { return wrapping(a, b, at::bitwise_left_shift); }

/// Logical, also for uint64: the first bit is shifted with the sign masked away.
at::Tensor shift_right(const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() != at::kUInt64) return from_ordered(at::bitwise_right_shift(ordered(a), ordered(b)), a.scalar_type());
  const at::Tensor x = a.view(at::kLong), n = b.view(at::kLong);
  const at::Tensor shifted =
      x.bitwise_right_shift(at::ones({}, x.options())).bitwise_and(INT64_MAX).bitwise_right_shift((n - 1).clamp_min(0));
  return at::where(n.eq(0), x, shifted).view(at::kUInt64);
}

Kernel bit_shift(const OpSpec& spec) {
  const std::string direction = spec.node.attributes.get_string("direction", "");
  if (direction != "LEFT" && direction != "RIGHT") fail(spec.node, "direction: got '" + direction + "', expected LEFT or RIGHT");
  return make_binary(spec, direction == "LEFT" ? shift_left : shift_right);
}

at::Tensor maximum(const at::Tensor& a, const at::Tensor& b) { return from_ordered(at::maximum(ordered(a), ordered(b)), a.scalar_type()); }
at::Tensor minimum(const at::Tensor& a, const at::Tensor& b) { return from_ordered(at::minimum(ordered(a), ordered(b)), a.scalar_type()); }

template <Binary F>
at::Tensor fold(Inputs in) {
  at::Tensor result = in[0];
  for (size_t i = 1; i < in.size(); ++i) {
    const auto [a, b] = same_device(result, in[i]);
    result = F(a, b);
  }
  return result;
}

template <Binary F>
Kernel variadic(const OpSpec&) {
  return [](Inputs in, Outputs out) { out[0] = fold<F>(in); };
}

Kernel mean(const OpSpec&) {
  return [](Inputs in, Outputs out) { out[0] = fold<add>(in).div(static_cast<double>(in.size())); };
}

at::Tensor between(const at::Tensor& x, const std::optional<at::Scalar>& low, const std::optional<at::Scalar>& high) {
  return expendable(x) && x.is_floating_point() ? overwrite(x).clamp_(low, high) : at::clamp(x, low, high);
}

at::Tensor clip(const at::Tensor& x, const at::Tensor& low, const at::Tensor& high) {
  if (is_wide_unsigned(x.scalar_type())) {
    at::Tensor y = ordered(x);
    if (low.defined()) y = at::maximum(y, ordered(on_device_of(low, x)));
    if (high.defined()) y = at::minimum(y, ordered(on_device_of(high, x)));
    return from_ordered(y, x.scalar_type());
  }
  const bool on_host = (!low.defined() || low.is_cpu()) && (!high.defined() || high.is_cpu());
  if (!on_host) {
    std::optional<at::Tensor> a, b;
    if (low.defined()) a = on_device_of(low, x).reshape({});
    if (high.defined()) b = on_device_of(high, x).reshape({});
    return at::clamp(x, a, b);
  }
  std::optional<at::Scalar> a, b;
  if (low.defined()) a = scalar_of(low);
  if (high.defined()) b = scalar_of(high);
  return between(x, a, b);
}

/// The sum goes into an input that nobody needs any more, where it has the sum's shape, type and layout.
Kernel add_rows(const OpSpec& spec) {
  return [general = make_binary(spec, add)](Inputs in, Outputs out) {
    const bool alike = in[0].is_floating_point() && in[0].sizes() == in[1].sizes() && in[0].strides() == in[1].strides() &&
                       in[0].scalar_type() == in[1].scalar_type() && in[0].device() == in[1].device();
    if (alike && expendable(in[0]))
      out[0] = overwrite(in[0]).add_(in[1]);
    else if (alike && expendable(in[1]))
      out[0] = overwrite(in[1]).add_(in[0]);
    else
      general(in, out);
  };
}

Kernel clip_by_attributes(const OpSpec& spec) {
  std::optional<at::Scalar> low, high;
  if (spec.node.attributes.has("min")) low = spec.node.attributes.get_float("min", 0);
  if (spec.node.attributes.has("max")) high = spec.node.attributes.get_float("max", 0);
  return [low, high](Inputs in, Outputs out) { out[0] = low || high ? between(in[0], low, high) : in[0]; };
}

Kernel clip_by_inputs(const OpSpec&) {
  return [](Inputs in, Outputs out) {
    const at::Tensor low = in.size() > 1 ? in[1] : at::Tensor(), high = in.size() > 2 ? in[2] : at::Tensor();
    out[0] = low.defined() || high.defined() ? clip(in[0], low, high) : in[0];
  };
}

}  // namespace

at::Tensor LegacyBroadcast::operator()(const at::Tensor& a, const at::Tensor& b) const {
  if (axis_ == kNone || b.dim() == 0) return b;
  std::vector<int64_t> sizes = b.sizes().vec();
  const int64_t axis = axis_ < 0 ? axis_ + a.dim() : axis_;
  while (axis + static_cast<int64_t>(sizes.size()) < a.dim()) sizes.push_back(1);
  return b.reshape(sizes);
}

Kernel make_binary(const OpSpec& spec, Binary function) {
  return [function, align = LegacyBroadcast(spec)](Inputs in, Outputs out) {
    const auto [a, b] = same_device(in[0], in[1]);
    out[0] = function(a, align(a, b));
  };
}

Rows arithmetic_rows() {
  using enum OpKind;
  return {
      {"Add", 1, add_rows, {Computation, "d", "d"}},
      {"Sub", 1, binary<subtract>, {Computation, "d", "d"}},
      {"Mul", 1, binary<multiply>, {Computation, "d", "d"}},
      {"Div", 1, binary<divide>, {Computation, "d", "d"}},
      {"Mod", 10, modulo, {Computation, "d", "d"}},
      {"Pow", 1, binary<power>, {Computation, "d", "d"}},
      {"BitShift", 11, bit_shift, {Computation, "d", "d"}},
      {"BitwiseAnd", 18, binary<bitwise_and>, {Computation, "d", "d"}},
      {"BitwiseOr", 18, binary<bitwise_or>, {Computation, "d", "d"}},
      {"BitwiseXor", 18, binary<bitwise_xor>, {Computation, "d", "d"}},
      {"BitwiseNot", 18, unary<bitwise_not>, {Computation, "d", "d"}},
      {"Max", 1, variadic<maximum>, {Computation, "d", "d"}},
      {"Min", 1, variadic<minimum>, {Computation, "d", "d"}},
      {"Sum", 1, variadic<add>, {Computation, "d", "d"}},
      {"Mean", 1, mean, {Computation, "d", "d"}},
      {"Clip", 1, clip_by_attributes, {Activation, "dl", "d"}},
      {.type = "Clip", .since = 11, .make = clip_by_inputs, .facts = {Activation, "dl", "d"}, .host_inputs = 0b110},
  };
}

}  // namespace ppq::ops
