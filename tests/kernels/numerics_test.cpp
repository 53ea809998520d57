#include "kernels/numerics.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace ppq::numerics {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Rounding by definition: the integers around x and their exact distances (float differences are exact in double).
double round_by_definition(double x, int mode) {
  double low = std::floor(x), high = std::ceil(x);
  if (mode == kUp) return high;
  if (mode == kDown) return low;
  if (low == high) return x;
  double below = x - low, above = high - x;
  if (below != above) return below < above ? low : high;
  switch (mode) {
    case kHalfEven:
      return std::fmod(low, 2) == 0 ? low : high;
    case kHalfUp:
      return high;
    case kHalfDown:
      return low;
    case kHalfTowardsZero:
      return x > 0 ? low : high;
    default:
      return x > 0 ? high : low;
  }
}

TEST(Rounding, FollowsTheTable) {
  struct Row {
    int mode;
    float half, minus_half, three_halves, minus_three_halves;
  };
  for (const Row& row :
       {Row{kHalfEven, 0, 0, 2, -2}, Row{kHalfUp, 1, 0, 2, -1}, Row{kHalfDown, 0, -1, 1, -2}, Row{kHalfTowardsZero, 0, 0, 1, -1},
        Row{kHalfFarFromZero, 1, -1, 2, -2}, Row{kToNearInt, 1, -1, 2, -2}, Row{kUp, 1, 0, 2, -1}, Row{kDown, 0, -1, 1, -2}}) {
    EXPECT_EQ(round_by(0.5f, row.mode), row.half) << row.mode;
    EXPECT_EQ(round_by(-0.5f, row.mode), row.minus_half) << row.mode;
    EXPECT_EQ(round_by(1.5f, row.mode), row.three_halves) << row.mode;
    EXPECT_EQ(round_by(-1.5f, row.mode), row.minus_three_halves) << row.mode;
  }
}

TEST(Rounding, FindsTiesExactly) {
  std::vector<float> values{0.49999997f, 0.50000006f, 8388607.5f, 8388608.0f, 8388609.0f, 1e30f, 1e-45f, 0.99999994f, 4194303.75f};
  std::mt19937 random(7);
  std::uniform_int_distribution<int> quarter(-4000, 4000);
  for (int i = 0; i < 2000; ++i) {
    float value = static_cast<float>(quarter(random)) / 4;
    values.insert(values.end(), {value, std::nextafter(value, kInf), std::nextafter(value, -kInf)});
  }
  for (int mode = 0; mode < 8; ++mode) {
    for (float value : values) {
      for (float x : {value, -value}) {
        EXPECT_EQ(round_by(x, mode), round_by_definition(x, mode)) << x << " mode " << mode;
        EXPECT_EQ(round_by(static_cast<double>(x), mode), round_by_definition(x, mode)) << x << " mode " << mode;
      }
    }
    EXPECT_TRUE(std::isnan(round_by(kNan, mode)));
    EXPECT_EQ(round_by(kInf, mode), kInf);
    EXPECT_EQ(round_by(-kInf, mode), -kInf);
  }
}

TEST(Linear, ClampsBeforeConverting) {
  FormatRule rule = make_format(-128, 127, kHalfEven, false, 0, 0);
  EXPECT_EQ(quantize_value_to_int<kHalfEven>(3e38f, 1e-8f, 5, rule), 127);  // int32 arithmetic would wrap to -128
  EXPECT_EQ(quantize_value_to_int<kHalfEven>(-3e38f, 1e-8f, -5, rule), -128);
  EXPECT_EQ(quantize_value_to_int<kHalfEven>(kInf, 1, 0, rule), 127);
  EXPECT_EQ(quantize_value_to_int<kHalfEven>(kNan, 1, 3, rule), 3);
  EXPECT_TRUE(std::isnan(fake_quantize_value<kHalfEven>(kNan, 1, 3, rule)));
}

TEST(Linear, DividesAndDoesNotMultiplyByAReciprocal) {
  FormatRule rule = make_format(-128, 127, kHalfEven, false, 0, 0);
  int differing = 0;
  for (int i = 1; i < 4000; ++i) {
    float scale = static_cast<float>(i) * 0.0007f, x = 2.5f * scale;
    EXPECT_EQ(quantize_value_to_int<kHalfEven>(x, scale, 0, rule), std::nearbyint(x / scale));
    differing += std::nearbyint(x * (1 / scale)) != std::nearbyint(x / scale);
  }
  EXPECT_GT(differing, 0);  // else this test would see nothing
}

TEST(Linear, WideFormatsAreExact) {
  FormatRule rule = make_format(-2147483648.0, 2147483647.0, kHalfEven, false, 0, 0);
  EXPECT_TRUE(rule.wide);
  EXPECT_EQ(quantize_value_to_int<kHalfEven>(16777217.0f * 3, 1.0f, 1, rule), 50331649);
  EXPECT_EQ(quantize_value_to_int<kHalfEven>(1e20f, 1.0f, 0, rule), 2147483647);
  EXPECT_EQ(quantize_value_to_int<kHalfEven>(-1e20f, 1.0f, 0, rule), -2147483648ll);
}

