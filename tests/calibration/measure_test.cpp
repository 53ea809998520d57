#include "calibration/measure.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/thrown.h"

namespace ppq {
namespace {

struct Sums {
  double noise = 0, signal = 0, quantized = 0, product = 0;
  void add(const at::Tensor& q, const at::Tensor& f) {
    const at::Tensor a = q.contiguous(), b = f.contiguous();
    for (int64_t i = 0; i < a.numel(); ++i) {
      const double x = a.const_data_ptr<float>()[i], y = b.const_data_ptr<float>()[i];
      noise += (x - y) * (x - y), signal += y * y, quantized += x * x, product += x * y;
    }
  }
};

TEST(Measure, AgreesWithPlainLoops) {
  Measure measure, first, second;
  Sums sums;
  for (int64_t k = 1; k <= 3; ++k) {
    const at::Tensor f = at::sin(at::arange(37 * k, at::kFloat)) * 5, q = f + at::cos(at::arange(37 * k, at::kFloat) * 3) * 0.1;
    measure.add(q, f);
    (k == 1 ? first : second).add(q, f);
    sums.add(q, f);
  }
  EXPECT_NEAR(measure.nsr(), sums.noise / sums.signal, 1e-9 * measure.nsr());
  EXPECT_NEAR(measure.snr_db(), -10 * std::log10(sums.noise / sums.signal), 1e-8);
  EXPECT_NEAR(measure.cosine(), sums.product / std::sqrt(sums.signal * sums.quantized), 1e-12);
  EXPECT_NEAR(measure.mse(), sums.noise / (37 * 6), 1e-9 * measure.mse());
  first.add(second);
  EXPECT_NEAR(first.nsr(), measure.nsr(), 1e-12);
  EXPECT_EQ(first.count, measure.count);
}

TEST(Measure, StridedTensorsAndOtherTypes) {
  const at::Tensor f = at::arange(24, at::kFloat).reshape({4, 6}), q = f + 0.5;
  Measure plain, strided, wide;
  plain.add(q, f);
  strided.add(q.t(), f.t());
  wide.add(q.to(at::kDouble), f.to(at::kDouble));
  EXPECT_NEAR(strided.nsr(), plain.nsr(), 1e-12);
  EXPECT_NEAR(wide.nsr(), plain.nsr(), 1e-12);
  Measure integers;
  integers.add(at::tensor({1, 3}, at::kLong), at::tensor({1, 2}, at::kLong));
  EXPECT_DOUBLE_EQ(integers.nsr(), 0.2);
}

TEST(Measure, EdgesAreDefined) {
  Measure none;
  EXPECT_EQ(none.nsr(), 0);
  EXPECT_EQ(none.mse(), 0);
  EXPECT_EQ(none.cosine(), 1);
  Measure same;
  same.add(at::zeros({3}), at::zeros({3}));
  EXPECT_EQ(same.nsr(), 0);
  EXPECT_EQ(same.snr_db(), 200);
  EXPECT_EQ(same.cosine(), 1);
  Measure silent;
  silent.add(at::ones({3}), at::zeros({3}));
  EXPECT_TRUE(std::isinf(silent.nsr()));
  EXPECT_EQ(silent.cosine(), 0);
  Measure empty;
  empty.add(at::zeros({0}), at::zeros({0}));
  EXPECT_EQ(empty.count, 0);
}

TEST(Measure, ShapesMustAgree) {
  Measure measure;
  const Error error = test::thrown([&] { measure.add(at::zeros({2, 3}), at::zeros({3, 2})); });
  EXPECT_EQ(error.kind(), ErrorKind::Data);
  EXPECT_STREQ(error.what(), "[comparison] shapes differ: got [2, 3], expected [3, 2]");
}

}  // namespace
}  // namespace ppq
