#pragma once

#include <immintrin.h>

#include "kernels/numerics.h"

/// Eight floats at a time.
namespace ppq::kernels::cpu::PPQ_LEVEL {

inline constexpr int kWidth = 8;

struct Float {
  __m256 v;
};
struct Int {
  __m256i v;
};
struct Mask {
  __m256 v;
};

static inline Float set(float x) { return {_mm256_set1_ps(x)}; }
static inline Int set_int(int32_t x) { return {_mm256_set1_epi32(x)}; }
static inline Int lane_numbers() { return {_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)}; }
static inline Float load(const float* x) { return {_mm256_loadu_ps(x)}; }
static inline Float load_half(const uint16_t* x) { return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)))}; }
static inline Float load_bfloat16(const uint16_t* x) {
  __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(wide, 16))};
}
static inline void store(float* y, Float a) { _mm256_storeu_ps(y, a.v); }
static inline void store_half(uint16_t* y, Float a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(y), _mm256_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline void store_bfloat16(uint16_t* y, Float a) {
  __m256i bits = _mm256_castps_si256(a.v);
  __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q));
  rounded = _mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7fc0), nan);
  __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(rounded, rounded), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(y), _mm256_castsi256_si128(packed));
}
static inline void store_int(uint32_t* y, Int a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), a.v); }
static inline Int load_int(const int32_t* x) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x))}; }
static inline Float to_float(Int a) { return {_mm256_cvtepi32_ps(a.v)}; }
/// Lanes that fit 16 bits; what others give is of no use.
static inline void store_narrow(uint16_t* y, Int a) {
  __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(a.v, a.v), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(y), _mm256_castsi256_si128(packed));
}

static inline Float operator+(Float a, Float b) { return {_mm256_add_ps(a.v, b.v)}; }
static inline Float operator-(Float a, Float b) { return {_mm256_sub_ps(a.v, b.v)}; }
static inline Float operator*(Float a, Float b) { return {_mm256_mul_ps(a.v, b.v)}; }
static inline Float operator/(Float a, Float b) { return {_mm256_div_ps(a.v, b.v)}; }
static inline Float multiply_add(Float a, Float b, Float c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
static inline Float negated(Float a) { return {_mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f))}; }
static inline Float lesser(Float a, Float b) { return {_mm256_min_ps(a.v, b.v)}; }
static inline Float greater(Float a, Float b) { return {_mm256_max_ps(a.v, b.v)}; }
static inline Float rint_of(Float a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
static inline Float floor_of(Float a) { return {_mm256_floor_ps(a.v)}; }
static inline Float ceil_of(Float a) { return {_mm256_ceil_ps(a.v)}; }
static inline Float trunc_of(Float a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)}; }
static inline Int cut_to_int(Float a) { return {_mm256_cvttps_epi32(a.v)}; }
static inline Int floor_to_int(Float a) { return {_mm256_cvttps_epi32(_mm256_floor_ps(a.v))}; }

static inline Mask operator<(Float a, Float b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
static inline Mask operator<=(Float a, Float b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)}; }
static inline Mask operator>(Float a, Float b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ)}; }
static inline Mask operator>=(Float a, Float b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GE_OQ)}; }
static inline Mask is_finite(Float a) {
  __m256 magnitude = _mm256_and_ps(a.v, _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff)));
  return {_mm256_cmp_ps(magnitude, _mm256_set1_ps(__builtin_inff()), _CMP_LT_OQ)};
}
static inline Mask either(Mask a, Mask b) { return {_mm256_or_ps(a.v, b.v)}; }
static inline Mask all_lanes() { return {_mm256_castsi256_ps(_mm256_set1_epi32(-1))}; }
static inline bool all(Mask m) { return _mm256_movemask_ps(m.v) == 0xff; }
static inline bool any(Mask m) { return _mm256_movemask_ps(m.v) != 0; }
static inline int count(Mask m) { return __builtin_popcount(static_cast<unsigned>(_mm256_movemask_ps(m.v))); }
static inline Float select(Mask m, Float yes, Float no) { return {_mm256_blendv_ps(no.v, yes.v, m.v)}; }

