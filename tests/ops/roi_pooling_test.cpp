#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/op_run.h"
#include "support/thrown.h"

/// RoiAlign and MaxRoiPool are compared with onnxruntime (detection_test.cpp); here mmcv's operator, by a plain loop over
/// the description in the Mask R-CNN paper (arXiv 1703.06870): each bin is the mean of linearly interpolated samples.
namespace ppq::test {
namespace {

double linear(const at::Tensor& plane, double y, double x) {
  const double height = static_cast<double>(plane.size(0)), width = static_cast<double>(plane.size(1));
  if (y < -1 || y > height || x < -1 || x > width) return 0;
  y = std::clamp(y, 0.0, height - 1), x = std::clamp(x, 0.0, width - 1);
  const int64_t top = static_cast<int64_t>(y), left = static_cast<int64_t>(x);
  const int64_t bottom = std::min(top + 1, plane.size(0) - 1), right = std::min(left + 1, plane.size(1) - 1);
  const double v = y - static_cast<double>(top), u = x - static_cast<double>(left);
  auto p = [&](int64_t row, int64_t column) { return plane[row][column].item<double>(); };
  return p(top, left) * (1 - v) * (1 - u) + p(top, right) * (1 - v) * u + p(bottom, left) * v * (1 - u) + p(bottom, right) * v * u;
}

at::Tensor aligned(const at::Tensor& x, const at::Tensor& rois, int64_t size, int64_t ratio, double scale, bool half_pixel) {
  at::Tensor out = at::empty({rois.size(0), x.size(1), size, size});
  for (int64_t r = 0; r < rois.size(0); ++r) {
    auto roi = [&](int64_t k) { return rois[r][k].item<double>(); };
    const double shift = half_pixel ? 0.5 : 0, left = roi(1) * scale - shift, top = roi(2) * scale - shift;
    double width = (roi(3) - roi(1)) * scale, height = (roi(4) - roi(2)) * scale;
    if (!half_pixel) width = std::max(width, 1.0), height = std::max(height, 1.0);
    const double bin_w = width / static_cast<double>(size), bin_h = height / static_cast<double>(size);
    const int64_t rows = ratio > 0 ? ratio : static_cast<int64_t>(std::ceil(bin_h)),
                  columns = ratio > 0 ? ratio : static_cast<int64_t>(std::ceil(bin_w));
    for (int64_t c = 0; c < x.size(1); ++c)
      for (int64_t i = 0; i < size; ++i)
        for (int64_t j = 0; j < size; ++j) {
          double sum = 0;
          for (int64_t a = 0; a < rows; ++a)
            for (int64_t b = 0; b < columns; ++b)
              sum += linear(x[static_cast<int64_t>(roi(0))][c],
                            top + bin_h * (static_cast<double>(i) + (static_cast<double>(a) + 0.5) / static_cast<double>(rows)),
                            left + bin_w * (static_cast<double>(j) + (static_cast<double>(b) + 0.5) / static_cast<double>(columns)));
          out[r][c][i][j] = sum / static_cast<double>(rows * columns);
        }
  }
  return out;
}

TEST(MmcvRoiAlign, BothDomainsAndConventions) {
  const at::Tensor x = at::sin(at::arange(2 * 2 * 6 * 7, at::kFloat) * 0.7).reshape({2, 2, 6, 7});
  const at::Tensor rois = floats({1, 2, 1, 9, 10, 0, 0, 0, 3, 2.5f, 1, -3, 4, 20, 11, 0, 5, 5, 5.4f, 5.2f}).reshape({4, 5});
  for (const char* domain : {"mmcv", "mmdeploy"})
    for (int64_t aligned_flag : {0, 1})
      for (int64_t ratio : {0, 2}) {
        const at::Tensor y = OpRun("MMCVRoiAlign", 1, domain)
                                 .attr("output_height", int64_t{2})
                                 .attr("output_width", int64_t{2})
                                 .attr("spatial_scale", 0.5f)
                                 .attr("sampling_ratio", ratio)
                                 .attr("aligned", aligned_flag)({x, rois});
        EXPECT_TENSOR_NEAR(y, aligned(x, rois, 2, ratio, 0.5, aligned_flag == 1), 1e-5) << domain << " " << aligned_flag << " " << ratio;
      }
  const at::Tensor one = OpRun("MMCVRoiAlign", 1, "mmcv")({x, rois});
  EXPECT_TENSOR_NEAR(one, aligned(x, rois, 1, 0, 1, true), 1e-5) << "aligned is the default";
}

TEST(MmcvRoiAlign, NoRegionsAndWhatIsNotSupported) {
  EXPECT_EQ(OpRun("MMCVRoiAlign", 1, "mmcv").attr("output_height", int64_t{3})({at::ones({1, 2, 4, 4}), at::zeros({0, 5})}).sizes(),
            at::IntArrayRef({0, 2, 3, 1}));
  const at::Tensor x = at::ones({1, 1, 4, 4}), roi = floats({0, 0, 0, 2, 2}).reshape({1, 5});
  EXPECT_EQ(thrown([&] { OpRun("MMCVRoiAlign", 1, "mmcv").attr("mode", std::string("max"))({x, roi}); }).kind(), ErrorKind::Unsupported);
  EXPECT_EQ(thrown([&] { OpRun("MMCVRoiAlign", 1, "mmcv").attr("mode", std::string("sum"))({x, roi}); }).kind(), ErrorKind::Model);
  EXPECT_EQ(thrown([&] { OpRun("MaxRoiPool", 1).attr("pooled_shape", std::vector<int64_t>{2})({x, roi}); }).kind(), ErrorKind::Model);
}

}  // namespace
}  // namespace ppq::test
