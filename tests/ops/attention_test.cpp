#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/onnxruntime_cases.h"
#include "support/op_run.h"
#include "support/python.h"

namespace ppq::test {
namespace {

at::Tensor random(at::IntArrayRef sizes, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::randn(sizes, generator, at::TensorOptions(at::kFloat));
}

/// Weighted mean of the values a query may see; q [B, H, S, D], k and v with H / groups heads.
at::Tensor attention_by_loop(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal, double softcap) {
  const int64_t shared = q.size(1) / k.size(1);
  at::Tensor y = at::zeros({q.size(0), q.size(1), q.size(2), v.size(3)});
  const auto qa = q.accessor<float, 4>(), ka = k.accessor<float, 4>(), va = v.accessor<float, 4>();
  auto ya = y.accessor<float, 4>();
  for (int64_t b = 0; b < q.size(0); ++b)
    for (int64_t h = 0; h < q.size(1); ++h)
      for (int64_t s = 0; s < q.size(2); ++s) {
        std::vector<double> weight(k.size(2), 0);
        double total = 0;
        for (int64_t t = 0; t < k.size(2); ++t) {
          if (causal && t > s) continue;
          double score = 0;
          for (int64_t d = 0; d < q.size(3); ++d) score += double{qa[b][h][s][d]} * ka[b][h / shared][t][d];
          score /= std::sqrt(static_cast<double>(q.size(3)));
          if (softcap > 0) score = softcap * std::tanh(score / softcap);
          weight[t] = std::exp(score);
          total += weight[t];
        }
        for (int64_t t = 0; t < k.size(2); ++t)
          for (int64_t d = 0; d < v.size(3); ++d) ya[b][h][s][d] += static_cast<float>(weight[t] / total * va[b][h / shared][t][d]);
      }
  return y;
}

TEST(Attention, AgreesWithOnnxruntime) {
  PPQ_REQUIRE_PYTHON();
  expect_agreement_with_onnxruntime("attention");
}

TEST(Attention, GroupedHeadsCausalAndCapped) {
  const at::Tensor q = random({2, 4, 3, 8}, 1), k = random({2, 2, 5, 8}, 2), v = random({2, 2, 5, 6}, 3);
  EXPECT_TENSOR_NEAR(OpRun("Attention", 23)({q, k, v}), attention_by_loop(q, k, v, false, 0), 1e-5);
  EXPECT_TENSOR_NEAR(OpRun("Attention", 23).attr("is_causal", int64_t{1})({q, k, v}), attention_by_loop(q, k, v, true, 0), 1e-5);
  EXPECT_TENSOR_NEAR(OpRun("Attention", 23).attr("softcap", 0.5f)({q, k, v}), attention_by_loop(q, k, v, false, 0.5), 1e-5);
}

TEST(Attention, FlatInputsAndMasks) {
  const at::Tensor q = random({1, 3, 8}, 4), k = random({1, 5, 8}, 5), v = random({1, 5, 8}, 6), none;
  auto heads = [](const at::Tensor& x) { return x.reshape({1, x.size(1), 2, 4}).transpose(1, 2).contiguous(); };
  const at::Tensor mask = at::tensor({1, 1, 1, 0, 0}, at::kByte).to(at::kBool).expand({3, 5}).contiguous();
  OpRun run("Attention", 23);
  run.attr("q_num_heads", int64_t{2}).attr("kv_num_heads", int64_t{2});
  const at::Tensor expected =
      attention_by_loop(heads(q), heads(k).narrow(2, 0, 3), heads(v).narrow(2, 0, 3), false, 0).transpose(1, 2).reshape({1, 3, 8});
  EXPECT_TENSOR_NEAR(run({q, k, v, mask}), expected, 1e-5);
}

TEST(RotaryEmbedding, TurnsPairsByTheAngleOfTheirPosition) {
  const at::Tensor angles = floats({0, 0, 0.3f, 1.2f, 0.6f, 2.4f}).reshape({3, 2}), x = random({1, 1, 2, 4}, 7);
  const at::Tensor y = OpRun("RotaryEmbedding", 23)({x, angles.cos(), angles.sin(), ints({2, 0}).reshape({1, 2})});
  EXPECT_TENSOR_NEAR(y.select(2, 1).contiguous(), x.select(2, 1).contiguous(), 1e-6);  // position 0: no turn
  for (int64_t pair = 0; pair < 2; ++pair) {
    const double a = x[0][0][0][pair].item<double>(), b = x[0][0][0][pair + 2].item<double>(), angle = angles[2][pair].item<double>();
    EXPECT_NEAR(y[0][0][0][pair].item<double>(), a * std::cos(angle) - b * std::sin(angle), 1e-6);
    EXPECT_NEAR(y[0][0][0][pair + 2].item<double>(), a * std::sin(angle) + b * std::cos(angle), 1e-6);
  }
}

}  // namespace
}  // namespace ppq::test
