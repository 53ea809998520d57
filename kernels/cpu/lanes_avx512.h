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
static inline Float load_half(const uint16_t* x) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)))};
}
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

static inline Float operator+(Float a, Float b) { return {_mm512_add_ps(a.v, b.v)}; }
static inline Float operator-(Float a, Float b) { return {_mm512_sub_ps(a.v, b.v)}; }
static inline Float operator*(Float a, Float b) { return {_mm512_mul_ps(a.v, b.v)}; }
static inline Float operator/(Float a, Float b) { return {_mm512_div_ps(a.v, b.v)}; }
static inline Float lesser(Float a, Float b) { return {_mm512_min_ps(a.v, b.v)}; }
static inline Float greater(Float a, Float b) { return {_mm512_max_ps(a.v, b.v)}; }
static inline Float rint_of(Float a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
static inline Float floor_of(Float a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)}; }
static inline Float ceil_of(Float a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)}; }
static inline Float trunc_of(Float a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)}; }
static inline Int floor_to_int(Float a) { return {_mm512_cvt_roundps_epi32(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)}; }

static inline Mask operator<(Float a, Float b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
static inline Mask operator<=(Float a, Float b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
static inline Mask operator>(Float a, Float b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ)}; }
static inline Mask operator>=(Float a, Float b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ)}; }
static inline Mask is_finite(Float a) {
  return {_mm512_cmp_ps_mask(_mm512_abs_ps(a.v), _mm512_set1_ps(__builtin_inff()), _CMP_LT_OQ)};
}
static inline Mask either(Mask a, Mask b) { return {static_cast<__mmask16>(a.v | b.v)}; }
static inline Mask no_lanes() { return {0}; }
static inline bool any(Mask m) { return m.v != 0; }
static inline int count(Mask m) { return __builtin_popcount(m.v); }
static inline Float select(Mask m, Float yes, Float no) { return {_mm512_mask_mov_ps(no.v, m.v, yes.v)}; }

static inline Int operator+(Int a, Int b) { return {_mm512_add_epi32(a.v, b.v)}; }
static inline Int operator-(Int a, Int b) { return {_mm512_sub_epi32(a.v, b.v)}; }
static inline Int operator&(Int a, Int b) { return {_mm512_and_si512(a.v, b.v)}; }
static inline Int operator|(Int a, Int b) { return {_mm512_or_si512(a.v, b.v)}; }
template <int by>
static inline Int shift_left(Int a) { return {_mm512_slli_epi32(a.v, by)}; }
template <int by>
static inline Int shift_right(Int a) { return {_mm512_srai_epi32(a.v, by)}; }
static inline Int larger_int(Int a, Int b) { return {_mm512_max_epi32(a.v, b.v)}; }
static inline Mask equal(Int a, Int b) { return {_mm512_cmpeq_epi32_mask(a.v, b.v)}; }
static inline Mask not_below(Int a, Int b) { return {_mm512_cmpge_epu32_mask(a.v, b.v)}; }
static inline Int select(Mask m, Int yes, Int no) { return {_mm512_mask_mov_epi32(no.v, m.v, yes.v)}; }
static inline Int bits_of(Float a) { return {_mm512_castps_si512(a.v)}; }
static inline Float float_of(Int a) { return {_mm512_castsi512_ps(a.v)}; }

static inline float least(Float a) { return _mm512_reduce_min_ps(a.v); }
static inline float greatest(Float a) { return _mm512_reduce_max_ps(a.v); }

}  // namespace ppq::kernels::cpu::PPQ_LEVEL
