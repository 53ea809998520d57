#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/op_run.h"

namespace ppq::test {
namespace {

TEST(Random, MomentsAndTypeAreAsAsked) {
  const at::Tensor normal =
      OpRun("RandomNormal", 1).attr("shape", std::vector<int64_t>{200, 200}).attr("mean", 3.f).attr("scale", 2.f)(Tensors{});
  EXPECT_EQ(normal.scalar_type(), at::kFloat);
  EXPECT_NEAR(normal.mean().item<double>(), 3, 0.05);
  EXPECT_NEAR(normal.std().item<double>(), 2, 0.05);
  const at::Tensor uniform =
      OpRun("RandomUniformLike", 1).attr("low", -1.f).attr("high", 3.f).attr("dtype", int64_t{11})(at::zeros({200, 200}));
  EXPECT_EQ(uniform.scalar_type(), at::kDouble);
  EXPECT_NEAR(uniform.mean().item<double>(), 1, 0.05);
  EXPECT_GE(uniform.min().item<double>(), -1);
  EXPECT_LT(uniform.max().item<double>(), 3);
  EXPECT_EQ(OpRun("RandomNormalLike", 1)(at::zeros({2}, at::kHalf)).scalar_type(), at::kHalf);
}

TEST(Random, TheSeedDecides) {
  const auto draw = [](float seed) {
    return OpRun("RandomUniform", 1).attr("shape", std::vector<int64_t>{50}).attr("seed", seed)(Tensors{});
  };
  EXPECT_TENSOR(draw(7), draw(7));
  EXPECT_NE(difference(draw(7), draw(8)), "");
}

TEST(Random, BernoulliFollowsItsProbabilities) {
  const at::Tensor p = at::tensor({0.0f, 1.0f, 0.3f}).unsqueeze(1).expand({3, 20000}).contiguous();
  const at::Tensor y = OpRun("Bernoulli", 15)(p);
  EXPECT_EQ(y.scalar_type(), at::kFloat);
  EXPECT_TENSOR(y[0], at::zeros({20000}));
  EXPECT_TENSOR(y[1], at::ones({20000}));
  EXPECT_NEAR(y[2].mean().item<double>(), 0.3, 0.02);
  EXPECT_EQ(OpRun("Bernoulli", 15).attr("dtype", int64_t{9})(p).scalar_type(), at::kBool);
}

TEST(Random, MultinomialTakesLogProbabilities) {
  const at::Tensor logits = at::tensor({0.1f, 0.6f, 0.3f}).log().add(5).unsqueeze(0);
  const at::Tensor y = OpRun("Multinomial", 7).attr("sample_size", int64_t{30000})(logits);
  EXPECT_EQ(y.scalar_type(), at::kInt);
  EXPECT_EQ(y.sizes().vec(), (std::vector<int64_t>{1, 30000}));
  EXPECT_NEAR(y.eq(1).to(at::kFloat).mean().item<double>(), 0.6, 0.02);
  EXPECT_NEAR(y.eq(2).to(at::kFloat).mean().item<double>(), 0.3, 0.02);
}

}  // namespace
}  // namespace ppq::test
