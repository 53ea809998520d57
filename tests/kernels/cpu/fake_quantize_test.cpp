#include "kernels/cpu/cases.h"
#include "kernels/cpu/cpu_kernels.h"
#include "ppq/error.h"

namespace ppq::kernels {
namespace {

using namespace test;
using cpu::Level;

/// Position of element `flat` (row-major over sizes) along `axis`.
int64_t channel_of(const at::Tensor& x, int64_t axis, int64_t flat) {
  if (axis < 0) return 0;
  int64_t inner = 1;
  for (int64_t d = axis + 1; d < x.dim(); ++d) inner *= x.size(d);
  return flat / inner % x.size(axis);
}

/// Round x to a multiple of 1 in double, by mode, from the distances to its neighbours.
double rounded(double x, Rounding mode) {
  if (!std::isfinite(x)) return x;
  double low = std::floor(x), part = x - low;
  if (mode == Rounding::Up) return std::ceil(x);
  if (mode == Rounding::Down) return low;
  if (part != 0.5) return part < 0.5 ? low : low + (part > 0 ? 1 : 0);
  switch (mode) {
    case Rounding::HalfEven:
      return std::fmod(low, 2) == 0 ? low : low + 1;
    case Rounding::HalfUp:
      return low + 1;
    case Rounding::HalfDown:
      return low;
    case Rounding::HalfTowardsZero:
      return x > 0 ? low : low + 1;
    default:
      return x > 0 ? low + 1 : low;
  }
}

/// A plain loop: float division, then exact arithmetic in double (all integers here are small), then float's product.
at::Tensor plain_linear(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format) {
  at::Tensor flat = x.to(at::kFloat).contiguous().view({-1}), y = at::empty_like(flat);
  for (int64_t i = 0; i < flat.numel(); ++i) {
    int64_t c = channel_of(x, axis, i);
    float s = scale.view({-1})[c].item<float>(), o = offset.view({-1})[c].item<float>();
    float value = flat.const_data_ptr<float>()[i], ratio = value / s;
    double q = rounded(ratio, format.rounding) + o;
    q = q < format.quant_min ? format.quant_min : q > format.quant_max ? format.quant_max : q;
    y.mutable_data_ptr<float>()[i] = static_cast<float>(q - o) * s;
  }
  return y.view(x.sizes()).to(x.scalar_type());
}

struct Numbers {
  at::Tensor scale, offset;
};
Numbers numbers_for(const at::Tensor& x, int64_t axis, bool offsets) {
  int64_t count = axis < 0 ? 1 : x.size(axis);
  at::manual_seed(11);
  at::Tensor scale = at::rand({count}) * 0.05 + 0.01;
  if (count > 0) scale[0] = 0.5f;  // exact ties
  return {scale, offsets ? at::randint(-100, 100, {count}).to(at::kFloat) : at::zeros({count})};
}

TEST(FakeQuantize, AgreesWithAPlainLoopInEveryLayout) {
  for (const Level* level : cpu::available_levels()) {
    cpu::UseLevel use(*level);
    for (const Case& c : layouts(true)) {
      if (c.x.numel() > 100000) continue;
      for (bool offsets : {false, true}) {
        Numbers n = numbers_for(c.x, c.axis, offsets);
        Format format{-128, 127};
        at::Tensor wanted = plain_linear(c.x, n.scale, n.offset, c.axis, format);
        EXPECT_TRUE(same_bits(fake_quantize(c.x, n.scale, n.offset, c.axis, format), wanted)) << level->name << " " << c.name;
      }
    }
  }
}

/// Multiplying by the reciprocal gives another integer for a good share of these.
TEST(FakeQuantize, ValuesNextToTiesAreDivided) {
  at::manual_seed(5);
  for (const Level* level : cpu::available_levels()) {
    cpu::UseLevel use(*level);
    int64_t differ = 0;
    for (int trial = 0; trial < 40; ++trial) {
      const float s = trial == 0 ? 0x1p-100f : trial == 1 ? 0x1p100f : std::exp(at::randn({1}).item<float>() * 8) * 0.01f;
      const float o = static_cast<float>(trial % 3 == 0 ? 0 : trial * 5 - 100);
      std::vector<float> values;
      for (int n = -400; n < 400; ++n) {
        for (double part : {0.5, 0.499, 0.4999, 0.0}) {
          float x = static_cast<float>((n + part) * static_cast<double>(s));
          for (float near : {x, std::nextafter(x, kInf), std::nextafter(x, -kInf)}) {
            values.push_back(near);
            differ += std::rint(near / s) != std::rint(near * (1 / s));
          }
        }
      }
      at::Tensor x = at::tensor(values), scale = at::full({1}, s), offset = at::full({1}, o);
      const Format format{-128, 127};
      EXPECT_TRUE(same_bits(fake_quantize(x, scale, offset, -1, format), plain_linear(x, scale, offset, -1, format)))
          << level->name << " " << s;
      // The same, a scale a channel, channels innermost.
      at::Tensor matrix = x.view({-1, 64}), scales = at::full({64}, s), offsets = at::full({64}, o);
      EXPECT_TRUE(same_bits(fake_quantize(matrix, scales, offsets, 1, format).view({-1}), plain_linear(x, scale, offset, -1, format)))
          << level->name;
    }
    EXPECT_GT(differ, 100);
  }
}

/// The bits of every 1021st float, of both signs, denormals, Inf and NaN among them.
TEST(FakeQuantize, AllOverTheFloats) {
  at::Tensor x = at::empty({(int64_t{1} << 32) / 1021}), wanted = at::empty_like(x);
  float *values = x.mutable_data_ptr<float>(), *results = wanted.mutable_data_ptr<float>();
  for (int64_t i = 0; i < x.numel(); ++i) values[i] = numerics::float_of_bits(static_cast<uint32_t>(i * 1021));
  struct One {
    float scale, offset, low, high;
  };
  for (const One& one : {One{0.03f, 0, -128, 127}, One{1.7f, 131, 0, 255}, One{0x1p-20f, -512, -1024, 0}}) {
    for (int64_t i = 0; i < x.numel(); ++i) {
      const float q = std::rint(values[i] / one.scale) + one.offset;
      results[i] = ((q < one.low ? one.low : q > one.high ? one.high : q) - one.offset) * one.scale;
    }
    for (const Level* level : cpu::available_levels()) {
      cpu::UseLevel use(*level);
      at::Tensor y = fake_quantize(x, at::full({1}, one.scale), at::full({1}, one.offset), -1, {one.low, one.high});
      EXPECT_TRUE(same_bits(y, wanted)) << level->name << " " << one.scale;
    }
  }
}

/// Channels innermost: every way to cut them into vectors, rows that fill no group, and ties in single channels.
TEST(FakeQuantize, InterleavedChannelsOfEveryNumber) {
  for (int64_t channels : {2, 15, 16, 24, 32, 48, 67, 112, 131, 1040}) {
    for (int64_t rows : {1, 4, 7, 42}) {
      at::Tensor scale = at::rand({channels}) * 0.05 + 0.01, offset = at::randint(-100, 100, {channels}).to(at::kFloat);
      at::Tensor x = random_values({rows, channels}, static_cast<uint64_t>(channels + rows)) * 4;
      for (int64_t i = 3; i < x.numel(); i += 89) {  // the float next to a tie
        const float s = scale[i % channels].item<float>(), tie = (static_cast<float>(i % 100 - 50) + 0.5f) * s;
        x.mutable_data_ptr<float>()[i] = i % 2 ? std::nextafter(tie, kInf) : std::nextafter(tie, -kInf);
      }
      with_awkward_values(x, true);
      const Format format{-128, 127};
      for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
        const at::Tensor typed = x.to(type), wanted = plain_linear(typed, scale, offset, 1, format);
        for (const Level* level : cpu::available_levels()) {
          cpu::UseLevel use(*level);
          EXPECT_TRUE(same_bits(fake_quantize(typed, scale, offset, 1, format), wanted))
              << level->name << " " << channels << " channels, " << rows;
        }
      }
    }
  }
}

TEST(FakeQuantize, EveryNanStaysNan) {
  std::vector<float> values(256, 1.0f);
  for (int i = 0; i < 128; ++i)
    values[2 * i] =
        numerics::float_of_bits((i % 2 ? 0xff800000u : 0x7f800000u) | (i < 64 ? 0x400000u : 0u) | (0x155u + static_cast<uint32_t>(i)));
  at::Tensor x = at::tensor(values), scale = at::full({1}, 0.1f), zero = at::zeros({1});
  for (const Level* level : cpu::available_levels()) {
    cpu::UseLevel use(*level);
    at::Tensor y = fake_quantize(x, scale, zero, -1, {-128, 127});
    EXPECT_TRUE(at::equal(at::isnan(y), at::isnan(x))) << level->name;
  }
}

TEST(FakeQuantize, EveryRoundingMode) {
  at::Tensor x = with_awkward_values(at::arange(-600, 600, 0.25, at::kFloat), true);
  at::Tensor scale = at::full({1}, 0.5f), offset = at::full({1}, 3.0f);
  for (const Level* level : cpu::available_levels()) {
    cpu::UseLevel use(*level);
    for (int mode = 0; mode < 8; ++mode) {
      Format format{-128, 127, static_cast<Rounding>(mode)};
      EXPECT_TRUE(same_bits(fake_quantize(x, scale, offset, -1, format), plain_linear(x, scale, offset, -1, format)))
          << level->name << " mode " << mode;
    }
  }
}

TEST(FakeQuantize, InPlaceGivesTheSameAndWritesIntoTheTensor) {
  for (const Case& c : layouts(true)) {
    Numbers n = numbers_for(c.x, c.axis, true);
    Format format{0, 255};
    at::Tensor wanted = fake_quantize(c.x, n.scale, n.offset, c.axis, format);
    at::Tensor x = c.x;
    const void* before = x.const_data_ptr();
    fake_quantize_(x, n.scale, n.offset, c.axis, format);
    EXPECT_EQ(x.const_data_ptr(), before);
    EXPECT_TRUE(same_bits(x, wanted)) << c.name;
  }
}

TEST(FakeQuantize, KeepsStrides) {
  at::Tensor x = random_values({2, 5, 6, 7}, 1).contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor y = fake_quantize(x, at::full({5}, 0.1f), at::zeros({5}), 1, Format{-128, 127});
  EXPECT_EQ(y.strides(), x.strides());
}

TEST(FakeQuantize, SixteenBitTensorsAreComputedInFloatAndRoundedOnce) {
  for (at::ScalarType type : {at::kHalf, at::kBFloat16}) {
    for (const Level* level : cpu::available_levels()) {
      cpu::UseLevel use(*level);
      for (const Case& c : layouts(true)) {
        if (c.x.numel() > 20000) continue;
        Numbers n = numbers_for(c.x, c.axis, true);
        at::Tensor x = c.x.to(type);
        Format format{-128, 127};
        EXPECT_TRUE(same_bits(fake_quantize(x, n.scale, n.offset, c.axis, format), plain_linear(x, n.scale, n.offset, c.axis, format)))
            << level->name << " " << c.name;
      }
    }
  }
}

TEST(FakeQuantize, LevelsGiveTheSameBits) {
  struct Named {
    const char* name;
    Format format;
  };
  for (const Named& named : {Named{"int8", {-128, 127}}, Named{"uint16 half up", {0, 65535, Rounding::HalfUp}},
                             Named{"int32", {-2147483648.0, 2147483647.0}}, Named{"e4m3", {-448, 448, Rounding::HalfEven, true, 4, 3}},
                             Named{"e5m2 towards zero", {-57344, 57344, Rounding::HalfTowardsZero, true, 5, 2}},
                             Named{"bfloat16", {-3e38, 3e38, Rounding::HalfEven, true, 8, 7}}}) {
    for (const Case& c : layouts(true, 20)) {
      for (double factor : {1.0, 1e-30}) {
        Numbers n = numbers_for(c.x, c.axis, !named.format.floating);
        at::Tensor scale = n.scale * factor, first;
        for (const Level* level : cpu::available_levels()) {
          cpu::UseLevel use(*level);
          at::Tensor y = fake_quantize(c.x, scale, n.offset, c.axis, named.format);
          if (!first.defined()) first = y;
          EXPECT_TRUE(same_bits(y, first)) << level->name << " " << named.name << " " << c.name;
        }
      }
    }
  }
}

/// Many quotients close to ties: what a fast division would get wrong.
TEST(FakeQuantize, QuotientsNextToTies) {
  std::vector<float> values;
  at::manual_seed(5);
  at::Tensor scales = at::rand({400}) * 0.3 + 0.001;
  for (int64_t c = 0; c < 400; ++c) {
    float s = scales[c].item<float>();
    for (int k = -130; k < 130; ++k) {
      float tie = (static_cast<float>(k) + 0.5f) * s;
      for (float x : {std::nextafter(std::nextafter(tie, -kInf), -kInf), std::nextafter(tie, -kInf), tie, std::nextafter(tie, kInf)}) {
        values.push_back(x);
      }
    }
  }
  at::Tensor x = at::tensor(values).view({400, -1}), offset = at::zeros({400});
  Format format{-128, 127};
  at::Tensor q = at::clamp(at::round(x / scales.view({400, 1})), -128, 127);
  for (const Level* level : cpu::available_levels()) {
    cpu::UseLevel use(*level);
    EXPECT_TRUE(same_bits(fake_quantize(x, scales, offset, 0, format), (q * scales.view({400, 1})) + 0.0f)) << level->name;
    at::Tensor last = x.t().contiguous();
    EXPECT_TRUE(same_bits(fake_quantize(last, scales, offset, 1, format), (q.t() * scales) + 0.0f)) << level->name;
  }
}

/// Scales from denormal to huge: where reciprocals overflow or vanish.
TEST(FakeQuantize, ExtremeScales) {
  at::Tensor x = with_awkward_values(random_values({999}, 3), true);
  for (float scale : {1e-45f, 1e-39f, 1.2e-38f, 1e-30f, 1e-8f, 1e8f, 1e30f, 2e38f, 3.4e38f}) {
    at::Tensor s = at::full({1}, scale), o = at::zeros({1});
    for (const at::Tensor& data : {x, x * scale, x * (scale * 100)}) {
      at::Tensor wanted = plain_linear(data, s, o, -1, Format{-128, 127});
      for (const Level* level : cpu::available_levels()) {
        cpu::UseLevel use(*level);
        EXPECT_TRUE(same_bits(fake_quantize(data, s, o, -1, Format{-128, 127}), wanted)) << level->name << " " << scale;
      }
    }
  }
}

TEST(FakeQuantizeBlocks, AgreesWithAPlainLoop) {
  for (int64_t axis : {0, 1, 2}) {
    for (int64_t block : {1, 4, 5, 12, 100}) {
      at::Tensor x = with_awkward_values(random_values({12, 24, 20}, 9), true);
      std::vector<int64_t> sizes = x.sizes().vec();
      sizes[axis] = (sizes[axis] + block - 1) / block;
      at::Tensor scale = at::rand(sizes) * 0.1 + 0.01, offset = at::randint(-5, 5, sizes).to(at::kFloat);
      at::Tensor wide_scale = scale.repeat_interleave(block, axis).narrow(axis, 0, x.size(axis));
      at::Tensor wide_offset = offset.repeat_interleave(block, axis).narrow(axis, 0, x.size(axis));
      at::Tensor q = at::clamp(at::round(x / wide_scale) + wide_offset, -128, 127);
      at::Tensor wanted = at::where(at::isnan(x), x, (q - wide_offset) * wide_scale);
      EXPECT_TRUE(same_bits(fake_quantize_blocks(x, scale, offset, axis, block, Format{-128, 127}), wanted)) << axis << " " << block;
    }
  }
}

TEST(QuantizeToInt, AgreesWithAPlainLoopForEveryType) {
  struct Row {
    at::ScalarType type;
    double low, high;
  };
  for (const Row& row : {Row{at::kByte, 0, 255}, Row{at::kChar, -128, 127}, Row{at::kShort, -32768, 32767}, Row{at::kUInt16, 0, 65535},
                         Row{at::kInt, -2147483648.0, 2147483647.0}}) {
    for (const Case& c : layouts(true)) {
      if (c.x.numel() > 10000) continue;
      Numbers n = numbers_for(c.x, c.axis, false);
      at::Tensor y = quantize_to_int(c.x, n.scale, n.offset, c.axis, Format{row.low, row.high}, row.type);
      EXPECT_EQ(y.scalar_type(), row.type);
      at::Tensor flat = c.x.contiguous().view({-1}), got = y.contiguous().to(at::kDouble).view({-1});
      bool wide = row.type == at::kInt;
      for (int64_t i = 0; i < flat.numel(); ++i) {
        float value = flat[i].item<float>(), s = n.scale[channel_of(c.x, c.axis, i)].item<float>();
        double ratio = wide ? static_cast<double>(value) / s : value / s;
        double wanted = std::isnan(value) ? std::max(0.0, row.low) : std::min(std::max(std::nearbyint(ratio), row.low), row.high);
        ASSERT_EQ(got[i].item<double>(), wanted) << c.name << " element " << i << " value " << value;
      }
    }
  }
}

TEST(QuantizeToInt, RefusesARangeTheTypeDoesNotHold) {
  at::Tensor x = at::zeros({4}), one = at::ones({1}), zero = at::zeros({1});
  EXPECT_THROW(quantize_to_int(x, one, zero, -1, Format{-128, 127}, at::kByte), Error);
  EXPECT_THROW(quantize_to_int(x, one, zero, -1, Format{0, 255}, at::kDouble), Error);
  EXPECT_THROW(fake_quantize(x.to(at::kDouble), one, zero, -1, Format{0, 255}), Error);
  EXPECT_THROW(fake_quantize(x, at::ones({3}), at::zeros({3}), 0, Format{0, 255}), Error);
}

}  // namespace
}  // namespace ppq::kernels
