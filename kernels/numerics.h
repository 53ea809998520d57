#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

/// Every scalar rule of the kernels, once, for host and device: rounding, linear and minifloat quantization, FP8 codes,
/// histogram grid, range update, LSQ gradient terms. Plain C++; no fused multiply-add anywhere: compile with
/// -ffp-contract=off (host) and --fmad=false (device), without fast-math, so both give the same bits.
///
/// Functions are `static` on purpose: the CPU kernels include this text once a level of instructions, and a function shared
/// between them could be the AVX-512 one on a machine without it.
#ifdef __CUDACC__
#define PPQ_HD __host__ __device__
#else
#define PPQ_HD
#endif
#define PPQ_RULE PPQ_HD static inline

namespace ppq::numerics {

/// The numbers of ppq::Rounding, for code that includes no ATen.
enum RoundingMode : int {
  kHalfEven = 0,
  kHalfUp = 1,
  kHalfDown = 2,
  kHalfTowardsZero = 3,
  kHalfFarFromZero = 4,
  kToNearInt = 5,
  kUp = 6,
  kDown = 7
};

// ---- bits ----

PPQ_RULE float float_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
PPQ_RULE uint32_t bits_of_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}
/// 2^e as float, -126 <= e <= 127.
PPQ_RULE float pow2f(int e) { return float_of_bits(static_cast<uint32_t>(e + 127) << 23); }
/// 2^e as double, -1022 <= e <= 1023.
PPQ_RULE double pow2d(int e) {
  uint64_t bits = static_cast<uint64_t>(e + 1023) << 52;
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
/// floor(log2 |x|) from the exponent field: -127 for zero and denormals, 128 for Inf and NaN.
PPQ_RULE int exponent_field(float x) { return static_cast<int>(bits_of_float(x) >> 23 & 0xff) - 127; }
PPQ_RULE bool is_finite(float x) { return (bits_of_float(x) & 0x7f800000u) != 0x7f800000u; }

// ---- float16 and bfloat16, as bits; round to nearest even ----

PPQ_RULE float float_of_bfloat16(uint16_t h) { return float_of_bits(static_cast<uint32_t>(h) << 16); }
/// NaN becomes the quiet NaN 0x7fc0 (as c10 does).
PPQ_RULE uint16_t bfloat16_of_float(float x) {
  uint32_t bits = bits_of_float(x);
  if (x != x) return 0x7fc0;
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
PPQ_RULE float float_of_float16(uint16_t h) {
  uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16, magnitude = h & 0x7fffu;
  if (magnitude >= 0x7c00u) return float_of_bits(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13 | (magnitude > 0x7c00u ? 0x400000u : 0u));
  if (magnitude >= 0x400u) return float_of_bits(sign | ((magnitude << 13) + (112u << 23)));
  float value = static_cast<float>(magnitude) * 5.9604644775390625e-08f;  // denormals: multiples of 2^-24
  return float_of_bits(sign | bits_of_float(value));
}
/// As the F16C instruction: overflow gives Inf, NaN keeps the top of its payload and becomes quiet.
PPQ_RULE uint16_t float16_of_float(float x) {
  uint32_t bits = bits_of_float(x), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {  // denormal: adding 0.5 leaves round(x × 2^24) in the low bits
    uint32_t kept = bits_of_float(float_of_bits(magnitude) + 0.5f) - 0x3f000000u;
    return static_cast<uint16_t>(sign | kept);
  }
  uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u) - (112u << 23);
  return static_cast<uint16_t>(sign | rounded >> 13);
}

// ---- rounding ----

PPQ_RULE float floor_of(float x) { return floorf(x); }
PPQ_RULE double floor_of(double x) { return floor(x); }
PPQ_RULE float ceil_of(float x) { return ceilf(x); }
PPQ_RULE double ceil_of(double x) { return ceil(x); }
PPQ_RULE float trunc_of(float x) { return truncf(x); }
PPQ_RULE double trunc_of(double x) { return trunc(x); }
PPQ_RULE float rint_of(float x) { return rintf(x); }
PPQ_RULE double rint_of(double x) { return rint(x); }

/// Rounds to an integer. Ties are found exactly: x - trunc(x) has no rounding error, where x + 0.5 has (0.49999997 would
/// become 1). NaN stays NaN, Inf stays Inf. T: float or double.
template <int mode, class T>
PPQ_RULE T round_as(T x) {
  if constexpr (mode == kHalfEven) return rint_of(x);
  if constexpr (mode == kUp) return ceil_of(x);
  if constexpr (mode == kDown) return floor_of(x);
  T whole = trunc_of(x), part = x - whole;  // part has x's sign and |part| < 1
  T up = T(0.5), down = T(-0.5);
  bool add, subtract;
  if constexpr (mode == kHalfUp) {
    add = part >= up, subtract = part < down;
  } else if constexpr (mode == kHalfDown) {
    add = part > up, subtract = part <= down;
  } else if constexpr (mode == kHalfTowardsZero) {
    add = part > up, subtract = part < down;
  } else {
    add = part >= up, subtract = part <= down;
  }
  return add ? whole + T(1) : subtract ? whole - T(1) : whole;
}
template <class T>
PPQ_RULE T round_by(T x, int mode) {
  switch (mode) {
    case kHalfEven:
      return round_as<kHalfEven>(x);
    case kHalfUp:
      return round_as<kHalfUp>(x);
    case kHalfDown:
      return round_as<kHalfDown>(x);
    case kHalfTowardsZero:
      return round_as<kHalfTowardsZero>(x);
    case kUp:
      return round_as<kUp>(x);
    case kDown:
      return round_as<kDown>(x);
    default:
      return round_as<kHalfFarFromZero>(x);
  }
}

/// NaN stays NaN.
template <class T>
PPQ_RULE T clamp_to(T x, T low, T high) {
  return x < low ? low : x > high ? high : x;
}

// ---- quantization ----

/// A number format as plain data. Limits beyond 2^24 do not fit float32's integers: `wide`, and the rules run in double.
struct FormatRule {
  double quant_min, quant_max;
  int rounding;
  bool floating, wide;
  int emin;           ///< minifloat: exponent of the smallest normal number, 2 - 2^(exponent_bits-1)
  int mantissa_bits;  ///< minifloat
};
/// Minifloats: the limits are narrowed to the largest number 2^(2^(e-1)) × (2 - 2^-m) whose all-ones exponent is ordinary
/// (8 exponent bits: float's own largest exponent). Valid: 1 <= exponent_bits <= 8, emin <= mantissa_bits <= 23.
PPQ_RULE FormatRule make_format(double quant_min, double quant_max, int rounding, bool floating, int exponent_bits, int mantissa_bits) {
  FormatRule rule{quant_min, quant_max, rounding, floating, false, 0, mantissa_bits};
  if (!floating) {
    rule.wide = quant_max > 16777216.0 || quant_min < -16777216.0;
    return rule;
  }
  int emax = 1 << (exponent_bits - 1);
  rule.emin = 2 - emax;
  double largest = pow2d(emax < 128 ? emax : 127) * (2.0 - pow2d(-mantissa_bits));
  rule.quant_max = quant_max < largest ? quant_max : largest;
  rule.quant_min = quant_min > -largest ? quant_min : -largest;
  return rule;
}

/// round(x / scale) + offset, not yet clamped. Division, because a reciprocal gives other integers.
template <int mode, class T>
PPQ_RULE T linear_round(T x, T scale, T offset) {
  return round_as<mode>(x / scale) + offset;
}
/// q as a number: clamp(round(x/scale) + offset), clamped before any conversion to an integer type.
template <int mode, class T>
PPQ_RULE T linear_quantize(T x, T scale, T offset, T low, T high) {
  return clamp_to(linear_round<mode>(x, scale, offset), low, high);
}
template <class T>
PPQ_RULE T dequantize(T q, T scale, T offset) {
  return (q - offset) * scale;
}

/// Rounds u to the nearest number with `mantissa_bits` (fewer below 2^emin: denormals), exponent unlimited upwards. The mode
/// acts on the signed multiple of the last place, so HalfEven is IEEE's rounding. Exact for every float: u is scaled by a
/// power of two in two steps (one factor would overflow for 8 exponent bits). NaN stays NaN.
template <int mode>
PPQ_RULE float minifloat_round(float u, int emin, int mantissa_bits) {
  int exponent = exponent_field(u);
  int place = (exponent > emin ? exponent : emin) - mantissa_bits;
  int half = place >> 1, rest = place - half;
  float multiple = round_as<mode>(u * pow2f(-half) * pow2f(-rest));
  return multiple * pow2f(half) * pow2f(rest);
}
/// q of the floating format.
template <int mode>
PPQ_RULE float minifloat_quantize(float x, float scale, float offset, const FormatRule& rule) {
  float rounded = minifloat_round<mode>(x / scale + offset, rule.emin, rule.mantissa_bits);
  return clamp_to(rounded, static_cast<float>(rule.quant_min), static_cast<float>(rule.quant_max));
}

/// Fake quantization of one value, whatever the format.
template <int mode>
PPQ_RULE float fake_quantize_value(float x, float scale, float offset, const FormatRule& rule) {
  if (rule.floating) return dequantize(minifloat_quantize<mode>(x, scale, offset, rule), scale, offset);
  if (rule.wide) {
    double s = scale, o = offset;
    return static_cast<float>(dequantize(linear_quantize<mode>(static_cast<double>(x), s, o, rule.quant_min, rule.quant_max), s, o));
  }
  float low = static_cast<float>(rule.quant_min), high = static_cast<float>(rule.quant_max);
  return dequantize(linear_quantize<mode>(x, scale, offset, low, high), scale, offset);
}
/// The integer of the linear format. NaN becomes the (clamped) offset, the code of zero.
template <int mode>
PPQ_RULE int64_t quantize_value_to_int(float x, float scale, float offset, const FormatRule& rule) {
  if (x != x) return static_cast<int64_t>(clamp_to(static_cast<double>(offset), rule.quant_min, rule.quant_max));
  if (rule.wide) {
    return static_cast<int64_t>(linear_quantize<mode>(static_cast<double>(x), static_cast<double>(scale), static_cast<double>(offset),
                                                      rule.quant_min, rule.quant_max));
  }
  return static_cast<int64_t>(
      linear_quantize<mode>(x, scale, offset, static_cast<float>(rule.quant_min), static_cast<float>(rule.quant_max)));
}

// ---- FP8 codes ----

/// Code of |x| rounded to nearest even, above the format's largest code where it does not fit. No NaN or Inf.
PPQ_RULE uint32_t minifloat_code(float x, int emin, int mantissa_bits) {
  float magnitude = float_of_bits(bits_of_float(x) & 0x7fffffffu);
  int exponent = exponent_field(magnitude);
  int base = exponent > emin ? exponent : emin;
  if (base > emin + 64) return 0x7fffffffu;
  float multiple = rintf(magnitude * pow2f(mantissa_bits - base));
  return static_cast<uint32_t>(multiple) + (static_cast<uint32_t>(base - emin) << mantissa_bits);
}
PPQ_RULE float minifloat_value(uint32_t code, int emin, int mantissa_bits) {
  uint32_t exponent = code >> mantissa_bits, mantissa = code & ((1u << mantissa_bits) - 1);
  if (exponent == 0) return static_cast<float>(mantissa) * pow2f(emin - mantissa_bits);
  return static_cast<float>(mantissa | 1u << mantissa_bits) * pow2f(emin + static_cast<int>(exponent) - 1 - mantissa_bits);
}
/// float8_e4m3fn: 448 at most, no Inf, NaN 0x7f. `saturate`: what is too large (and Inf) becomes ±448, else NaN.
PPQ_RULE uint8_t encode_e4m3fn(float x, bool saturate = true) {
  uint32_t sign = bits_of_float(x) >> 24 & 0x80u;
  if (x != x) return static_cast<uint8_t>(sign | 0x7fu);
  uint32_t code = minifloat_code(x, -6, 3);
  return static_cast<uint8_t>(sign | (code <= 0x7eu ? code : saturate ? 0x7eu : 0x7fu));
}
PPQ_RULE float decode_e4m3fn(uint8_t code) {
  uint32_t sign = static_cast<uint32_t>(code & 0x80u) << 24;
  if ((code & 0x7fu) == 0x7fu) return float_of_bits(sign | 0x7fc00000u);
  return float_of_bits(sign | bits_of_float(minifloat_value(code & 0x7fu, -6, 3)));
}
/// float8_e5m2: 57344 at most, Inf 0x7c, NaN 0x7f. `saturate`: what is too large (and Inf) becomes ±57344, else Inf.
PPQ_RULE uint8_t encode_e5m2(float x, bool saturate = true) {
  uint32_t sign = bits_of_float(x) >> 24 & 0x80u;
  if (x != x) return static_cast<uint8_t>(sign | 0x7fu);
  uint32_t code = minifloat_code(x, -14, 2);
  return static_cast<uint8_t>(sign | (code <= 0x7bu ? code : saturate ? 0x7bu : 0x7cu));
}
PPQ_RULE float decode_e5m2(uint8_t code) {
  uint32_t sign = static_cast<uint32_t>(code & 0x80u) << 24, magnitude = code & 0x7fu;
  if (magnitude == 0x7cu) return float_of_bits(sign | 0x7f800000u);
  if (magnitude > 0x7cu) return float_of_bits(sign | 0x7fc00000u);
  return float_of_bits(sign | bits_of_float(minifloat_value(magnitude, -14, 2)));
}

// ---- range ----

/// Takes x into [minimum, maximum]; NaN and Inf are counted instead. Start from +Inf and -Inf.
PPQ_RULE void update_range(float x, float& minimum, float& maximum, int64_t& nonfinite) {
  if (!is_finite(x)) {
    ++nonfinite;
    return;
  }
  minimum = x < minimum ? x : minimum;
  maximum = x > maximum ? x : maximum;
}
/// -0 becomes +0, so that a range does not depend on which zero came first. Applied when a range is stored.
PPQ_RULE float canonical_zero(float x) { return x + 0.0f; }

// ---- histogram grid ----

inline constexpr int kSmallestGridExponent = -149;  ///< every float32 is a multiple of 2^-149

/// floor(x × 2^-e), exact for every finite float and -149 <= e <= 255.
PPQ_RULE int64_t grid_index(float x, int e) { return static_cast<int64_t>(floor(static_cast<double>(x) * pow2d(-e))); }

/// The exponent of the bin width of a histogram whose data span [minimum, maximum] (finite): the smallest e >= -149 with
///   floor(maximum × 2^-e) - floor(minimum × 2^-e) < bins   and   2^e >= ulp(max(|minimum|, |maximum|)).
/// A pure function of the range that only grows with it, so a histogram does not depend on the order of its data. The second
/// condition keeps indices within ±2^24 (constant tensors would have no smallest e). bins >= 2.
PPQ_RULE int grid_exponent(float minimum, float maximum, int64_t bins) {
  float low = minimum < 0 ? -minimum : minimum, high = maximum < 0 ? -maximum : maximum;
  int e = exponent_field(low > high ? low : high) - 23;
  if (e < kSmallestGridExponent) e = kSmallestGridExponent;
  double span = (static_cast<double>(maximum) - static_cast<double>(minimum)) / static_cast<double>(bins);
  if (span > 0) {
    int start = ilogb(span) - 1;  // below the answer: it must have maximum - minimum < bins × 2^e
    if (start > e) e = start;
  }
  while (grid_index(maximum, e) - grid_index(minimum, e) >= bins) ++e;
  return e;
}

/// 2^-e as two float factors, for bin_index.
struct GridScale {
  float first, second;
};
PPQ_RULE GridScale make_grid_scale(int e) {
  int half = -e >> 1;
  return {pow2f(half), pow2f(-e - half)};
}
/// grid_index in float, for e from grid_exponent: the product is exact or, far below 1, rounds towards zero at worst; a
/// negative x that vanishes belongs to bin -1.
PPQ_RULE int32_t bin_index(float x, GridScale scale) {
  float position = x * scale.first * scale.second;
  int32_t index = static_cast<int32_t>(floorf(position));
  return x < 0.0f && position == 0.0f ? -1 : index;
}
/// Where the count of old grid index `index` goes when the exponent grows by `by` >= 0: floor(index / 2^by).
PPQ_RULE int64_t grown_index(int64_t index, int by) { return by >= 63 ? (index < 0 ? -1 : 0) : index >> by; }

// ---- gradients ----

/// One element's terms of the gradients of input, scale and offset.
struct GradientTerms {
  float input, scale, offset;
};
/// LSQ (arXiv 1902.08153) with LSQ+'s offset (arXiv 2004.09576), before the 1/sqrt(N × quant_max) factor. With
/// n = round(x/s) + o:
///   n > qmax: input 0, scale (qmax - o) dy, offset -s dy;  n < qmin: likewise with qmin;
///   else:     input dy, scale ((n - o) - x/s) dy, offset 0.
/// `masked` false: the input's gradient is dy everywhere. Minifloats: the same with the minifloat rounding.
template <int mode>
PPQ_RULE GradientTerms gradient_terms(float dy, float x, float scale, float offset, const FormatRule& rule, bool masked) {
  float u = x / scale;
  float low = static_cast<float>(rule.quant_min), high = static_cast<float>(rule.quant_max);
  float n = rule.floating ? minifloat_round<mode>(u + offset, rule.emin, rule.mantissa_bits) : round_as<mode>(u) + offset;
  float passed = masked ? 0.0f : dy;
  if (n > high) return {passed, (high - offset) * dy, -(scale * dy)};
  if (n < low) return {passed, (low - offset) * dy, -(scale * dy)};
  return {dy, ((n - offset) - u) * dy, 0.0f};
}
/// 1/sqrt(count × quant_max): count elements share the scale. Formats without positive numbers use their width.
PPQ_RULE double gradient_factor(int64_t count, double quant_min, double quant_max) {
  double levels = quant_max > 0 ? quant_max : quant_max - quant_min;
  double product = static_cast<double>(count) * (levels > 0 ? levels : 1.0);
  return product > 0 ? 1.0 / sqrt(product) : 0.0;
}

}  // namespace ppq::numerics
