#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/onnxruntime_cases.h"
#include "support/op_run.h"
#include "support/python.h"

namespace ppq::test {
namespace {

TEST(Normalization, AgreesWithOnnxruntime) {
  PPQ_REQUIRE_PYTHON();
  expect_agreement_with_onnxruntime("normalization");
}

TEST(BatchNormalization, RankThree) {
  const at::Tensor x = iota({1, 2, 3});
  const at::Tensor y =
      OpRun("BatchNormalization", 9).attr("epsilon", 0.f)({x, floats({2, 3}), floats({1, -1}), floats({1, 4}), floats({4, 1})});
  EXPECT_TENSOR_NEAR(y, floats({0, 1, 2, -4, -1, 2}).reshape({1, 2, 3}), 1e-6);
}

TEST(BatchNormalization, TrainingUsesAndUpdatesStatistics) {
  const at::Tensor x = floats({1, 3, 5, 7}).reshape({4, 1});  // mean 4, population variance 5
  const Tensors y = OpRun("BatchNormalization", 14)
                        .attr("training_mode", int64_t{1})
                        .attr("momentum", 0.75f)
                        .attr("epsilon", 0.f)
                        .run({x, floats({1}), floats({0}), floats({8}), floats({1})}, 3);
  EXPECT_TENSOR_NEAR(y[0], ((x - 4) / std::sqrt(5.0)), 1e-6);
  EXPECT_TENSOR_NEAR(y[1], floats({7}), 1e-6);
  EXPECT_TENSOR_NEAR(y[2], floats({2}), 1e-6);
}

TEST(BatchNormalization, WithoutSpatialEveryElementHasStatistics) {
  const at::Tensor x = iota({2, 2, 2}), mean = floats({0, 1, 2, 3}).reshape({2, 2}), ones = at::ones({2, 2});
  const at::Tensor y =
      OpRun("BatchNormalization", 7).attr("spatial", int64_t{0}).attr("epsilon", 0.f)({x, ones, at::zeros({2, 2}), mean, ones});
  EXPECT_TENSOR_NEAR(y, floats({0, 0, 0, 0, 4, 4, 4, 4}).reshape({2, 2, 2}), 1e-6);
}

TEST(InstanceNormalization, ReadsEpsilon) {
  const at::Tensor x = floats({-1, 1}).reshape({1, 1, 2});  // variance 1
  const at::Tensor y = OpRun("InstanceNormalization", 7).attr("epsilon", 3.f)({x, floats({2}), floats({1})});
  EXPECT_TENSOR_NEAR(y, floats({0, 2}).reshape({1, 1, 2}), 1e-6);
}

TEST(LayerNormalization, FromAnInnerAxisWithStatistics) {
  const at::Tensor x = floats({1, 3, 5, 7, 2, 2, 2, 2}).reshape({2, 2, 2});
  const Tensors y = OpRun("LayerNormalization", 17)
                        .attr("axis", int64_t{1})
                        .attr("epsilon", 4.f)
                        .run({x, at::full({2, 2}, 3.f), at::full({2, 2}, 1.f)}, 3);
  EXPECT_TENSOR_NEAR(y[0], floats({-2, 0, 2, 4, 1, 1, 1, 1}).reshape({2, 2, 2}), 1e-5);
  EXPECT_TENSOR_NEAR(y[1], floats({4, 2}).reshape({2, 1, 1}), 1e-6);
  EXPECT_TENSOR_NEAR(y[2], floats({1.f / 3, 0.5f}).reshape({2, 1, 1}), 1e-6);
}

TEST(LayerNormalization, ScaleBroadcasts) {
  const at::Tensor x = floats({1, 3, 5, 7}).reshape({1, 2, 2});
  const at::Tensor y = OpRun("LayerNormalization", 17).attr("axis", int64_t{1}).attr("epsilon", 4.f)({x, floats({3, 6})});
  EXPECT_TENSOR_NEAR(y, floats({-3, -2, 1, 6}).reshape({1, 2, 2}), 1e-5);
}

TEST(GroupNormalization, ParametersAreForGroupsBefore21AndForChannelsAfter) {
  const at::Tensor x = floats({-1, 1, -2, 2}).reshape({1, 4, 1});  // groups (-1, 1) and (-2, 2)
  OpRun before("GroupNormalization", 18), after("GroupNormalization", 21);
  before.attr("num_groups", int64_t{2}).attr("epsilon", 0.f);
  after.attr("num_groups", int64_t{2}).attr("epsilon", 0.f);
  EXPECT_TENSOR_NEAR(before({x, floats({2, 3}), floats({0, 1})}), floats({-2, 2, -2, 4}).reshape({1, 4, 1}), 1e-5);
  EXPECT_TENSOR_NEAR(after({x, floats({2, 3, 4, 5}), floats({0, 1, 0, 1})}), floats({-2, 4, -4, 6}).reshape({1, 4, 1}), 1e-5);
}

TEST(LpNormalization, ZeroStaysZero) {
  EXPECT_TENSOR_NEAR(OpRun("LpNormalization", 7)(floats({0, 0, 3, 4}).reshape({2, 2})), floats({0, 0, 0.6f, 0.8f}).reshape({2, 2}), 1e-6);
}

TEST(LRN, AnEvenSizeReachesFurtherForward) {
  const at::Tensor x = floats({1, 2, 3, 4}).reshape({1, 4, 1, 1});
  const at::Tensor y = OpRun("LRN", 13).attr("size", int64_t{2}).attr("alpha", 2.f).attr("beta", 1.f).attr("bias", 0.f)(x);
  EXPECT_TENSOR_NEAR(y, floats({1.f / 5, 2.f / 13, 3.f / 25, 4.f / 16}).reshape({1, 4, 1, 1}), 1e-6);
}

TEST(RMSNormalization, DividesByTheRootMeanSquare) {
  const at::Tensor y = OpRun("RMSNormalization", 23).attr("epsilon", 0.f)({floats({1, 7, 3, 4}).reshape({2, 2}), floats({1, 2})});
  EXPECT_TENSOR_NEAR(y, floats({1.f / 5, 14.f / 5, 3 / std::sqrt(12.5f), 8 / std::sqrt(12.5f)}).reshape({2, 2}), 1e-6);
}

}  // namespace
}  // namespace ppq::test
