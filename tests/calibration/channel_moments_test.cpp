#include "calibration/channel_moments.h"

#include "passes/quantizing.h"

namespace ppq::test {
namespace {

TEST(ChannelMoments, AgainstPlainLoops) {
  Quantizing q("(float[N,3,4,5] x) => (float[N,60] y)", "z = Neg(x) y = Flatten(z)");
  at::manual_seed(3);
  std::vector<at::Tensor> samples;
  for (int i = 0; i < 5; ++i) samples.push_back(at::randn({1, 3, 4, 5}) + 2);
  q.calibrate_with(samples);
  for (size_t batch : {1u, 2u}) {
    q.context.batch_size = batch;
    const auto all = channel_moments(*q.graph, {q.graph->find_value("z"), q.graph->find_value("y")}, q.context.calibration, q.context);
    ASSERT_EQ(all.size(), 2u);
    for (int c = 0; c < 3; ++c) {
      double most = 0, sum = 0, squares = 0;
      for (const at::Tensor& sample : samples)
        for (int i = 0; i < 20; ++i) {
          const double z = -sample[0][c].flatten()[i].item<double>();
          most = std::max(most, std::abs(z)), sum += z, squares += z * z;
        }
      EXPECT_NEAR(all.at("z").magnitude[c].item<double>(), most, 1e-6);
      EXPECT_NEAR(all.at("z").mean[c].item<double>(), sum / 100, 1e-5);
      EXPECT_NEAR(all.at("z").square[c].item<double>(), squares / 100, 1e-5);
    }
    // A column of a matrix is a channel.
    double sum = 0;
    for (const at::Tensor& sample : samples) sum -= sample.flatten()[37].item<double>();
    EXPECT_EQ(all.at("y").mean.numel(), 60);
    EXPECT_NEAR(all.at("y").mean[37].item<double>(), sum / 5, 1e-5);
  }
}

TEST(ChannelReach, AgainstPlainLoops) {
  Quantizing q("(float[N,3,4,5] x) => (float[N,3,4,5] y)", "z = Neg(x) y = Relu(z)");
  at::manual_seed(3);
  std::vector<at::Tensor> samples;
  for (int i = 0; i < 5; ++i) samples.push_back(at::randn({1, 3, 4, 5}) * 3);
  q.calibrate_with(samples);
  constexpr double kBound = 2;
  for (size_t batch : {1u, 2u}) {
    q.context.batch_size = batch;
    const auto all = channel_reach(*q.graph, {{q.graph->find_value("z"), kBound}}, q.context.calibration, q.context);
    ASSERT_EQ(all.size(), 1u);
    const auto& s = all.at("z");
    for (int c = 0; c < 3; ++c) {
      double low = 1e30, high = -1e30, positive = 0, above = 0;
      for (const at::Tensor& sample : samples)
        for (int i = 0; i < 4; ++i)
          for (int j = 0; j < 5; ++j) {
            const double z = -sample[0][c][i][j].item<double>();
            low = std::min(low, z), high = std::max(high, z);
            if (z > 0) positive += z * z;
            if (z > kBound) above += (z - kBound) * (z - kBound);
          }
      EXPECT_NEAR(s.low[c].item<double>(), low, 1e-6);
      EXPECT_NEAR(s.high[c].item<double>(), high, 1e-6);
      EXPECT_NEAR(s.clipped[c].item<double>(), above / positive, 1e-5);
    }
  }
}

}  // namespace
}  // namespace ppq::test
