#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ppq/error.h"
#include "support/onnxruntime_cases.h"
#include "support/op_run.h"
#include "support/python.h"

namespace ppq::test {
namespace {

TEST(Detection, AgreesWithOnnxruntime) {
  PPQ_REQUIRE_PYTHON();
  expect_agreement_with_onnxruntime("detection");
}

TEST(NonMaxSuppression, KeepsTheBestOfOverlappingBoxes) {
  // Boxes 0 and 1 overlap by 2/3 of their union, 2 stands alone; corners of box 2 are given in reverse.
  const at::Tensor boxes = floats({0, 0, 1, 10, 0, 2, 1, 12, 1, 40, 0, 30}).reshape({1, 3, 4}),
                   scores = floats({0.5f, 0.9f, 0.7f}).reshape({1, 1, 3});
  OpRun nms("NonMaxSuppression", 11);
  EXPECT_TENSOR(nms({boxes, scores, ints({9}), floats({0.6f})}), ints({0, 0, 1, 0, 0, 2}).reshape({2, 3}));
  EXPECT_TENSOR(nms({boxes, scores, ints({9}), floats({0.7f})}), ints({0, 0, 1, 0, 0, 2, 0, 0, 0}).reshape({3, 3}));
  EXPECT_TENSOR(nms({boxes, scores, ints({9}), floats({0.6f}), floats({0.8f})}), ints({0, 0, 1}).reshape({1, 3}));
  EXPECT_TENSOR(nms({boxes, scores}), at::zeros({0, 3}, at::kLong));  // no box a class by default
}

TEST(RoiAlign, EveryRegionReadsItsOwnImage) {
  const at::Tensor x = at::cat({at::full({1, 2, 4, 4}, 3.f), at::full({1, 2, 4, 4}, 8.f)}),
                   rois = floats({0, 0, 2, 2, 1, 1, 3, 3, 0, 1, 2, 3}).reshape({3, 4});
  const at::Tensor y = OpRun("RoiAlign", 16).attr("output_height", int64_t{2}).attr("output_width", int64_t{2})({x, rois, ints({1, 0, 1})});
  EXPECT_TENSOR_NEAR(y, floats({8, 3, 8}).reshape({3, 1, 1, 1}).expand({3, 2, 2, 2}), 1e-6);
}

TEST(RoiAlign, AveragesLinearSamples) {
  // On a ramp every average is the value at the bin's centre.
  const at::Tensor x = iota({1, 1, 1, 8}).expand({1, 1, 8, 8}).contiguous();
  const at::Tensor y =
      OpRun("RoiAlign", 16)
          .attr("output_width", int64_t{2})
          .attr("coordinate_transformation_mode", std::string("output_half_pixel"))({x, floats({1, 1, 5, 5}).reshape({1, 4}), ints({0})});
  EXPECT_TENSOR_NEAR(y, floats({2, 4}).reshape({1, 1, 1, 2}), 1e-6);
}

TEST(RoiAlign, NoRegions) {
  const at::Tensor y = OpRun("RoiAlign", 16)({at::ones({1, 2, 4, 4}), at::zeros({0, 4}), ints({})});
  EXPECT_EQ(y.sizes(), (at::IntArrayRef{0, 2, 1, 1}));
}

TEST(RoiAlign, ABatchIndexOutsideIsNamed) {
  try {
    OpRun("RoiAlign", 16)({at::ones({1, 2, 4, 4}), floats({0, 0, 1, 1}).reshape({1, 4}), ints({1})});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("batch_indices: got 1"), std::string::npos) << error.what();
  }
}

TEST(MaxRoiPool, BinsOutsideTheImageAreZero) {
  const at::Tensor x = at::full({1, 1, 2, 2}, -1.f);
  const at::Tensor y =
      OpRun("MaxRoiPool", 7).attr("pooled_shape", std::vector<int64_t>{1, 2})({x, floats({0, 0, 0, 3, 1}).reshape({1, 5})});
  EXPECT_TENSOR(y, floats({-1, 0}).reshape({1, 1, 1, 2}));
}

}  // namespace
}  // namespace ppq::test
