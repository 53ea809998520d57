#pragma once

#include <immintrin.h>

#include "kernels/numerics.h"

/// Sixteen floats at a time.
namespace ppq::kernels::cpu::PPQ_LEVEL {

inline constexpr int kWidth = 16;

struct Float {
  __m512 v;
};
struct Int {
  __m512i v;
};
struct Mask {
  __mmask16 v;
};

static inline Float set(float x) { return {_mm512_set1_ps(x)}; }
static inline Int set_int(int32_t x) { return {_mm512_set1_epi32(x)}; }
static inline Int lane_numbers() { return {_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)}; }
static inline Float load(const float* x) { return {_mm512_loadu_ps(x)}; }
static inline Float load_half(const uint16_t* x) { return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)))}; }
static inline Float load_bfloat16(const uint16_t* x) {
  __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
}
static inline void store(float* y, Float a) { _mm512_storeu_ps(y, a.v); }
static inline void store_half(uint16_t* y, Float a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline void store_bfloat16(uint16_t* y, Float a) {
  __m512i bits = _mm512_castps_si512(a.v);
  __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  rounded = _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q), _mm512_set1_epi32(0x7fc0));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), _mm512_cvtepi32_epi16(rounded));
}
static inline void store_int(uint32_t* y, Int a) { _mm512_storeu_si512(y, a.v); }
static inline Int load_int(const int32_t* x) { return {_mm512_loadu_si512(x)}; }
static inline Float to_float(Int a) { return {_mm512_cvtepi32_ps(a.v)}; }
/// The low 16 bits of each lane.
static inline void store_narrow(uint16_t* y, Int a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), _mm512_cvtepi32_epi16(a.v)); }

static inline Float operator+(Float a, Float b) { return {_mm512_add_ps(a.v, b.v)}; }
static inline Float operator-(Float a, Float b) { return {_mm512_sub_ps(a.v, b.v)}; }
static inline Float operator*(Float a, Float b) { return {_mm512_mul_ps(a.v, b.v)}; }
static inline Float operator/(Float a, Float b) { return {_mm512_div_ps(a.v, b.v)}; }
static inline Float multiply_add(Float a, Float b, Float c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
static inline Float negated(Float a) { return {_mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f))}; }
static inline Float lesser(Float a, Float b) { return {_mm512_min_ps(a.v, b.v)}; }
static inline Float greater(Float a, Float b) { return {_mm512_max_ps(a.v, b.v)}; }
static inline Float rint_of(Float a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
static inline Float floor_of(Float a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)}; }
static inline Float ceil_of(Float a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)}; }
static inline Float trunc_of(Float a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)}; }
/// floor(x × inverse) - first, in two instructions: rounding towards -∞ to a float passes no integer up to 2^24.
static inline Int floor_of_scaled(Float x, Float inverse, Float first_float, Int) {
  constexpr int kDown = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
  return {_mm512_cvt_roundps_epi32(_mm512_fmsub_round_ps(x.v, inverse.v, first_float.v, kDown), kDown)};
}
static inline Int cut_to_int(Float a) { return {_mm512_cvttps_epi32(a.v)}; }
static inline Int floor_to_int(Float a) { return {_mm512_cvt_roundps_epi32(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)}; }

static inline Mask operator<(Float a, Float b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
static inline Mask operator<=(Float a, Float b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
static inline Mask operator>(Float a, Float b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ)}; }
static inline Mask operator>=(Float a, Float b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ)}; }
static inline Mask is_finite(Float a) { return {_mm512_cmp_ps_mask(_mm512_abs_ps(a.v), _mm512_set1_ps(__builtin_inff()), _CMP_LT_OQ)}; }
static inline Mask either(Mask a, Mask b) { return {static_cast<__mmask16>(a.v | b.v)}; }
static inline Mask all_lanes() { return {0xffff}; }
static inline bool all(Mask m) { return m.v == 0xffff; }
static inline bool any(Mask m) { return m.v != 0; }
static inline int count(Mask m) { return __builtin_popcount(m.v); }
static inline Float select(Mask m, Float yes, Float no) { return {_mm512_mask_mov_ps(no.v, m.v, yes.v)}; }

