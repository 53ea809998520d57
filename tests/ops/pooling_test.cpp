#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "support/onnxruntime_cases.h"
#include "support/op_run.h"
#include "support/python.h"

namespace ppq::test {
namespace {

TEST(Pooling, AgreesWithOnnxruntime) {
  PPQ_REQUIRE_PYTHON();
  expect_agreement_with_onnxruntime("pooling");
}

/// Mean over the part of each 3x3 window (padding 1) that lies inside the plane, or over all nine elements.
at::Tensor mean_by_loop(const at::Tensor& x, bool include_padding) {
  const int64_t height = x.size(2), width = x.size(3);
  at::Tensor y = at::zeros_like(x);
  for (int64_t i = 0; i < height; ++i)
    for (int64_t j = 0; j < width; ++j) {
      double sum = 0, count = 0;
      for (int64_t h = i - 1; h <= i + 1; ++h)
        for (int64_t v = j - 1; v <= j + 1; ++v)
          if (h >= 0 && h < height && v >= 0 && v < width) {
            sum += x[0][0][h][v].item<double>();
            ++count;
          }
      y[0][0][i][j] = sum / (include_padding ? 9 : count);
    }
  return y;
}

TEST(AveragePool, LeavesPaddingOutByDefault) {
  const at::Tensor x = iota({1, 1, 4, 5}).sin();
  OpRun pool("AveragePool", 11);
  pool.attr("kernel_shape", std::vector<int64_t>{3, 3}).attr("pads", std::vector<int64_t>{1, 1, 1, 1});
  EXPECT_TENSOR_NEAR(pool(x), mean_by_loop(x, false), 1e-6);
  EXPECT_TENSOR_NEAR(pool.attr("count_include_pad", int64_t{1})(x), mean_by_loop(x, true), 1e-6);
}

TEST(AveragePool, TheSizeThatCeilModeAddsNeverCounts) {
  OpRun pool("AveragePool", 10);
  pool.attr("kernel_shape", std::vector<int64_t>{2})
      .attr("strides", std::vector<int64_t>{2})
      .attr("ceil_mode", int64_t{1})
      .attr("count_include_pad", int64_t{1});
  EXPECT_TENSOR(pool(floats({2, 4, 6, 8, 11}).reshape({1, 1, 5})), floats({3, 7, 11}).reshape({1, 1, 3}));
}

TEST(AveragePool, Dilations) {
  const at::Tensor y =
      OpRun("AveragePool", 19).attr("kernel_shape", std::vector<int64_t>{2}).attr("dilations", std::vector<int64_t>{3})(iota({1, 1, 5}));
  EXPECT_TENSOR(y, floats({1.5, 2.5}).reshape({1, 1, 2}));
}

TEST(MaxPool, StridesAreOneByDefault) {
  const at::Tensor y = OpRun("MaxPool", 12).attr("kernel_shape", std::vector<int64_t>{2, 2})(iota({1, 1, 3, 3}));
  EXPECT_TENSOR(y, floats({4, 5, 7, 8}).reshape({1, 1, 2, 2}));
}

TEST(MaxPool, PaddingNeverWins) {
  const at::Tensor x = at::full({1, 1, 3}, -5.f);
  const at::Tensor y = OpRun("MaxPool", 8).attr("kernel_shape", std::vector<int64_t>{2}).attr("pads", std::vector<int64_t>{1, 0})(x);
  EXPECT_TENSOR(y, floats({-5, -5, -5}).reshape({1, 1, 3}));
  const at::Tensor volume = OpRun("MaxPool", 8)
                                .attr("kernel_shape", std::vector<int64_t>{2, 2, 2})
                                .attr("pads", std::vector<int64_t>{1, 0, 0, 0, 1, 1})(at::full({1, 1, 2, 2, 2}, -3.f));
  EXPECT_TENSOR(volume, at::full({1, 1, 2, 2, 2}, -3.f));
}

TEST(MaxPool, IndicesCountTheWholeTensorInEitherOrder) {
  const at::Tensor x = at::stack({iota({2, 3}), -iota({2, 3})}, 0).unsqueeze(0);  // maxima at the end and at the start
  OpRun pool("MaxPool", 12);
  pool.attr("kernel_shape", std::vector<int64_t>{2, 2});
  EXPECT_TENSOR(pool.run({x}, 2)[1], ints({4, 5, 6, 7}).reshape({1, 2, 1, 2}));
  // Column-major: element (row, column) of a plane of 2 rows is column * 2 + row.
  EXPECT_TENSOR(pool.attr("storage_order", int64_t{1}).run({x}, 2)[1], ints({3, 5, 6, 8}).reshape({1, 2, 1, 2}));
}

TEST(MaxPool, IntegersStayIntegers) {
  const at::Tensor x = at::tensor({-128, -7, -9, 3}, at::kChar).reshape({1, 1, 4});
  const at::Tensor y = OpRun("MaxPool", 12).attr("kernel_shape", std::vector<int64_t>{3}).attr("pads", std::vector<int64_t>{2, 0})(x);
  EXPECT_TENSOR(y, at::tensor({-128, -7, -7, 3}, at::kChar).reshape({1, 1, 4}));
}

TEST(MaxUnpool, OutputShapeAddsZerosAtTheEnds) {
  OpRun unpool("MaxUnpool", 11);
  unpool.attr("kernel_shape", std::vector<int64_t>{2}).attr("strides", std::vector<int64_t>{2});
  const at::Tensor x = floats({5, 6}).reshape({1, 1, 2}), at = ints({1, 2}).reshape({1, 1, 2});
  EXPECT_TENSOR(unpool({x, at}), floats({0, 5, 6, 0}).reshape({1, 1, 4}));
  EXPECT_TENSOR(unpool({x, at, ints({1, 1, 6})}), floats({0, 5, 6, 0, 0, 0}).reshape({1, 1, 6}));
}

}  // namespace
}  // namespace ppq::test
