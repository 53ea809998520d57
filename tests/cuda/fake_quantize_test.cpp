#include <cmath>
#include <limits>
#include <random>

#include "kernels/kernels.h"
#include "kernels/numerics.h"
#include "tests/cuda/backend.h"

namespace ppq::test {
namespace {

using kernels::Format;

class FakeQuantizeKernel : public KernelTest {};
PPQ_KERNEL_TESTS(FakeQuantizeKernel);

const Format kUint8{0, 255}, kInt8{-128, 127};
Format with_rounding(Rounding rounding) { return {-128, 127, rounding}; }
Format e4m3(Rounding rounding = Rounding::HalfEven) { return {-448, 448, rounding, true, 4, 3}; }

int64_t elements(const std::vector<int64_t>& sizes) { return c10::multiply_integers(sizes); }
at::Tensor scales(int64_t count) { return at::arange(1, count + 1, at::kFloat) * 0.013f + 0.05f; }
at::Tensor offsets(int64_t count) { return at::remainder(at::arange(count, at::kFloat) * 7, 50) - 20; }

/// Equal to the CPU kernel, for all element types.
void check(const Backend& backend, const at::Tensor& values, const at::Tensor& scale, const at::Tensor& offset, int64_t axis,
           const Format& format, const char* what) {
  for (at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    at::Tensor x = values.to(type);
    at::Tensor expected = kernels::fake_quantize(x, scale, offset, axis, format);
    at::Tensor there = x.to(backend.device);
    at::Tensor result = backend.fake_quantize(there, scale.to(backend.device), offset.to(backend.device), axis, format);
    EXPECT_TRUE(same(result, expected)) << what << ", " << type << ", " << x.sizes() << ", axis " << axis;
    EXPECT_TRUE(same(there, x)) << what << ": the input was changed";
    EXPECT_EQ(result.strides(), expected.strides()) << what;
    if (!format.floating && format.quant_max <= 255) {
      at::ScalarType integer = format.quant_min < 0 ? at::kChar : at::kByte;
      at::Tensor q = backend.quantize_to_int(there, scale.to(backend.device), offset.to(backend.device), axis, format, integer);
      EXPECT_TRUE(same(q, kernels::quantize_to_int(x, scale, offset, axis, format, integer))) << what << ", " << type << ", " << x.sizes();
    }
    backend.fake_quantize_(there, scale.to(backend.device), offset.to(backend.device), axis, format);
    EXPECT_TRUE(same(there, expected)) << what << " in place, " << type << ", " << x.sizes();
  }
}

TEST_P(FakeQuantizeKernel, AnySizePerTensor) {
  for (int64_t size : {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 1000, 1023, 4095, 4096, 4097, 8191, 8192, 8193, 12345, 20481}) {
    check(*backend_, sample({size}, size), at::tensor({0.1f}), at::tensor({3.0f}), -1, kUint8, "size");
  }
}

TEST_P(FakeQuantizeKernel, EveryRoundingAndFormat) {
  at::Tensor x = sample({3001}, 1, 0.1f, true), scale = at::tensor({0.1f}), zero = at::tensor({0.0f});
  for (Rounding rounding : {Rounding::HalfEven, Rounding::HalfUp, Rounding::HalfDown, Rounding::HalfTowardsZero, Rounding::HalfFarFromZero,
                            Rounding::ToNearInt, Rounding::Up, Rounding::Down}) {
    check(*backend_, x, scale, at::tensor({-5.0f}), -1, with_rounding(rounding), "rounding");
    check(*backend_, x, at::tensor({0.01f}), zero, -1, e4m3(rounding), "e4m3");
    check(*backend_, x, at::tensor({0.5f}), zero, -1, {-57344, 57344, rounding, true, 5, 2}, "e5m2");
    check(*backend_, x, at::tensor({1e-7f}), zero, -1, {-1073741824, 1073741823, rounding}, "30 bits");
  }
}

TEST_P(FakeQuantizeKernel, EveryAxisAndLayout) {
  for (at::IntArrayRef sizes :
       std::vector<std::vector<int64_t>>{{3, 5, 7, 11}, {2, 8, 4, 4}, {1, 1, 3, 1}, {5, 16, 1, 1}, {2, 300, 3, 3}}) {
    at::Tensor x = sample(sizes, 2, 0.1f, true);
    for (int64_t axis = 0; axis < 4; ++axis) {
      int64_t count = x.size(axis);
      check(*backend_, x, scales(count), offsets(count), axis, kInt8, "contiguous");
      check(*backend_, x.contiguous(at::MemoryFormat::ChannelsLast), scales(count), offsets(count), axis, kInt8, "channels-last");
      check(*backend_, x.permute({2, 0, 3, 1}).contiguous().permute({1, 3, 0, 2}), scales(count), offsets(count), axis, e4m3(), "permuted");
    }
  }
}

TEST_P(FakeQuantizeKernel, LongChannels) {
  at::Tensor x = sample({2, 3, 4099}, 3);
  check(*backend_, x, scales(3), offsets(3), 1, kUint8, "rows longer than a block");
  check(*backend_, x, scales(4099), offsets(4099), 2, kUint8, "last axis longer than a block");
}

TEST_P(FakeQuantizeKernel, Slices) {
  at::Tensor x = sample({6, 40, 9}, 4);
  at::Tensor scale = scales(20), offset = offsets(20);
  at::Tensor slice = x.slice(1, 3, 23);
  at::Tensor result = backend_->fake_quantize(there(x).slice(1, 3, 23), there(scale), there(offset), 1, kUint8);
  EXPECT_TRUE(same(result, kernels::fake_quantize(slice, scale, offset, 1, kUint8)));
  at::Tensor whole = there(x).clone(), part = whole.slice(1, 3, 23), expected = x.clone();
  backend_->fake_quantize_(part, there(scale), there(offset), 1, kUint8);
  expected.slice(1, 3, 23).copy_(kernels::fake_quantize(slice, scale, offset, 1, kUint8));
  EXPECT_TRUE(same(whole, expected)) << "a slice quantized in place changed its surroundings";
}

TEST_P(FakeQuantizeKernel, MisalignedPointers) {
  for (at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    at::Tensor base = there(sample({9000}, 5).to(type));
    for (int64_t shift = 0; shift < 9; ++shift) {
      for (int64_t size : {1, 5, 64, 4103, 8990}) {
        at::Tensor x = base.slice(0, shift, shift + size), host = x.cpu();
        at::Tensor expected = kernels::fake_quantize(host, at::tensor({0.1f}), at::tensor({1.0f}), -1, kUint8);
        EXPECT_TRUE(same(backend_->fake_quantize(x, there(at::tensor({0.1f})), there(at::tensor({1.0f})), -1, kUint8), expected)) << shift;
        at::Tensor copy = base.clone(), inside = copy.slice(0, shift, shift + size);
        backend_->fake_quantize_(inside, there(at::tensor({0.1f})), there(at::tensor({1.0f})), -1, kUint8);
        EXPECT_TRUE(same(inside, expected)) << "in place, shift " << shift << ", size " << size;
        inside.copy_(x);
        EXPECT_TRUE(same(copy, base)) << "in place changed its surroundings, shift " << shift << ", size " << size;
        at::Tensor q = backend_->quantize_to_int(x, there(at::tensor({0.1f})), there(at::tensor({1.0f})), -1, kUint8, at::kByte);
        EXPECT_TRUE(same(q, kernels::quantize_to_int(host, at::tensor({0.1f}), at::tensor({1.0f}), -1, kUint8, at::kByte)));
      }
    }
  }
}

TEST_P(FakeQuantizeKernel, StaysInsideItsMemory) {
  if (GetParam() != "shim") GTEST_SKIP() << "on a device compute-sanitizer looks after this";
  for (int64_t size : {1, 3, 4, 1027, 4097}) {
    for (bool at_end : {true, false}) {
      at::Tensor x = guarded(sample({2, size}, 6).to(at::kHalf), at_end);
      at::Tensor expected = kernels::fake_quantize(x, scales(2), offsets(2), 0, kInt8);
      backend_->fake_quantize_(x, scales(2), offsets(2), 0, kInt8);
      EXPECT_TRUE(same(x, expected));
    }
  }
}

TEST_P(FakeQuantizeKernel, Blocks) {
  struct Case {
    std::vector<int64_t> sizes;
    int64_t axis, block;
  };
  for (const Case& c :
       {Case{{6, 64}, 1, 16}, Case{{6, 64}, 0, 3}, Case{{5, 12, 7}, 1, 4}, Case{{8, 3, 3, 3}, 0, 2}, Case{{3, 4100}, 1, 5},
        Case{{3, 4100}, 1, 4100}, Case{{6, 65}, 1, 16}, Case{{7, 40}, 0, 3}, Case{{2, 13, 7}, 1, 4}, Case{{3, 4101}, 1, 5},
        Case{{3, 96}, 1, 32}, Case{{40, 320}, 1, 32}, Case{{5, 72}, 1, 16}, Case{{3, 9}, 1, 20}, Case{{4, 30}, 1, 1}, Case{{0, 8}, 1, 4}}) {
    at::Tensor x = sample(c.sizes, 7, 0.1f, true);
    std::vector<int64_t> blocked = c.sizes;
    blocked[c.axis] = (blocked[c.axis] + c.block - 1) / c.block;
    at::Tensor scale = scales(elements(blocked)).view(blocked), offset = offsets(elements(blocked)).view(blocked);
    for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      at::Tensor expected = kernels::fake_quantize_blocks(x.to(type), scale, offset, c.axis, c.block, kInt8);
      at::Tensor result = backend_->fake_quantize_blocks(there(x.to(type)), there(scale), there(offset), c.axis, c.block, kInt8);
      EXPECT_TRUE(same(result, expected)) << x.sizes() << " axis " << c.axis << " block " << c.block;
    }
  }
}

// The rule without a division (kernels/cuda/plain.cuh): every tie and its neighbours, the clamps, special values.
TEST_P(FakeQuantizeKernel, TiesOfManyScales) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::mt19937 random(5);
  for (int trial = 0; trial < 60; ++trial) {
    float scale = numerics::float_of_bits((random() & 0x7fffffu) | (trial < 40 ? 110 + random() % 30 : 27 + random() % 201) << 23);
    std::vector<float> values{0.0f, -0.0f, kInfinity, -kInfinity, NAN, 1e-45f, -1e-45f, 1e-38f, 3e38f, -3e38f};
    for (int i = 0; i < 300; ++i) {
      float tie = (static_cast<float>(static_cast<int>(random() % 600) - 300) + 0.5f) * scale, below = tie, above = tie;
      values.push_back(tie);
      for (int step = 0; step < 4; ++step) {
        values.push_back(below = std::nextafter(below, -kInfinity));
        values.push_back(above = std::nextafter(above, kInfinity));
      }
    }
    at::Tensor x = at::tensor(values);
    float offset = static_cast<float>(static_cast<int>(random() % 400) - 100);
    check(*backend_, x, at::tensor({scale}), at::tensor({offset}), -1, kUint8, "ties");
    check(*backend_, x, at::tensor({scale}), at::tensor({-offset}), -1, {-32768, 32767}, "ties, 16 bits");
    check(*backend_, x, at::tensor({scale}), at::tensor({-0.0f}), -1, {-0.0, 15}, "negative zeros");
    check(*backend_, x, at::tensor({scale}), at::tensor({-0.0f}), -1, {-8, 0}, "nothing above zero");
  }
}

