#include "kernels/cpu/cases.h"
#include "kernels/cpu/cpu_kernels.h"

namespace ppq::kernels {
namespace {

using namespace test;
using cpu::Level;

struct Sums {
  at::Tensor input, scale, offset;
};
/// The formulas of LSQ and LSQ+ with ATen's operators in double.
Sums by_formula(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis,
                const Format& format, bool masked) {
  std::vector<int64_t> view(x.dim(), 1);
  std::vector<int64_t> others;
  for (int64_t d = 0; d < x.dim(); ++d) {
    if (d == axis) view[d] = x.size(d);
    if (d != axis) others.push_back(d);
  }
  at::Tensor s = scale.view(view), o = offset.view(view);
  at::Tensor u = x / s, n = at::round(u) + o;
  at::Tensor above = n > format.quant_max, below = n < format.quant_min, inside = ~(above | below);
  at::Tensor dy = grad.to(at::kDouble), od = o.to(at::kDouble).expand(x.sizes());
  at::Tensor ds = at::where(above, (format.quant_max - od) * dy,
                            at::where(below, (format.quant_min - od) * dy, ((n - o).to(at::kDouble) - u.to(at::kDouble)) * dy));
  at::Tensor dof = at::where(inside, at::zeros_like(dy), -s.to(at::kDouble) * dy);
  int64_t count = x.numel() / scale.numel();
  double factor = 1 / std::sqrt(static_cast<double>(count) * format.quant_max);
  at::Tensor dx = masked ? at::where(inside, grad, at::zeros_like(grad)) : grad;
  auto total = [&](const at::Tensor& t) { return (axis < 0 ? t.sum().view({1}) : t.sum(others)) * factor; };
  return {dx, total(ds), total(dof)};
}

TEST(Backward, FollowsLsqInEveryLayout) {
  for (const Case& c : layouts(false)) {
    if (c.x.numel() == 0) continue;
    at::Tensor x = c.x.clamp(-5, 5);
    int64_t channels = c.axis < 0 ? 1 : x.size(c.axis);
    at::manual_seed(2);
    at::Tensor grad = at::randn(x.sizes()), scale = at::rand({channels}) * 0.02 + 0.01,
               offset = at::randint(-20, 20, {channels}).to(at::kFloat);
    for (bool masked : {true, false}) {
      Format format{-128, 127};
      Sums wanted = by_formula(grad, x, scale, offset, c.axis, format, masked);
      Gradients got = fake_quantize_backward(grad, x, scale, offset, c.axis, format, masked);
      EXPECT_TRUE(same_bits(got.input, wanted.input)) << c.name;
      double size = std::sqrt(static_cast<double>(x.numel()));
      EXPECT_LT((got.scale.to(at::kDouble) - wanted.scale).abs().max().item<double>(), 1e-5 * size) << c.name;
      EXPECT_LT((got.offset.to(at::kDouble) - wanted.offset).abs().max().item<double>(), 1e-5 * size) << c.name;
      EXPECT_GT(wanted.scale.abs().max().item<double>(), 0);
    }
  }
}

/// Where no value is near a tie, y(s) is differentiable outside of the range, and inside LSQ's gradient is that of the
/// straight-through round: d/ds (r(x/s) s) with r' = 1. Both by finite differences, in double.
TEST(Backward, AgreesWithFiniteDifferences) {
  Format format{-8, 7};
  double s = 0.25, o = 2, h = 1e-6;
  for (double x : {-50.0, -3.1, -1.07, 0.06, 0.81, 1.2, 30.0}) {
    double n = std::nearbyint(x / s) + o;
    double residual = std::nearbyint(x / s) - x / s;  // held constant: r(v) = v + residual
    auto y = [&](double scale, double offset) {
      if (n > format.quant_max) return (format.quant_max - offset) * scale;
      if (n < format.quant_min) return (format.quant_min - offset) * scale;
      return (x / scale + residual) * scale;
    };
    double ds = (y(s + h, o) - y(s - h, o)) / (2 * h), dof = (y(s, o + h) - y(s, o - h)) / (2 * h);
    Gradients got = fake_quantize_backward(at::full({1}, 2.0f), at::full({1}, static_cast<float>(x)), at::full({1}, static_cast<float>(s)),
                                           at::full({1}, static_cast<float>(o)), -1, format, true);
    double factor = 1 / std::sqrt(7.0);
    EXPECT_NEAR(got.scale.item<double>(), 2 * ds * factor, 1e-5) << x;
    EXPECT_NEAR(got.offset.item<double>(), 2 * dof * factor, 1e-5) << x;
  }
}

TEST(Backward, MinifloatSaturatesOnlyBeyondRounding) {
  Format format{-448, 448, Rounding::HalfEven, true, 4, 3};
  at::Tensor x = at::tensor({448.0f, 460.0f, 470.0f, -500.0f, 3.1f});
  Gradients got = fake_quantize_backward(at::ones({5}), x, at::ones({1}), at::zeros({1}), -1, format, true);
  EXPECT_TRUE(at::equal(got.input, at::tensor({1.0f, 1.0f, 0.0f, 0.0f, 1.0f})));  // 460 rounds to 448, 470 would to 480
  double sum = 0 + (448 - 460.0) + 448 - 448 + (3.0 - static_cast<double>(3.1f));
  EXPECT_NEAR(got.scale.item<double>(), sum / std::sqrt(5 * 448.0), 1e-5);
}

TEST(Backward, LevelsThreadsAndRepeatsGiveTheSameBits) {
  for (at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    for (const Case& c : layouts(false)) {
      at::Tensor x = c.x.to(type), grad = random_values(c.x.sizes(), 8).to(type);
      int64_t channels = c.axis < 0 ? 1 : x.size(c.axis);
      at::Tensor scale = at::full({channels}, 0.013f), offset = at::full({channels}, 4.0f);
      Gradients first;
      int threads = at::get_num_threads();
      for (const Level* level : cpu::available_levels()) {
        for (int n : {1, threads}) {
          cpu::UseLevel use(*level);
          at::set_num_threads(n);
          Gradients got = fake_quantize_backward(grad, x, scale, offset, c.axis, Format{-128, 127}, true);
          if (!first.scale.defined()) first = got;
          EXPECT_TRUE(same_bits(got.input, first.input)) << level->name << " " << c.name;
          EXPECT_TRUE(same_bits(got.scale, first.scale)) << level->name << " " << c.name;
          EXPECT_TRUE(same_bits(got.offset, first.offset)) << level->name << " " << c.name;
        }
      }
      at::set_num_threads(threads);
    }
  }
}

}  // namespace
}  // namespace ppq::kernels
