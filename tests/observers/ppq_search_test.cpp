#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "observers/observers_test.h"

/// PPQ's published search written down once more over the raw data (its own bins, no growing histogram).
namespace ppq::test {
namespace {

double loss_of(const std::vector<double>& h, int start, int step, int end) {
  double sum = 0, total = 0;
  for (int i = 0; i < static_cast<int>(h.size()); ++i) {
    double e;
    if (i < start)
      e = (start - i - 1) + 0.5;
    else if (i > end)
      e = (i - end) + 0.5;
    else {
      const int l = (i - start) % step, r = step - l - 1;
      e = l == r ? l + 0.25 : std::min(l, r) + 0.5;
    }
    sum += h[i] * e * e, total += h[i];
  }
  return sum / total;
}

std::vector<double> histogram(const at::Tensor& x, int bins, double low, double high) {
  const at::Tensor h = at::histc(x, bins, low, high).to(at::kDouble).contiguous();
  return {h.const_data_ptr<double>(), h.const_data_ptr<double>() + bins};
}

double ppq_mse_scale(const at::Tensor& x, bool sym) {
  const double low = sym ? 0 : x.min().item<double>(), high = sym ? x.abs().max().item<double>() : x.max().item<double>();
  const double hs = (high - low) / 2048;
  const auto h = histogram(sym ? x.abs() : x, 2048, low, high);
  double best = loss_of(h, 0, 9, 9 * 256), start = 0, end = 9 * 256;
  for (int s = 0; s < 2048 && (sym ? s == 0 : s * hs + low <= 0); s += 8)
    for (int step = 1; step <= 8 && s + 256 * step <= 2048 + 256; ++step) {
      const double loss = loss_of(h, s, step, s + 256 * step);
      if (loss < best) best = loss, start = s, end = s + 256 * step;
    }
  if (sym) return 2 * end * hs / 255;
  return (std::max(end * hs + low, 0.0) - std::min(start * hs + low, 0.0)) / 255;
}

/// PPQ's divergence for each of its 32 ranges: range k is (k + 1) / 32 of the largest magnitude.
std::vector<double> ppq_kl_losses(const at::Tensor& x) {
  auto h = histogram(x.abs(), 4096, 0, x.abs().max().item<double>());
  for (int i = 0; i < 8; ++i) h[i] = 0;
  h[8] = 1;
  std::vector<double> losses;
  for (int r = 128; r <= 4096; r += 128) {
    std::vector<double> p(h.begin(), h.begin() + r), q(r, 0);
    for (int i = r; i < 4096; ++i) p[r - 1] += h[i];
    double ps = 0, qs = 0, kl = 0;
    for (double v : p) ps += v;
    for (int g = 0; g < 128; ++g) {
      double sum = 0, count = 0;
      for (int i = g * r / 128; i < (g + 1) * r / 128; ++i) sum += h[i], count += h[i] > 0;
      for (int i = g * r / 128; i < (g + 1) * r / 128; ++i)
        if (h[i] > 0) q[i] = sum / count, qs += q[i];
    }
    for (int i = 0; i < r; ++i) kl += p[i] / ps * (std::log10(p[i] / ps + 1e-30) - std::log10(q[i] / qs + 1e-30));
    losses.push_back(kl);
  }
  return losses;
}

at::Tensor data(int kind) {
  at::manual_seed(20 + kind);
  at::Tensor x = at::randn({200000});
  if (kind % 3 == 1) x = at::relu(x);
  if (kind % 3 == 2) x = x.abs().pow(1.7) * x.sign();
  return x * std::exp2(kind - 3) + (kind == 4 ? 3 : 0);
}

TEST(PpqSearch, MseChoosesPpqsRange) {
  for (int kind = 0; kind < 6; ++kind) {
    const at::Tensor x = data(kind);
    const double asym = ppq_mse_scale(x, false), sym = ppq_mse_scale(x, true);
    EXPECT_NEAR(observe_all("ppq-mse", asymmetric(8), {x}).scale.item<double>() / asym, 1, 0.01) << kind;
    EXPECT_NEAR(observe_all("ppq-mse", symmetric(8), {x}).scale.item<double>() / sym, 1, 0.01) << kind;
  }
}

TEST(PpqSearch, KlChoosesPpqsRange) {
  for (int kind = 0; kind < 6; ++kind) {
    const at::Tensor x = data(kind);
    const std::vector<double> losses = ppq_kl_losses(x);
    const double range = observe_all("ppq-kl", symmetric(8), {x}).scale.item<double>() * 128;
    const double place = range / x.abs().max().item<double>() * 32 - 1;
    // Our bins are others, so neighbouring ranges may change places; where the divergence is flat that may be several.
    const int lower = std::clamp(static_cast<int>(std::floor(place)), 0, 31), upper = std::clamp(lower + 1, 0, 31);
    const double least = *std::min_element(losses.begin(), losses.end());
    EXPECT_LE(std::min(losses[lower], losses[upper]), 1.02 * least) << kind << " at " << place;
  }
  EXPECT_THROW(make_observer("ppq-kl", asymmetric(8), "t"), Error);
}

}  // namespace
}  // namespace ppq::test