static inline Int operator+(Int a, Int b) { return {_mm256_add_epi32(a.v, b.v)}; }
static inline Int operator-(Int a, Int b) { return {_mm256_sub_epi32(a.v, b.v)}; }
static inline Int operator&(Int a, Int b) { return {_mm256_and_si256(a.v, b.v)}; }
static inline Int operator|(Int a, Int b) { return {_mm256_or_si256(a.v, b.v)}; }
template <int by>
static inline Int shift_left(Int a) {
  return {_mm256_slli_epi32(a.v, by)};
}
template <int by>
static inline Int shift_right(Int a) {
  return {_mm256_srai_epi32(a.v, by)};
}
static inline Int larger_int(Int a, Int b) { return {_mm256_max_epi32(a.v, b.v)}; }
static inline Int lesser_int(Int a, Int b) { return {_mm256_min_epi32(a.v, b.v)}; }
static inline Int larger_unsigned(Int a, Int b) { return {_mm256_max_epu32(a.v, b.v)}; }
static inline Int lesser_unsigned(Int a, Int b) { return {_mm256_min_epu32(a.v, b.v)}; }
static inline Mask equal(Int a, Int b) { return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(a.v, b.v))}; }
static inline Mask not_below(Int a, Int b) { return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_max_epu32(a.v, b.v), a.v))}; }
/// The lanes of m in which a and b have a bit in common.
static inline Mask with_common_bits(Mask m, Int a, Int b) { return {_mm256_andnot_ps(equal(a & b, {_mm256_setzero_si256()}).v, m.v)}; }
static inline Int select(Mask m, Int yes, Int no) { return {_mm256_blendv_epi8(no.v, yes.v, _mm256_castps_si256(m.v))}; }
/// floor(x × inverse) - first.
static inline Int floor_of_scaled(Float x, Float inverse, Float, Int first) { return floor_to_int(x * inverse) - first; }
static inline Int bits_of(Float a) { return {_mm256_castps_si256(a.v)}; }
static inline Float float_of(Int a) { return {_mm256_castsi256_ps(a.v)}; }

/// Without a compressing store skipped lanes are written too, as `dummies`: slots of their own, so that increments of one
/// counter do not wait for each other.
static inline int append(uint32_t* to, Int slots, Mask skip, Int dummies) {
  store_int(to, select(skip, dummies, slots));
  return kWidth;
}
static inline int append(uint16_t* to, Int slots, Mask skip, Int dummies) {
  store_narrow(to, select(skip, dummies, slots));
  return kWidth;
}
/// Stores the slots of two vectors, in any order.
static inline void store_slots(uint32_t* to, Int a, Int b) {
  store_int(to, a);
  store_int(to + 8, b);
}
static inline void store_slots(uint16_t* to, Int a, Int b) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_packus_epi32(a.v, b.v));
}
/// Transposes 8 × 8 floats in place: pairs, fours, then halves.
static inline void transpose_block(Float* r) {
  __m256 a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps(r[i].v, r[i + 1].v);
    a[i + 1] = _mm256_unpackhi_ps(r[i].v, r[i + 1].v);
  }
  for (int i = 0; i < 8; i += 4) {
    for (int k = 0; k < 2; ++k) {
      b[i + 2 * k] = _mm256_shuffle_ps(a[i + k], a[i + k + 2], 0x44);
      b[i + 2 * k + 1] = _mm256_shuffle_ps(a[i + k], a[i + k + 2], 0xee);
    }
  }
  for (int k = 0; k < 4; ++k) {
    r[k].v = _mm256_permute2f128_ps(b[k], b[k + 4], 0x20);
    r[k + 4].v = _mm256_permute2f128_ps(b[k], b[k + 4], 0x31);
  }
}

static inline float least(Float a) {
  __m128 half = _mm_min_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  half = _mm_min_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_min_ss(half, _mm_movehdup_ps(half)));
}
static inline float greatest(Float a) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

}  // namespace ppq::kernels::cpu::PPQ_LEVEL