static inline Int operator+(Int a, Int b) { return {_mm512_add_epi32(a.v, b.v)}; }
static inline Int operator-(Int a, Int b) { return {_mm512_sub_epi32(a.v, b.v)}; }
static inline Int operator&(Int a, Int b) { return {_mm512_and_si512(a.v, b.v)}; }
static inline Int operator|(Int a, Int b) { return {_mm512_or_si512(a.v, b.v)}; }
template <int by>
static inline Int shift_left(Int a) {
  return {_mm512_slli_epi32(a.v, by)};
}
template <int by>
static inline Int shift_right(Int a) {
  return {_mm512_srai_epi32(a.v, by)};
}
static inline Int larger_int(Int a, Int b) { return {_mm512_max_epi32(a.v, b.v)}; }
static inline Int lesser_int(Int a, Int b) { return {_mm512_min_epi32(a.v, b.v)}; }
static inline Int larger_unsigned(Int a, Int b) { return {_mm512_max_epu32(a.v, b.v)}; }
static inline Int lesser_unsigned(Int a, Int b) { return {_mm512_min_epu32(a.v, b.v)}; }
static inline Mask equal(Int a, Int b) { return {_mm512_cmpeq_epi32_mask(a.v, b.v)}; }
/// The lanes of m in which a and b have a bit in common.
static inline Mask with_common_bits(Mask m, Int a, Int b) { return {_mm512_mask_test_epi32_mask(m.v, a.v, b.v)}; }
static inline Mask not_below(Int a, Int b) { return {_mm512_cmpge_epu32_mask(a.v, b.v)}; }
static inline Int select(Mask m, Int yes, Int no) { return {_mm512_mask_mov_epi32(no.v, m.v, yes.v)}; }
static inline Int bits_of(Float a) { return {_mm512_castps_si512(a.v)}; }
static inline Float float_of(Int a) { return {_mm512_castsi512_ps(a.v)}; }

/// Appends the slots of the lanes not skipped; returns how many were written. Compressed in a register and stored whole:
/// compressing stores are slow on AMD.
static inline int append(uint32_t* to, Int slots, Mask skip, Int) {
  if (skip.v == 0) {
    _mm512_storeu_si512(to, slots.v);
    return 16;
  }
  __mmask16 kept = static_cast<__mmask16>(~skip.v);
  _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(kept, slots.v));
  return __builtin_popcount(kept);
}
static inline int append(uint16_t* to, Int slots, Mask skip, Int) {
  if (skip.v == 0) {
    store_narrow(to, slots);
    return 16;
  }
  __mmask16 kept = static_cast<__mmask16>(~skip.v);
  store_narrow(to, {_mm512_maskz_compress_epi32(kept, slots.v)});
  return __builtin_popcount(kept);
}
/// Stores the slots of two vectors, in any order.
static inline void store_slots(uint32_t* to, Int a, Int b) {
  store_int(to, a);
  store_int(to + 16, b);
}
static inline void store_slots(uint16_t* to, Int a, Int b) { _mm512_storeu_si512(to, _mm512_packus_epi32(a.v, b.v)); }
/// Transposes 16 × 16 floats in place: pairs, fours, then 128-bit quarters twice.
static inline void transpose_block(Float* r) {
  __m512 a[16], b[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps(r[i].v, r[i + 1].v);
    a[i + 1] = _mm512_unpackhi_ps(r[i].v, r[i + 1].v);
  }
  for (int i = 0; i < 16; i += 4) {
    for (int k = 0; k < 2; ++k) {
      b[i + 2 * k] = _mm512_shuffle_ps(a[i + k], a[i + k + 2], 0x44);
      b[i + 2 * k + 1] = _mm512_shuffle_ps(a[i + k], a[i + k + 2], 0xee);
    }
  }
  // b[4 g + k], quarter q: column 4 q + k of rows 4 g .. 4 g + 3.
  for (int k = 0; k < 4; ++k) {
    __m512 low = _mm512_shuffle_f32x4(b[k], b[k + 4], 0x44), high = _mm512_shuffle_f32x4(b[k], b[k + 4], 0xee);
    __m512 low2 = _mm512_shuffle_f32x4(b[k + 8], b[k + 12], 0x44), high2 = _mm512_shuffle_f32x4(b[k + 8], b[k + 12], 0xee);
    r[k].v = _mm512_shuffle_f32x4(low, low2, 0x88);
    r[k + 4].v = _mm512_shuffle_f32x4(low, low2, 0xdd);
    r[k + 8].v = _mm512_shuffle_f32x4(high, high2, 0x88);
    r[k + 12].v = _mm512_shuffle_f32x4(high, high2, 0xdd);
  }
}

static inline float least(Float a) { return _mm512_reduce_min_ps(a.v); }
static inline float greatest(Float a) { return _mm512_reduce_max_ps(a.v); }

}  // namespace ppq::kernels::cpu::PPQ_LEVEL