/// Every value of an FP8 format by its definition, without Inf and NaN.
std::vector<double> format_values(int mantissa_bits, int bias, int codes) {
  std::vector<double> values;
  for (int code = 0; code < codes; ++code) {
    int exponent = code >> mantissa_bits, mantissa = code & ((1 << mantissa_bits) - 1);
    double fraction = mantissa / std::pow(2.0, mantissa_bits);
    values.push_back(exponent == 0 ? std::pow(2.0, 1 - bias) * fraction : std::pow(2.0, exponent - bias) * (1 + fraction));
  }
  return values;
}

struct Fp8 {
  const char* name;
  int exponent_bits, mantissa_bits, bias, codes;  ///< finite non-negative codes
  float largest;
  uint8_t (*encode)(float, bool);
  float (*decode)(uint8_t);
};
class Fp8Table : public ::testing::TestWithParam<Fp8> {};

TEST_P(Fp8Table, AllCodesAndMidpoints) {
  const Fp8& format = GetParam();
  FormatRule rule = make_format(-format.largest, format.largest, kHalfEven, true, format.exponent_bits, format.mantissa_bits);
  std::vector<double> values = format_values(format.mantissa_bits, format.bias, format.codes);
  ASSERT_EQ(values.back(), format.largest);
  auto expect = [&](double x, int code) {
    float value = static_cast<float>(x), wanted = static_cast<float>(values[code]);
    ASSERT_EQ(value, x);
    EXPECT_EQ(format.encode(value, true), code) << x;
    EXPECT_EQ(format.encode(-value, true), code | 0x80) << x;
    EXPECT_EQ(minifloat_quantize<kHalfEven>(value, 1, 0, rule), wanted) << x;
    EXPECT_EQ(minifloat_quantize<kHalfEven>(-value, 1, 0, rule), -wanted) << x;
  };
  for (int code = 0; code < format.codes; ++code) {
    EXPECT_EQ(format.decode(static_cast<uint8_t>(code)), values[code]);
    EXPECT_EQ(format.decode(static_cast<uint8_t>(code | 0x80)), -values[code]);
    expect(values[code], code);
    if (code + 1 == format.codes) break;
    float middle = static_cast<float>((values[code] + values[code + 1]) / 2);
    expect(middle, code % 2 == 0 ? code : code + 1);  // ties to the even code
    expect(std::nextafter(middle, 0.0f), code);
    expect(std::nextafter(middle, kInf), code + 1);
  }
  EXPECT_TRUE(std::isnan(format.decode(0x7f)));
  EXPECT_TRUE(std::isnan(format.decode(0xff)));
  EXPECT_TRUE(std::isnan(format.decode(format.encode(kNan, true))));
  EXPECT_TRUE(std::isnan(minifloat_quantize<kHalfEven>(kNan, 1, 0, rule)));
  EXPECT_EQ(format.encode(kInf, true), format.codes - 1);
  EXPECT_EQ(format.encode(3e38f, true), format.codes - 1);
  EXPECT_EQ(minifloat_quantize<kHalfEven>(-kInf, 1, 0, rule), -format.largest);
  EXPECT_EQ(format.encode(1e-45f, true), 0);
}
INSTANTIATE_TEST_SUITE_P(Formats, Fp8Table,
                         ::testing::Values(Fp8{"e4m3fn", 4, 3, 7, 0x7f, 448, encode_e4m3fn, decode_e4m3fn},
                                           Fp8{"e5m2", 5, 2, 15, 0x7c, 57344, encode_e5m2, decode_e5m2}),
                         [](const auto& info) { return info.param.name; });

TEST(Fp8, LeavesSaturationToTheCaller) {
  EXPECT_EQ(encode_e4m3fn(1e9f, false), 0x7f);
  EXPECT_EQ(encode_e4m3fn(464.0f, false), 0x7e);  // tie between 448 and 480: even
  EXPECT_EQ(encode_e4m3fn(465.0f, false), 0x7f);
  EXPECT_EQ(encode_e5m2(-1e9f, false), 0xfc);
  EXPECT_EQ(decode_e5m2(0xfc), -kInf);
}

TEST(Minifloat, TiesFollowTheRoundingMode) {
  FormatRule rule = make_format(-448, 448, kHalfUp, true, 4, 3);
  EXPECT_EQ(minifloat_quantize<kHalfEven>(17.0f, 1, 0, rule), 16);  // neighbours 16 and 18
  EXPECT_EQ(minifloat_quantize<kHalfEven>(19.0f, 1, 0, rule), 20);
  EXPECT_EQ(minifloat_quantize<kHalfUp>(17.0f, 1, 0, rule), 18);
  EXPECT_EQ(minifloat_quantize<kHalfUp>(-17.0f, 1, 0, rule), -16);
  EXPECT_EQ(minifloat_quantize<kHalfTowardsZero>(-17.0f, 1, 0, rule), -16);
  EXPECT_EQ(minifloat_quantize<kDown>(17.9f, 1, 0, rule), 16);
  EXPECT_EQ(minifloat_quantize<kUp>(1e-45f, 1, 0, rule), 0.001953125f);  // the smallest denormal
}