TEST_P(FakeQuantizeKernel, ScalesOutsideTheCommonRule) {
  at::Tensor x = sample({4, 5, 4, 4}, 11, 0.1f, true);
  const float kInfinity = std::numeric_limits<float>::infinity();
  for (float scale :
       {0x1p-100f, 0x1p100f, 0x1.fffffep-101f, 0x1.000002p100f, 1e-40f, 3e38f, -0.1f, 0.0f, kInfinity, static_cast<float>(NAN)}) {
    check(*backend_, x, at::full({1}, scale), at::zeros({1}), -1, kInt8, "odd scale");
    check(*backend_, x * 1e-31, at::full({1}, scale), at::zeros({1}), -1, kInt8, "odd scale, small values");
    at::Tensor of_channels = at::full({5}, 0.1f);
    of_channels.slice(0, 2, 3).fill_(scale);
    check(*backend_, x, of_channels, offsets(5), 1, kInt8, "odd scale of a channel");
    check(*backend_, x.contiguous(at::MemoryFormat::ChannelsLast), of_channels, offsets(5), 1, kInt8, "odd scale of a column");
  }
  for (float offset : {0.5f, 131000.0f, -65408.0f, -65409.0f, 65408.0f, 65409.0f, 1e20f})
    check(*backend_, x, at::full({1}, 0.1f), at::full({1}, offset), -1, kInt8, "odd offset");
  check(*backend_, x, at::full({1}, 0.1f), at::zeros({1}), -1, {-7.5, 7.25}, "limits that are no integers");
  check(*backend_, x, at::full({1}, 1e-5f), at::zeros({1}), -1, {-65536, 65536}, "largest limits");
  check(*backend_, x, at::full({1}, 1e-5f), at::zeros({1}), -1, {-65537, 65537}, "larger limits");
}

