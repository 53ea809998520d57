#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ppq/error.h"
#include "ppq/quant.h"

namespace ppq {
namespace {

QuantScheme scheme_of(int bits, double low, double high, bool symmetric) {
  QuantScheme scheme;
  scheme.bits = bits;
  scheme.quant_min = low;
  scheme.quant_max = high;
  scheme.symmetric = symmetric;
  return scheme;
}
float scale_of(const QuantParams& p) { return p.scale.item<float>(); }
float offset_of(const QuantParams& p) { return p.offset.item<float>(); }

TEST(ParamsFromRange, AsymmetricUnsigned) {
  QuantParams p = params_from_range(-1.0, 3.0, scheme_of(8, 0, 255, false));
  EXPECT_EQ(scale_of(p), static_cast<float>(4.0 / 255));
  EXPECT_EQ(offset_of(p), 64);  // round(63.75)
  EXPECT_EQ(p.scale.dim(), 0);
  EXPECT_EQ(p.scale.scalar_type(), at::kFloat);
}

/// PPQ gives 64 here too, which clips half of the range; the zero point of a signed range starts at quant_min.
TEST(ParamsFromRange, AsymmetricSignedStartsAtQuantMin) {
  QuantParams p = params_from_range(-1.0, 3.0, scheme_of(8, -128, 127, false));
  EXPECT_EQ(scale_of(p), static_cast<float>(4.0 / 255));
  EXPECT_EQ(offset_of(p), -64);
  auto [low, high] = range_of(p, scheme_of(8, -128, 127, false));
  EXPECT_NEAR(low.item<double>(), -1.0, 4.0 / 255);
  EXPECT_NEAR(high.item<double>(), 3.0, 4.0 / 255);
}

TEST(ParamsFromRange, RangesAreWidenedToHoldZero) {
  QuantParams above = params_from_range(2.0, 3.0, scheme_of(8, 0, 255, false));
  EXPECT_EQ(scale_of(above), static_cast<float>(3.0 / 255));
  EXPECT_EQ(offset_of(above), 0);
  QuantParams below = params_from_range(-3.0, -2.0, scheme_of(8, 0, 255, false));
  EXPECT_EQ(scale_of(below), static_cast<float>(3.0 / 255));
  EXPECT_EQ(offset_of(below), 255);
}

TEST(ParamsFromRange, Symmetric) {
  QuantParams p = params_from_range(-3.0, 2.0, scheme_of(8, -128, 127, true));
  EXPECT_EQ(scale_of(p), static_cast<float>(6.0 / 255));
  EXPECT_EQ(offset_of(p), 0);
  EXPECT_EQ(scale_of(params_from_range(-3.0, 4.0, scheme_of(8, -127, 127, true))), static_cast<float>(8.0 / 254));
  EXPECT_EQ(scale_of(params_from_range(-3.0, 4.0, scheme_of(4, -8, 7, true))), static_cast<float>(8.0 / 15));
}

TEST(ParamsFromRange, PowerOfTwoIsRoundedUpAndTheOffsetFollowsIt) {
  QuantScheme scheme = scheme_of(8, 0, 255, false);
  scheme.power_of_two = true;
  QuantParams p = params_from_range(-1.0, 3.0, scheme);
  EXPECT_EQ(scale_of(p), 0.015625f * 2);  // 4/255 = 0.01569 lies just above 2^-6
  EXPECT_EQ(offset_of(p), 32);
  EXPECT_EQ(scale_of(params_from_range(0.0, 255.0 / 64, scheme)), 0.015625f);  // exact powers stay
  scheme.symmetric = true;
  EXPECT_EQ(scale_of(params_from_range(-0.3, 0.3, scheme_of(8, -128, 127, true))), static_cast<float>(0.6 / 255));
  scheme.quant_min = -128, scheme.quant_max = 127;
  EXPECT_EQ(scale_of(params_from_range(-0.3, 0.3, scheme)), std::pow(2.0f, -8));
}

TEST(ParamsFromRange, ConstantsAndTinyRanges) {
  EXPECT_EQ(scale_of(params_from_range(0.0, 0.0, scheme_of(8, 0, 255, false))), 1e-8f);
  EXPECT_EQ(scale_of(params_from_range(0.0, 0.0, scheme_of(8, -128, 127, true))), 1e-8f);
  EXPECT_EQ(offset_of(params_from_range(0.0, 0.0, scheme_of(8, 0, 255, false))), 0);
  QuantScheme scheme = scheme_of(8, 0, 255, false);
  scheme.min_range = 1e-4;
  EXPECT_EQ(scale_of(params_from_range(0.0, 1e-6, scheme)), static_cast<float>(1e-4 / 255));
  EXPECT_EQ(offset_of(params_from_range(0.0, 1e-6, scheme)), 0);
  QuantParams negative = params_from_range(-1e-6, 0.0, scheme);
  EXPECT_EQ(scale_of(negative), static_cast<float>(1e-4 / 255));
  EXPECT_EQ(offset_of(negative), 255);
  EXPECT_EQ(scale_of(params_from_range(0.0, 1.0, scheme)), static_cast<float>(1.0 / 255));
}

TEST(ParamsFromRange, PerChannel) {
  QuantScheme scheme = scheme_of(8, 0, 255, false);
  scheme.granularity = Granularity::PerChannel;
  QuantParams p = params_from_range(at::tensor({-1.0, 0.5, -2.0}, at::kDouble), at::tensor({3.0, 1.0, -1.0}, at::kDouble), scheme);
  ASSERT_EQ(p.scale.sizes(), at::IntArrayRef({3}));
  for (int64_t c = 0; c < 3; ++c) {
    double low[] = {-1.0, 0.5, -2.0}, high[] = {3.0, 1.0, -1.0};
    QuantParams one = params_from_range(low[c], high[c], scheme);
    EXPECT_EQ(p.scale[c].item<float>(), scale_of(one));
    EXPECT_EQ(p.offset[c].item<float>(), offset_of(one));
  }
}

TEST(ParamsFromRange, FloatingMapsTheLargestMagnitude) {
  QuantScheme scheme = scheme_of(8, -448, 448, true);
  scheme.format = NumberFormat::Floating;
  scheme.exponent_bits = 4;
  EXPECT_EQ(scale_of(params_from_range(-2.0, 1.0, scheme)), static_cast<float>(2.0 / 448));
  scheme.power_of_two = true;
  EXPECT_EQ(scale_of(params_from_range(-2.0, 1.0, scheme)), std::pow(2.0f, -7));
}

TEST(ParamsFromRange, RefusesNonsense) {
  QuantScheme scheme = scheme_of(8, 0, 255, false);
  double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  EXPECT_THROW(params_from_range(nan, 1.0, scheme), Error);
  EXPECT_THROW(params_from_range(0.0, inf, scheme), Error);
  EXPECT_THROW(params_from_range(2.0, 1.0, scheme), Error);
  EXPECT_THROW(params_from_range(0.0, 1.0, scheme_of(8, 5, 5, false)), Error);
}

/// 100 000 standard normal samples with min/max: the mean squared errors of spec/observers.md, section 3.8.
TEST(ParamsFromRange, ErrorsOfNormalSamples) {
  at::manual_seed(0);
  at::Tensor x = at::randn({100000});
  double low = x.min().item<double>(), high = x.max().item<double>();
  auto error = [&](const QuantScheme& scheme) {
    at::Tensor y = fake_quantize(x, scheme, params_from_range(low, high, scheme));
    return (y - x).to(at::kDouble).square().mean().item<double>();
  };
  double step = (high - low) / 255;
  EXPECT_NEAR(error(scheme_of(8, 0, 255, false)), step * step / 12, 0.02 * step * step / 12);
  EXPECT_NEAR(error(scheme_of(8, -128, 127, false)), step * step / 12, 0.02 * step * step / 12);  // PPQ: 0.22
  double symmetric = 2 * std::max(-low, high) / 255;
  EXPECT_NEAR(error(scheme_of(8, -128, 127, true)), symmetric * symmetric / 12, 0.02 * symmetric * symmetric / 12);
}

TEST(FakeQuantizeScheme, PerChannelAndNegativeAxis) {
  QuantScheme scheme = scheme_of(8, -128, 127, true);
  scheme.granularity = Granularity::PerChannel;
  scheme.axis = -1;
  at::Tensor x = at::randn({4, 3});
  QuantParams p{at::tensor({0.1f, 0.2f, 0.3f}), at::zeros({3})};
  EXPECT_TRUE(at::equal(fake_quantize(x, scheme, p), at::clamp(at::round(x / p.scale), -128, 127) * p.scale));
  at::Tensor q = quantize_to_int(x, scheme, p);
  EXPECT_EQ(q.scalar_type(), at::kChar);
  EXPECT_TRUE(at::equal(q.to(at::kFloat), at::clamp(at::round(x / p.scale), -128, 127)));
}

TEST(FakeQuantizeScheme, PerBlockAgreesWithItsIntegers) {
  QuantScheme scheme = scheme_of(4, -8, 7, true);
  scheme.granularity = Granularity::PerBlock;
  scheme.axis = 1;
  scheme.block_size = 4;
  at::Tensor x = at::randn({3, 10}), scale = at::rand({3, 3}) * 0.3 + 0.05;
  QuantParams p{scale, at::zeros({3, 3})};
  at::Tensor wide = scale.repeat_interleave(4, 1).narrow(1, 0, 10);
  at::Tensor wanted = at::clamp(at::round(x / wide), -8, 7);
  EXPECT_TRUE(at::equal(fake_quantize(x, scheme, p), wanted * wide));
  EXPECT_TRUE(at::equal(quantize_to_int(x, scheme, p).to(at::kFloat), wanted));
}

TEST(QuantizeToIntScheme, PicksTheNarrowestType) {
  at::Tensor x = at::randn({8});
  QuantParams p{at::scalar_tensor(0.1f), at::scalar_tensor(0.0f)};
  EXPECT_EQ(quantize_to_int(x, scheme_of(8, 0, 255, false), p).scalar_type(), at::kByte);
  EXPECT_EQ(quantize_to_int(x, scheme_of(8, -127, 127, true), p).scalar_type(), at::kChar);
  EXPECT_EQ(quantize_to_int(x, scheme_of(4, -8, 7, true), p).scalar_type(), at::kChar);
  EXPECT_EQ(quantize_to_int(x, scheme_of(16, 0, 65535, false), p).scalar_type(), at::kUInt16);
  EXPECT_EQ(quantize_to_int(x, scheme_of(16, -32768, 32767, true), p).scalar_type(), at::kShort);
  EXPECT_EQ(quantize_to_int(x, scheme_of(32, -2147483648.0, 2147483647.0, true), p).scalar_type(), at::kInt);
  QuantScheme floating = scheme_of(8, -448, 448, true);
  floating.format = NumberFormat::Floating;
  EXPECT_THROW(quantize_to_int(x, floating, p), Error);
  EXPECT_THROW(fake_quantize(x, scheme_of(8, 0, 255, false), QuantParams{}), Error);
}

TEST(QuantStateName, EveryStateHasOne) {
  EXPECT_STREQ(name_of(QuantState::Initial), "initial");
  EXPECT_STREQ(name_of(QuantState::PassiveBaked), "passive-baked");
}

TEST(QuantScheme, EqualFormatsAreEqualHoweverTheirNumbersAreFound) {
  QuantScheme a, b;
  b.observer = "mse";
  EXPECT_EQ(a, b);
  for (void (*change)(QuantScheme&) : std::initializer_list<void (*)(QuantScheme&)>{
           [](QuantScheme& s) { s.bits = 4; }, [](QuantScheme& s) { s.quant_min = -1; }, [](QuantScheme& s) { s.quant_max = 1; },
           [](QuantScheme& s) { s.symmetric = true; }, [](QuantScheme& s) { s.granularity = Granularity::PerChannel; },
           [](QuantScheme& s) { s.axis = 1; }, [](QuantScheme& s) { s.block_size = 4; }, [](QuantScheme& s) { s.power_of_two = true; },
           [](QuantScheme& s) { s.dynamic = true; }, [](QuantScheme& s) { s.rounding = Rounding::HalfUp; },
           [](QuantScheme& s) { s.format = NumberFormat::Floating; }, [](QuantScheme& s) { s.exponent_bits = 4; },
           [](QuantScheme& s) { s.min_range = 1; }, [](QuantScheme& s) { s.min_scale = 1; }}) {
    b = a;
    change(b);
    EXPECT_NE(a, b);
  }
}

}  // namespace
}  // namespace ppq