TEST(Minifloat, SixteenBitFormatsAgreeWithTheConversions) {
  FormatRule half = make_format(-65504, 65504, kHalfEven, true, 5, 10);
  FormatRule brain = make_format(-3.4e38, 3.4e38, kHalfEven, true, 8, 7);
  for (uint64_t bits = 0; bits < 0x7f800000u; bits += 40009) {
    float x = float_of_bits(static_cast<uint32_t>(bits)), as_half = static_cast<float>(static_cast<_Float16>(x));
    EXPECT_EQ(minifloat_quantize<kHalfEven>(x, 1, 0, half), std::fmin(as_half, 65504.0f)) << x;
    float as_brain = static_cast<float>(c10::BFloat16(x));
    if (as_brain >= 3.3e38f) continue;
    EXPECT_EQ(minifloat_quantize<kHalfEven>(x, 1, 0, brain), as_brain) << x;
  }
}

TEST(SixteenBit, ConversionsAgreeWithTheCompilers) {
  for (uint32_t code = 0; code < 65536; ++code) {
    c10::Half half(static_cast<uint16_t>(code), c10::Half::from_bits());
    float expected = static_cast<float>(half), got = float_of_float16(static_cast<uint16_t>(code));
    EXPECT_TRUE(bits_of_float(expected) == bits_of_float(got) || (std::isnan(expected) && std::isnan(got))) << code;
  }
  for (uint64_t bits = 0; bits <= 0xffffffffu; bits += 100003) {
    float x = float_of_bits(static_cast<uint32_t>(bits));
    if (std::isnan(x)) continue;
    EXPECT_EQ(float16_of_float(x), c10::Half(x).x) << x;
    EXPECT_EQ(bfloat16_of_float(x), c10::BFloat16(x).x) << x;
  }
  EXPECT_TRUE(std::isnan(float_of_float16(float16_of_float(kNan))));
  EXPECT_TRUE(std::isnan(float_of_bfloat16(bfloat16_of_float(kNan))));
}

TEST(Grid, ExponentIsTheSmallestThatFits) {
  std::mt19937_64 random(3);
  std::uniform_int_distribution<uint32_t> any_bits(0, 0xffffffffu);
  int checked = 0;
  while (checked < 20000) {
    float a = float_of_bits(any_bits(random)), b = float_of_bits(any_bits(random));
    if (checked % 2) b = a * 1.01f;
    if (!std::isfinite(a) || !std::isfinite(b)) continue;
    ++checked;
    float low = std::min(a, b), high = std::max(a, b);
    int64_t bins = int64_t{2} << (checked % 12);
    int e = grid_exponent(low, high, bins);
    auto index = [](float x, int exponent) { return std::floor(std::ldexp(static_cast<long double>(x), -exponent)); };
    ASSERT_LT(index(high, e) - index(low, e), bins) << low << " " << high;
    ASSERT_EQ(static_cast<long double>(grid_index(low, e)), index(low, e));
    ASSERT_EQ(bin_index(low, make_grid_scale(e)), grid_index(low, e)) << low << " e " << e;
    ASSERT_EQ(bin_index(high, make_grid_scale(e)), grid_index(high, e)) << high << " e " << e;
    float magnitude = std::max(std::fabs(low), std::fabs(high));
    int ulp = magnitude == 0 ? -149 : std::max(-149, std::ilogb(magnitude) - 23);
    bool finer_fits = e > -149 && e - 1 >= ulp && index(high, e - 1) - index(low, e - 1) < bins;
    ASSERT_FALSE(finer_fits) << low << " " << high << " bins " << bins << " e " << e;
  }
}

TEST(Grid, IndicesAreExactForTinyAndHugeValues) {
  for (int e : {-149, -148, -127, -126, -20, 0, 1, 30, 100, 128}) {
    for (float x : {1e-45f, -1e-45f, 1e-38f, -1e-38f, -1e-30f, 0.0f, -0.0f, 1.0f, -1.0f, 3e38f, -3e38f}) {
      double exact = std::floor(std::ldexp(static_cast<double>(x), -e));
      if (std::fabs(exact) > 16777216) continue;
      EXPECT_EQ(static_cast<double>(grid_index(x, e)), exact) << x << " e " << e;
      EXPECT_EQ(bin_index(x, make_grid_scale(e)), exact) << x << " e " << e;
    }
  }
}

TEST(Grid, GrowingIsFloorDivision) {
  EXPECT_EQ(grown_index(5, 1), 2);
  EXPECT_EQ(grown_index(-5, 1), -3);
  EXPECT_EQ(grown_index(-1, 200), -1);
  EXPECT_EQ(grown_index(1, 200), 0);
}

TEST(Gradient, FactorGuardsEmptyFormats) {
  EXPECT_DOUBLE_EQ(gradient_factor(100, -128, 127), 1 / std::sqrt(12700.0));
  EXPECT_DOUBLE_EQ(gradient_factor(4, -8, 0), 1 / std::sqrt(32.0));
  EXPECT_EQ(gradient_factor(0, 0, 255), 0);
}

}  // namespace
}  // namespace ppq::numerics
