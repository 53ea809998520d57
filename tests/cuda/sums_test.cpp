#include <cmath>

#include "kernels/kernels.h"
#include "tests/cuda/backend.h"
#include "tests/cuda/shim/shim_schedule.h"

namespace ppq::test {
namespace {

using kernels::Format;
using kernels::Gradients;

class BackwardKernel : public KernelTest {
 protected:
  void check(const at::Tensor& values, int64_t axis, const Format& format, bool masked, const std::string& what) {
    int64_t channels = axis < 0 ? 1 : values.size(axis);
    at::Tensor scale = at::arange(1, channels + 1, at::kFloat) * 0.01f + 0.05f,
               offset = at::remainder(at::arange(channels, at::kFloat) * 3, 9);
    for (at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
      at::Tensor x = values.to(type), dy = sample(values.sizes(), 99).to(type);
      Gradients expected = kernels::fake_quantize_backward(dy, x, scale, offset, axis, format, masked);
      Gradients result = backend_->fake_quantize_backward(there(dy), there(x), there(scale), there(offset), axis, format, masked);
      EXPECT_TRUE(same(result.input, expected.input)) << what << ", " << type << ", " << x.sizes() << ", axis " << axis;
      for (auto field : {&Gradients::scale, &Gradients::offset}) {
        at::Tensor a = (result.*field).cpu().to(at::kDouble), b = (expected.*field).to(at::kDouble);
        ASSERT_EQ(a.sizes(), b.sizes());
        // Both add in float64; in another order.
        if (a.numel() == 0) continue;
        EXPECT_LE((a - b).abs().max().item<double>(), 1e-6 * b.abs().max().item<double>() + 1e-12)
            << what << ", " << type << ", " << x.sizes() << ", axis " << axis;
      }
      Gradients again = backend_->fake_quantize_backward(there(dy), there(x), there(scale), there(offset), axis, format, masked);
      EXPECT_TRUE(same(again.scale, result.scale) && same(again.offset, result.offset)) << what << ": sums differ between runs";
    }
  }
};
PPQ_KERNEL_TESTS(BackwardKernel);

const Format kInt8{-128, 127}, kUint4{0, 15};

TEST_P(BackwardKernel, AnySizePerTensor) {
  for (int64_t size : {0, 1, 3, 4, 9, 2047, 2048, 2049, 30001}) check(sample({size}, size) * 4, -1, kInt8, true, "size");
}

TEST_P(BackwardKernel, EveryAxisAndLayout) {
  for (at::IntArrayRef sizes :
       std::vector<std::vector<int64_t>>{{3, 5, 7, 11}, {2, 8, 4, 4}, {70, 16, 1, 1}, {5, 37, 3, 3}, {1, 1, 1, 1}}) {
    at::Tensor x = sample(sizes, 1) * 3;
    for (int64_t axis = -1; axis < 4; ++axis) {
      check(x, axis, kUint4, true, "contiguous");
      check(x.contiguous(at::MemoryFormat::ChannelsLast), axis, kInt8, false, "channels-last");
    }
  }
}

// Whole vectors of the common rule, and what leaves it: ragged last tiles, scales and offsets of some channels.
TEST_P(BackwardKernel, CommonRule) {
  for (at::IntArrayRef sizes : std::vector<std::vector<int64_t>>{{4, 6, 8, 4}, {3, 2, 1544, 1}, {67, 16, 1, 2}}) {
    at::Tensor x = sample(sizes, 5) * 3, special = sample(sizes, 6, 0.1f, true);
    for (int64_t axis : {-1, 1}) {
      check(x, axis, kUint4, axis < 0, "common");
      check(x.contiguous(at::MemoryFormat::ChannelsLast), axis, kInt8, axis > 0, "common, channels-last");
    }
    for (auto [odd, shift] : {std::pair{0x1p-101f, 0.0f}, {0x1p-100f, 0.5f}, {0x1p101f, 0.0f}, {0.05f, 131000.0f}, {0.05f, 0.0f}}) {
      at::Tensor scale = at::full({sizes[1]}, 0.06f), offset = at::zeros({sizes[1]}), dy = sample(sizes, 7);
      scale.slice(0, 1, 2).fill_(odd), offset.slice(0, 0, 1).fill_(shift);
      for (auto layout : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
        at::Tensor in = special.contiguous(layout);
        Gradients mine = backend_->fake_quantize_backward(there(dy), there(in), there(scale), there(offset), 1, kInt8, true);
        Gradients cpu = kernels::fake_quantize_backward(dy, in, scale, offset, 1, kInt8, true);
        EXPECT_TRUE(same(mine.input, cpu.input)) << odd << " " << shift;
      }
    }
  }
}

TEST_P(BackwardKernel, EveryRoundingAndFormat) {
  at::Tensor x = sample({2, 1500}, 2) * 8;
  for (int rounding = 0; rounding < 8; ++rounding) {
    check(x, 0, {-128, 127, static_cast<Rounding>(rounding)}, true, "rounding");
    check(x, -1, {-448, 448, static_cast<Rounding>(rounding), true, 4, 3}, true, "e4m3");
  }
}

TEST_P(BackwardKernel, NoScheduleShows) {
  if (GetParam() != "shim") GTEST_SKIP() << "schedules of threads can be chosen in the shim only";
  at::Tensor x = sample({300, 24}, 3) * 4, dy = sample({300, 24}, 4), scale = at::full({24}, 0.1f), offset = at::zeros({24});
  Gradients first = backend_->fake_quantize_backward(dy, x, scale, offset, 1, kInt8, true);
  Gradients whole = backend_->fake_quantize_backward(dy, x, scale.slice(0, 0, 1), offset.slice(0, 0, 1), -1, kInt8, true);
  for (unsigned seed = 1; seed <= 5; ++seed) {
    shim::set_schedule(seed);
    EXPECT_TRUE(same(backend_->fake_quantize_backward(dy, x, scale, offset, 1, kInt8, true).scale, first.scale)) << seed;
    EXPECT_TRUE(
        same(backend_->fake_quantize_backward(dy, x, scale.slice(0, 0, 1), offset.slice(0, 0, 1), -1, kInt8, true).scale, whole.scale))
        << seed;
  }
}

class ErrorSumsKernel : public KernelTest {
 protected:
  void check(const at::Tensor& q, const at::Tensor& f, const char* what) {
    at::Tensor a = q.to(at::kDouble).contiguous(), b = f.to(at::kDouble).contiguous();
    const double *pa = a.const_data_ptr<double>(), *pb = b.const_data_ptr<double>();
    long double expected[4] = {0, 0, 0, 0};
    for (int64_t i = 0; i < a.numel(); ++i) {
      long double x = pa[i], y = pb[i];
      expected[0] += (x - y) * (x - y);
      expected[1] += y * y;
      expected[2] += x * x;
      expected[3] += x * y;
    }
    at::Tensor sums = backend_->error_sums(there(q), there(f));
    EXPECT_EQ(sums.device().type(), backend_->device.type());
    EXPECT_TRUE(same(sums, backend_->error_sums(there(q), there(f)))) << what << ": sums differ between runs";
    sums = sums.cpu();
    for (int i = 0; i < 4; ++i) {
      double got = sums[i].item<double>(), want = static_cast<double>(expected[i]),
             size = std::sqrt(static_cast<double>(expected[1] * expected[2]));
      EXPECT_NEAR(got, want, 1e-12 * (i == 3 ? size : std::abs(want))) << what << ", sum " << i << ", " << q.sizes();
    }
  }
};
PPQ_KERNEL_TESTS(ErrorSumsKernel);

TEST_P(ErrorSumsKernel, AnySizeAndType) {
  for (int64_t size : {0, 1, 3, 8, 2047, 2049, 50001}) {
    at::Tensor f = sample({size}, size), q = at::round(f * 10) / 10;
    for (at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) check(q.to(type), f.to(type), "size");
    check(q.to(at::kHalf), f, "mixed types");
  }
}

TEST_P(ErrorSumsKernel, LayoutsAndAlignment) {
  at::Tensor f = sample({3, 5, 9, 7}, 1), q = at::round(f * 10) / 10;
  check(q.contiguous(at::MemoryFormat::ChannelsLast), f, "layouts differ");
  check(q.slice(1, 1, 4), f.slice(1, 0, 3), "slices");
  at::Tensor base = sample({5000}, 2);
  for (int64_t shift = 0; shift < 4; ++shift) check(base.slice(0, shift, shift + 4000), base.slice(0, 1, 4001), "misaligned");
  check(f * 1e25, q * 1e25, "squares beyond float32");
}

}  // namespace
}  // namespace ppq::test
