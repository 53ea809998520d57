#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/op_run.h"
#include "support/thrown.h"

/// GridSample itself is compared with onnxruntime (resize_test.cpp); here mmcv's operator, by a plain loop.
namespace ppq::test {
namespace {

using testing::HasSubstr;

double value_at(const at::Tensor& plane, int64_t row, int64_t column) {
  const bool inside = row >= 0 && row < plane.size(0) && column >= 0 && column < plane.size(1);
  return inside ? plane[row][column].item<double>() : 0;  // zeros around
}

/// x [1, 1, H, W], grid [1, h, w, 2] of (x, y) in -1..1.
at::Tensor sampled(const at::Tensor& x, const at::Tensor& grid, bool nearest, bool align) {
  const at::Tensor plane = x[0][0];
  auto place = [&](double g, int64_t size) {
    return align ? (g + 1) / 2 * static_cast<double>(size - 1) : ((g + 1) * static_cast<double>(size) - 1) / 2;
  };
  at::Tensor out = at::empty({1, 1, grid.size(1), grid.size(2)});
  for (int64_t i = 0; i < grid.size(1); ++i)
    for (int64_t j = 0; j < grid.size(2); ++j) {
      const double column = place(grid[0][i][j][0].item<double>(), plane.size(1)),
                   row = place(grid[0][i][j][1].item<double>(), plane.size(0));
      double sum = 0;
      if (nearest) {
        sum = value_at(plane, static_cast<int64_t>(std::nearbyint(row)), static_cast<int64_t>(std::nearbyint(column)));
      } else {
        const double r = std::floor(row), c = std::floor(column);
        for (int a : {0, 1})
          for (int b : {0, 1})
            sum += value_at(plane, static_cast<int64_t>(r) + a, static_cast<int64_t>(c) + b) * (a ? row - r : 1 - row + r) *
                   (b ? column - c : 1 - column + c);
      }
      out[0][0][i][j] = sum;
    }
  return out;
}

TEST(MmcvGridSampler, BothDomainsAllModes) {
  const at::Tensor x = at::sin(at::arange(20, at::kFloat)).reshape({1, 1, 4, 5});
  const at::Tensor grid = floats({-0.9f, -0.8f, 0.13f, 0.77f, 0, 0, 1.4f, 0.2f, -1.05f, 0.5f, 0.61f, -0.37f}).reshape({1, 2, 3, 2});
  for (const char* domain : {"mmcv", "mmdeploy"})
    for (int64_t mode : {0, 1})
      for (int64_t align : {0, 1})
        EXPECT_TENSOR_NEAR(OpRun("grid_sampler", 1, domain).attr("interpolation_mode", mode).attr("align_corners", align)({x, grid}),
                           sampled(x, grid, mode == 1, align == 1), 1e-5)
            << domain << " " << mode << " " << align;
  EXPECT_TENSOR_NEAR(OpRun("grid_sampler", 1, "mmcv")({x, grid}), sampled(x, grid, false, false), 1e-5)
      << "bilinear, zeros around, corners not aligned";
}

TEST(MmcvGridSampler, BordersRepeatWithPaddingOne) {
  const at::Tensor x = at::arange(1, 5, at::kFloat).reshape({1, 1, 2, 2}), grid = floats({-5, -5, 5, 5}).reshape({1, 1, 2, 2});
  EXPECT_TENSOR(OpRun("grid_sampler", 1, "mmcv").attr("padding_mode", int64_t{1})({x, grid}), floats({1, 4}).reshape({1, 1, 1, 2}));
}

TEST(MmcvGridSampler, UnknownNumbersAreModelErrors) {
  const at::Tensor x = at::ones({1, 1, 2, 2}), grid = at::zeros({1, 1, 1, 2});
  for (const char* name : {"interpolation_mode", "padding_mode"})
    for (int64_t bad : {-1, 3}) {
      const Error error = thrown([&] { OpRun("grid_sampler", 1, "mmcv").attr(name, bad)({x, grid}); });
      EXPECT_EQ(error.kind(), ErrorKind::Model);
      EXPECT_THAT(error.what(), HasSubstr(name));
    }
}

TEST(GridSample, ModesThatCannotBeAreErrors) {
  const at::Tensor x = at::ones({1, 1, 2, 2}), grid = at::zeros({1, 1, 1, 2});
  EXPECT_EQ(thrown([&] { OpRun("GridSample", 16).attr("mode", std::string("quadratic"))({x, grid}); }).kind(), ErrorKind::Model);
  EXPECT_EQ(thrown([&] { OpRun("GridSample", 16).attr("padding_mode", std::string("wrap"))({x, grid}); }).kind(), ErrorKind::Model);
  const Error volume = thrown([&] {
    OpRun("GridSample", 20).attr("mode", std::string("cubic"))({at::ones({1, 1, 2, 2, 2}), at::zeros({1, 1, 1, 1, 3})});
  });
  EXPECT_EQ(volume.kind(), ErrorKind::Unsupported);
}

}  // namespace
}  // namespace ppq::test