TEST_P(FakeQuantizeKernel, ColumnsOfAnyNumberOfChannels) {
  for (int64_t channels : {2, 3, 4, 7, 8, 12, 24, 29, 32, 58, 64, 116, 128, 257, 320, 1000, 1280, 2100})
    for (int64_t rows : {1, 2, 9, 40, 300}) {
      if (channels * rows > 50000) continue;
      check(*backend_, sample({rows, channels}, channels, 0.1f, true), scales(channels), offsets(channels), 1, kInt8, "columns");
      check(*backend_, sample({rows, 3, channels, 1}, rows).contiguous(at::MemoryFormat::ChannelsLast), scales(3), offsets(3), 1, kUint8,
            "three channels");
    }
  for (int64_t inner : {2, 4, 7, 8, 12, 49, 196, 200})
    for (int64_t channels : {3, 16, 40}) {
      check(*backend_, sample({3, channels, inner}, inner, 0.1f, true), scales(channels), offsets(channels), 1, kInt8, "short rows");
      check(*backend_, sample({channels, inner}, inner), scales(channels), offsets(channels), 0, kUint8, "rows");
    }
}

TEST_P(FakeQuantizeKernel, EveryIntegerType) {
  at::Tensor x = sample({3, 1501}, 8, 0.01f, true), scale = scales(3) * 0.01f, zero = at::zeros({3});
  struct Case {
    at::ScalarType type;
    Format format;
  };
  for (const Case& c : {Case{at::kByte, kUint8}, Case{at::kChar, kInt8}, Case{at::kShort, {-32768, 32767}}, Case{at::kUInt16, {0, 65535}},
                        Case{at::kInt, {-1073741824, 1073741823}}, Case{at::kChar, {-8, 7, Rounding::HalfUp}}}) {
    at::Tensor result = backend_->quantize_to_int(there(x), there(scale), there(zero), 0, c.format, c.type).cpu();
    at::Tensor expected = kernels::quantize_to_int(x, scale, zero, 0, c.format, c.type);
    EXPECT_EQ(result.scalar_type(), c.type);
    EXPECT_EQ(memcmp(result.const_data_ptr(), expected.const_data_ptr(), expected.nbytes()), 0) << c.type;
  }
}

}  // namespace
}  // namespace ppq::test
