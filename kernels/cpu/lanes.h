#pragma once

#include "kernels/cpu/level.h"

/// What every level builds from its lanes: typed loads and stores with tails, and the rules of numerics.h on lanes.
namespace ppq::kernels::cpu::PPQ_LEVEL {

// Storage types by tag: float16 and bfloat16 are 16 bits each.
struct HalfBits {
  uint16_t bits;
};
struct BFloat16Bits {
  uint16_t bits;
};

static inline float value_of(float x) { return x; }
static inline float value_of(HalfBits x) { return numerics::float_of_float16(x.bits); }
static inline float value_of(BFloat16Bits x) { return numerics::float_of_bfloat16(x.bits); }
static inline void assign(float* y, float a) { *y = a; }
static inline void assign(HalfBits* y, float a) { y->bits = numerics::float16_of_float(a); }
static inline void assign(BFloat16Bits* y, float a) { y->bits = numerics::bfloat16_of_float(a); }

static inline Float load(const HalfBits* x) { return load_half(&x->bits); }
static inline Float load(const BFloat16Bits* x) { return load_bfloat16(&x->bits); }
static inline void store(HalfBits* y, Float a) { store_half(&y->bits, a); }
static inline void store(BFloat16Bits* y, Float a) { store_bfloat16(&y->bits, a); }

/// The first n < kWidth lanes; the others are `rest`.
template <class T>
static inline Float load_some(const T* x, int64_t n, float rest) {
  float lanes[kWidth];
  for (int i = 0; i < kWidth; ++i) lanes[i] = i < n ? value_of(x[i]) : rest;
  return load(lanes);
}
template <class T>
static inline void store_some(T* y, int64_t n, Float a) {
  float lanes[kWidth];
  store(lanes, a);
  for (int i = 0; i < n; ++i) assign(y + i, lanes[i]);
}

/// numerics::round_as on lanes.
template <int mode>
static inline Float round_lanes(Float x) {
  using namespace numerics;
  if constexpr (mode == kHalfEven) return rint_of(x);
  if constexpr (mode == kUp) return ceil_of(x);
  if constexpr (mode == kDown) return floor_of(x);
  Float whole = trunc_of(x), part = x - whole, up = set(0.5f), down = set(-0.5f), one = set(1.0f);
  Mask add, subtract;
  if constexpr (mode == kHalfUp) {
    add = part >= up, subtract = part < down;
  } else if constexpr (mode == kHalfDown) {
    add = part > up, subtract = part <= down;
  } else if constexpr (mode == kHalfTowardsZero) {
    add = part > up, subtract = part < down;
  } else {
    add = part >= up, subtract = part <= down;
  }
  return select(add, whole + one, select(subtract, whole - one, whole));
}

/// numerics::pow2f and minifloat_round on lanes.
static inline Float pow2_lanes(Int e) { return float_of(shift_left<23>(e + set_int(127))); }
template <int mode>
static inline Float minifloat_round_lanes(Float u, int emin, int mantissa_bits) {
  Int exponent = (shift_right<23>(bits_of(u)) & set_int(0xff)) - set_int(127);
  Int place = larger_int(exponent, set_int(emin)) - set_int(mantissa_bits);
  Int half = shift_right<1>(place), rest = place - half, zero = set_int(0);
  Float multiple = round_lanes<mode>(u * pow2_lanes(zero - half) * pow2_lanes(zero - rest));
  return multiple * pow2_lanes(half) * pow2_lanes(rest);
}
/// numerics::clamp_to on lanes: NaN stays NaN.
static inline Float clamp_lanes(Float x, Float low, Float high) { return lesser(high, greater(low, x)); }

/// Calls body with the storage type of `type`.
template <class Body>
static inline void with_type(Type type, Body body) {
  switch (type) {
    case Type::Float:
      body(float{});
      break;
    case Type::Half:
      body(HalfBits{});
      break;
    case Type::BFloat16:
      body(BFloat16Bits{});
      break;
  }
}
template <int value>
struct Constant {};
/// Calls body with the rounding mode as a constant.
template <class Body>
static inline void with_mode(int mode, Body body) {
  using namespace numerics;
  switch (mode) {
    case kHalfEven:
      body(Constant<kHalfEven>{});
      break;
    case kHalfUp:
      body(Constant<kHalfUp>{});
      break;
    case kHalfDown:
      body(Constant<kHalfDown>{});
      break;
    case kHalfTowardsZero:
      body(Constant<kHalfTowardsZero>{});
      break;
    case kUp:
      body(Constant<kUp>{});
      break;
    case kDown:
      body(Constant<kDown>{});
      break;
    default:
      body(Constant<kHalfFarFromZero>{});
      break;
  }
}

}  // namespace ppq::kernels::cpu::PPQ_LEVEL
