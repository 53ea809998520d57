#pragma once

#include "kernels/numerics.h"

/// One float at a time: the lanes of machines without AVX2, and the plain reading of what the other lanes do.
namespace ppq::kernels::cpu::PPQ_LEVEL {

inline constexpr int kWidth = 1;
using Mask = bool;

struct Float {
  float v;
};
struct Int {
  int32_t v;
};

static inline Float set(float x) { return {x}; }
static inline Int set_int(int32_t x) { return {x}; }
static inline Int lane_numbers() { return {0}; }
static inline Float load(const float* x) { return {*x}; }
static inline Float load_half(const uint16_t* x) { return {numerics::float_of_float16(*x)}; }
static inline Float load_bfloat16(const uint16_t* x) { return {numerics::float_of_bfloat16(*x)}; }
static inline void store(float* y, Float a) { *y = a.v; }
static inline void store_half(uint16_t* y, Float a) { *y = numerics::float16_of_float(a.v); }
static inline void store_bfloat16(uint16_t* y, Float a) { *y = numerics::bfloat16_of_float(a.v); }
static inline void store_int(uint32_t* y, Int a) { *y = static_cast<uint32_t>(a.v); }
static inline Int load_int(const int32_t* x) { return {*x}; }
static inline Float to_float(Int a) { return {static_cast<float>(a.v)}; }
static inline void store_narrow(uint16_t* y, Int a) { *y = static_cast<uint16_t>(a.v); }

static inline Float operator+(Float a, Float b) { return {a.v + b.v}; }
static inline Float operator-(Float a, Float b) { return {a.v - b.v}; }
static inline Float operator*(Float a, Float b) { return {a.v * b.v}; }
static inline Float operator/(Float a, Float b) { return {a.v / b.v}; }
static inline Float multiply_add(Float a, Float b, Float c) { return {fmaf(a.v, b.v, c.v)}; }
static inline Float negated(Float a) { return {-a.v}; }
/// a < b ? a : b, so a NaN in a gives b.
static inline Float lesser(Float a, Float b) { return {a.v < b.v ? a.v : b.v}; }
static inline Float greater(Float a, Float b) { return {a.v > b.v ? a.v : b.v}; }
static inline Float rint_of(Float a) { return {rintf(a.v)}; }
static inline Float floor_of(Float a) { return {floorf(a.v)}; }
static inline Float ceil_of(Float a) { return {ceilf(a.v)}; }
static inline Float trunc_of(Float a) { return {truncf(a.v)}; }
/// floor(a) as an integer; NaN and what does not fit give INT32_MIN.
static inline Int cut_to_int(Float a) { return {a.v >= -2147483648.0f && a.v < 2147483648.0f ? static_cast<int32_t>(a.v) : INT32_MIN}; }
static inline Int floor_to_int(Float a) {
  float whole = floorf(a.v);
  return {whole >= -2147483648.0f && whole < 2147483648.0f ? static_cast<int32_t>(whole) : INT32_MIN};
}

static inline Mask operator<(Float a, Float b) { return a.v < b.v; }
static inline Mask operator<=(Float a, Float b) { return a.v <= b.v; }
static inline Mask operator>(Float a, Float b) { return a.v > b.v; }
static inline Mask operator>=(Float a, Float b) { return a.v >= b.v; }
static inline Mask is_finite(Float a) { return numerics::is_finite(a.v); }
static inline Mask either(Mask a, Mask b) { return a || b; }
static inline Mask all_lanes() { return true; }
static inline bool all(Mask m) { return m; }
static inline bool any(Mask m) { return m; }
static inline int count(Mask m) { return m; }
static inline Float select(Mask m, Float yes, Float no) { return m ? yes : no; }

static inline Int operator+(Int a, Int b) { return {static_cast<int32_t>(static_cast<uint32_t>(a.v) + static_cast<uint32_t>(b.v))}; }
static inline Int operator-(Int a, Int b) { return {static_cast<int32_t>(static_cast<uint32_t>(a.v) - static_cast<uint32_t>(b.v))}; }
static inline Int operator&(Int a, Int b) { return {a.v & b.v}; }
static inline Int operator|(Int a, Int b) { return {a.v | b.v}; }
template <int by>
static inline Int shift_left(Int a) {
  return {static_cast<int32_t>(static_cast<uint32_t>(a.v) << by)};
}
template <int by>
static inline Int shift_right(Int a) {
  return {a.v >> by};
}
static inline Int larger_int(Int a, Int b) { return {a.v > b.v ? a.v : b.v}; }
static inline Int lesser_int(Int a, Int b) { return a.v < b.v ? a : b; }
static inline Int larger_unsigned(Int a, Int b) { return static_cast<uint32_t>(a.v) > static_cast<uint32_t>(b.v) ? a : b; }
static inline Int lesser_unsigned(Int a, Int b) { return static_cast<uint32_t>(a.v) < static_cast<uint32_t>(b.v) ? a : b; }
static inline Mask equal(Int a, Int b) { return a.v == b.v; }
/// The lanes of m in which a and b have a bit in common.
static inline Mask with_common_bits(Mask m, Int a, Int b) { return m && (a.v & b.v) != 0; }
/// a >= b as unsigned numbers.
static inline Mask not_below(Int a, Int b) { return static_cast<uint32_t>(a.v) >= static_cast<uint32_t>(b.v); }
static inline Int select(Mask m, Int yes, Int no) { return m ? yes : no; }
/// floor(x × inverse) - first.
static inline Int floor_of_scaled(Float x, Float inverse, Float, Int first) { return floor_to_int(x * inverse) - first; }
static inline Int bits_of(Float a) { return {static_cast<int32_t>(numerics::bits_of_float(a.v))}; }
static inline Float float_of(Int a) { return {numerics::float_of_bits(static_cast<uint32_t>(a.v))}; }

/// Appends the slots of the lanes not skipped; returns how many were written.
static inline int append(uint16_t* to, Int slots, Mask skip, Int) {
  *to = static_cast<uint16_t>(slots.v);
  return !skip;
}
static inline int append(uint32_t* to, Int slots, Mask skip, Int) {
  *to = static_cast<uint32_t>(slots.v);
  return !skip;
}
template <class Slot>
static inline void store_slots(Slot* to, Int a, Int b) {
  to[0] = static_cast<Slot>(a.v);
  to[1] = static_cast<Slot>(b.v);
}
/// Transposes kWidth × kWidth floats in place.
static inline void transpose_block(Float*) {}

static inline float least(Float a) { return a.v; }
static inline float greatest(Float a) { return a.v; }

}  // namespace ppq::kernels::cpu::PPQ_LEVEL
