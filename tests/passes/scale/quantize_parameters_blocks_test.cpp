#include "passes/quantizing.h"

namespace ppq::test {
namespace {

/// Gemm with weights [6, 70] whose size differs from block to block, 4 bits, a scale for every 32 along the inputs (the last
/// block has 6).
struct Blocks : Quantizing {
  at::Tensor weight;
  Blocks(const std::string& observer, const std::string& search)
      : Quantizing("(float[N,70] x, float[6,70] w) => (float[N,6] y)", "[gemm] y = Gemm<transB = 1>(x, w)", {"w"}) {
    at::manual_seed(3);
    weight = at::randn({6, 70}).pow(3) * at::arange(1, 71, at::kFloat);
    node("gemm").input(1)->set_constant(weight);
    setting.extra.weight_search = search;
    calibrate_with({at::randn({1, 70})});
    passes({"constants-to-values", "configure-quantization", "fuse-quantization"});
    QuantScheme& scheme = in("gemm", 1)->scheme;
    scheme.bits = 4, scheme.quant_min = -8, scheme.quant_max = 7, scheme.symmetric = true;
    scheme.granularity = Granularity::PerBlock, scheme.axis = 1, scheme.block_size = 32;
    scheme.observer = observer;
    pass("quantize-parameters");
  }
  /// Of one block, by a loop over its elements.
  double error(int64_t row, int64_t block, double scale) const {
    double sum = 0;
    for (int64_t i = 32 * block; i < std::min<int64_t>(32 * block + 32, 70); ++i) {
      const double w = weight[row][i].item<double>();
      sum += std::pow(w - round_to(w, scale, 0, -8, 7), 2);
    }
    return sum;
  }
  double largest(int64_t row, int64_t block) const { return weight[row].slice(0, 32 * block, 32 * block + 32).abs().max().item<double>(); }
};

TEST(QuantizeParametersBlocks, TheObserverThatTheSchemeNamesServesEveryBlock) {
  for (const auto& [observer, search] :
       std::vector<std::pair<std::string, std::string>>{{"mse", "minmax"}, {"minmax", "mse"}, {"mse", "auto"}}) {
    const Blocks q(observer, search);
    const auto quant = q.in("gemm", 1);
    ASSERT_EQ(quant->state, QuantState::Active);
    ASSERT_EQ(quant->params.scale.sizes(), at::IntArrayRef({6, 3}));
    double chosen = 0, least = 0, plain = 0;
    for (int64_t row = 0; row < 6; ++row)
      for (int64_t block = 0; block < 3; ++block) {
        const double reach = q.largest(row, block);
        double best = 1e300;
        for (int i = 1; i <= 400; ++i) best = std::min(best, q.error(row, block, 2 * reach / 15 * i / 360));
        chosen += q.error(row, block, quant->params.scale[row][block].item<double>());
        least += best;
        plain += q.error(row, block, 2 * reach / 15);
      }
    EXPECT_LE(chosen, 1.1 * least) << observer << search;
    EXPECT_LT(1.15 * least, plain) << "the data must show the difference";
  }
}

TEST(QuantizeParametersBlocks, ExtremesOfEveryBlock) {
  const Blocks q("minmax", "minmax");
  for (int64_t row = 0; row < 6; ++row)
    for (int64_t block = 0; block < 3; ++block)
      EXPECT_FLOAT_EQ(q.in("gemm", 1)->params.scale[row][block].item<float>(), static_cast<float>(2 * q.largest(row, block) / 15));
}

/// The simulated network multiplies by the weight that a loop rounds block by block.
TEST(QuantizeParametersBlocks, SimulationRoundsByBlocks) {
  Blocks q("mse", "minmax");
  q.in("gemm", 0)->state = q.out("gemm")->state = QuantState::Passive;  // without numbers: stays in float
  const at::Tensor x = at::randn({2, 70}), y = q.simulate({x})[0];
  for (int64_t n = 0; n < 2; ++n)
    for (int64_t row = 0; row < 6; ++row) {
      double sum = 0;
      for (int64_t i = 0; i < 70; ++i)
        sum += x[n][i].item<double>() *
               round_to(q.weight[row][i].item<double>(), q.in("gemm", 1)->params.scale[row][i / 32].item<double>(), 0, -8, 7);
      EXPECT_NEAR(y[n][row].item<double>(), sum, 1e-4 * (1 + std::abs(sum)));
    }
}

}  // namespace
}  // namespace ppq::test
