#include "observers/observers_test.h"

namespace ppq::test {
namespace {

QuantScheme minifloat(bool power_of_two) {
  QuantScheme scheme;
  scheme.format = NumberFormat::Floating;
  scheme.bits = 8;
  scheme.exponent_bits = 4;
  scheme.quant_min = -448, scheme.quant_max = 448;
  scheme.symmetric = true;
  scheme.power_of_two = power_of_two;
  return scheme;
}

TEST(Isotone, KeepsTheLargestElementLargest) {
  at::manual_seed(1);
  const at::Tensor rows = at::softmax(at::randn({200, 50}) * 6, 1);
  const QuantScheme scheme = asymmetric(8);
  const QuantParams isotone = observe_all("isotone", scheme, {rows.slice(0, 0, 90), rows.slice(0, 90)});
  auto kept = [&](const QuantParams& params) {
    const at::Tensor q = at::clamp(at::round(rows / params.scale) + params.offset, 0, 255);
    const at::Tensor top = std::get<0>(q.topk(2, 1));
    return (top.select(1, 0) > top.select(1, 1)).logical_and(q.argmax(1) == rows.argmax(1)).sum().item<int64_t>();
  };
  // By brute force no scale keeps more rows.
  int64_t best = 0;
  for (int i = -400; i <= 100; ++i) {
    QuantParams params{at::full({}, 1.0 / 255 * std::exp2(i / 50.0)), at::zeros({})};
    best = std::max(best, kept(params));
  }
  EXPECT_GE(kept(isotone), best - 2) << "of " << best;
}

TEST(Isotone, RefusesRowsOfOne) { EXPECT_THROW(make_observer("isotone", asymmetric(8), "t")->observe(at::ones({3, 1}), 1), Error); }

TEST(Constant, IsOneForMinifloatsOnly) {
  const QuantParams params = observe_all("constant", minifloat(true), {at::randn({10})});
  EXPECT_EQ(params.scale.item<double>(), 1);
  EXPECT_THROW(make_observer("constant", asymmetric(8), "t"), Error);
}

TEST(Floating, LargestMagnitudeMeetsTheLargestNumber) {
  const at::Tensor x = at::randn({1000});
  const QuantParams params = observe_all("floating", minifloat(false), {x});
  EXPECT_NEAR(params.scale.item<double>(), x.abs().max().item<double>() / 448, 1e-7);
}

TEST(Floating, PowerOfTwoWithTheSmallestError) {
  at::manual_seed(5);
  for (double size : {0.01, 1.0, 300.0, 5000.0}) {
    const at::Tensor x = at::randn({3000}) * size;
    const QuantScheme scheme = minifloat(true);
    const double chosen = observe_all("floating", scheme, {x}).scale.item<double>();
    double best = 1e300, best_scale = 0;
    for (int e = -10; e <= 8; ++e) {
      const QuantParams params{at::full({}, std::exp2(e), at::kFloat), at::zeros({}, at::kFloat)};
      const double error = (fake_quantize(x, scheme, params) - x).to(at::kDouble).square().sum().item<double>();
      if (error < best) best = error, best_scale = std::exp2(e);
    }
    EXPECT_EQ(chosen, best_scale) << size;
  }
}

}  // namespace
}  // namespace ppq::test
