#include <algorithm>

#include "observers/extremes.h"
#include "observers/observers_test.h"

namespace ppq::test {
namespace {

std::vector<float> sorted(const at::Tensor& x) {
  const at::Tensor flat = x.contiguous().view(-1);
  std::vector<float> values(flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel());
  std::sort(values.begin(), values.end());
  return values;
}

TEST(Extremes, EqualsSorting) {
  at::manual_seed(1);
  for (int64_t n : {1, 2, 255, 256, 257, 5000, 70001})
    for (int64_t k : {1, 2, 7, 300}) {
      if (k > n) continue;
      for (int kind = 0; kind < 3; ++kind) {
        at::Tensor x = at::randn({n});
        if (kind == 1) x = at::relu(x);                          // many equal values
        if (kind == 2) x = std::get<0>(x.sort(0)).contiguous();  // rising: every block has better candidates
        const auto values = sorted(x);
        const auto found = observers::find_extremes(x.const_data_ptr<float>(), n, k, k);
        EXPECT_EQ(found.low, values[k - 1]) << n << " " << k << " " << kind;
        EXPECT_EQ(found.high, values[n - k]) << n << " " << k << " " << kind;
        EXPECT_EQ(found.nonfinite, 0);
      }
    }
}

TEST(Extremes, CountsNonFinite) {
  std::vector<float> values(1000, 1.0f);
  values[3] = NAN, values[700] = -NAN, values[701] = INFINITY, values[999] = -INFINITY;
  EXPECT_EQ(observers::find_extremes(values.data(), 1000, 1, 1).nonfinite, 4);
}

/// PPQ's rule: k-th smallest of each sample, averaged.
std::pair<double, double> oracle(const std::vector<at::Tensor>& samples) {
  double low = 0, high = 0;
  for (const at::Tensor& sample : samples) {
    const auto values = sorted(sample);
    const double n = static_cast<double>(values.size());
    low += values[static_cast<size_t>(std::max(0.0, std::floor(n * (1 - 0.9999))))];
    high += values[static_cast<size_t>(std::min(std::floor(n * 0.9999), n - 1))];
  }
  return {low / static_cast<double>(samples.size()), high / static_cast<double>(samples.size())};
}

TEST(Percentile, MeanOfKthValuesWhateverTheBatchSize) {
  at::manual_seed(2);
  std::vector<at::Tensor> samples;
  for (int i = 0; i < 6; ++i) samples.push_back(at::randn({1, 8, 60, 70}) + 0.1 * i);
  const auto [low, high] = oracle(samples);
  const double scale = (high - low) / 255;
  for (size_t batch : {1u, 2u, 3u, 6u}) {
    std::vector<at::Tensor> batches;
    for (size_t i = 0; i < samples.size(); i += batch)
      batches.push_back(at::cat(std::vector<at::Tensor>(samples.begin() + i, samples.begin() + i + batch)));
    const QuantParams params = observe_all("percentile", asymmetric(8), batches, static_cast<int64_t>(batch));
    EXPECT_NEAR(params.scale.item<double>(), scale, 1e-6 * scale) << batch;
    EXPECT_EQ(params.offset.item<double>(), std::nearbyint(-low / scale));
  }
}

TEST(Percentile, FewElementsMeanMinimumAndMaximum) {
  at::manual_seed(3);
  const at::Tensor x = at::randn({1, 5000});
  const QuantParams params = observe_all("percentile", asymmetric(8), {x});
  const QuantParams minmax = observe_all("minmax", asymmetric(8), {x});
  EXPECT_NEAR(params.scale.item<double>(), minmax.scale.item<double>(), 1e-9);
}

TEST(Percentile, PerChannel) {
  at::manual_seed(4);
  const at::Tensor w = (at::randn({3, 20000}) * at::tensor({1.0, 4.0, 0.5}).view({3, 1})).to(at::kFloat);
  const QuantParams params = observe_all("percentile", per_channel(symmetric(8), 0), {w});
  for (int c = 0; c < 3; ++c) {
    const auto [low, high] = oracle({w[c]});
    EXPECT_NEAR(params.scale[c].item<double>(), 2 * std::max(-low, high) / 255, 1e-6);
  }
}

TEST(PercentileGlobal, QuantileOfEverythingSeen) {
  at::manual_seed(5);
  std::vector<at::Tensor> batches;
  for (int i = 0; i < 5; ++i) batches.push_back(at::randn({200000}) * (1 + i));
  const auto values = sorted(at::cat(batches));
  const double low = values[100], high = values[values.size() - 101];
  const QuantParams params = observe_all("percentile-global", asymmetric(8), batches);
  // One of 4096 bins over the whole range at each end.
  EXPECT_NEAR(params.scale.item<double>(), (high - low) / 255, 2 * (values.back() - values.front()) / 2048 / 255);
}

}  // namespace
}  // namespace ppq::test
