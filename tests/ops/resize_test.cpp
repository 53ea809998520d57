#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ppq/error.h"
#include "support/onnxruntime_cases.h"
#include "support/op_run.h"
#include "support/python.h"

namespace ppq::test {
namespace {

/// A row of numbers as [1, 1, 1, n].
at::Tensor row(std::initializer_list<float> values) { return floats(values).reshape({1, 1, 1, -1}); }

OpRun resize(const std::string& mode, const std::string& coordinates, int64_t opset = 13) {
  OpRun run("Resize", opset);
  run.attr("mode", mode).attr("coordinate_transformation_mode", coordinates);
  return run;
}

const at::Tensor none;

TEST(Resize, AgreesWithOnnxruntime) {
  PPQ_REQUIRE_PYTHON();
  expect_agreement_with_onnxruntime("resize");
}

TEST(Resize, LinearCoordinates) {
  const at::Tensor x = row({0, 10, 20}), twice = floats({1, 1, 1, 2});
  EXPECT_TENSOR_NEAR(resize("linear", "asymmetric")({x, none, twice}), row({0, 5, 10, 15, 20, 20}), 1e-6);
  EXPECT_TENSOR_NEAR(resize("linear", "half_pixel")({x, none, twice}), row({0, 2.5, 7.5, 12.5, 17.5, 20}), 1e-6);
  EXPECT_TENSOR_NEAR(resize("linear", "align_corners")({x, none, twice}), row({0, 4, 8, 12, 16, 20}), 1e-6);
  EXPECT_TENSOR_NEAR(resize("linear", "align_corners")({x, none, none, ints({1, 1, 1, 1})}), row({0}), 1e-6);
  EXPECT_TENSOR_NEAR(resize("linear", "pytorch_half_pixel")({x, none, none, ints({1, 1, 1, 1})}), row({0}), 1e-6);
  EXPECT_TENSOR_NEAR(resize("linear", "half_pixel")({x, none, none, ints({1, 1, 1, 1})}), row({10}), 1e-6);
  // 2.6 * 3 = 7.8 elements, of which 7 are kept, around the same centre.
  const double offset = 1.5 * (1 - 7 / 7.8);
  const at::Tensor y = resize("linear", "half_pixel_symmetric", 19)({x, none, floats({1, 1, 1, 2.6f})});
  for (int64_t i = 0; i < 7; ++i)
    EXPECT_NEAR(y.reshape(-1)[i].item<double>(), 10 * std::clamp(offset + (static_cast<double>(i) + 0.5) / 2.6 - 0.5, 0.0, 2.0), 1e-4) << i;
}

TEST(Resize, LinearInTwoDimensionsIsSeparable) {
  const at::Tensor x = iota({1, 2, 4, 5}).sin();
  for (const char* coordinates : {"half_pixel", "align_corners", "asymmetric"}) {
    const at::Tensor both = resize("linear", coordinates)({x, none, none, ints({1, 2, 7, 3})});
    const at::Tensor rows = resize("linear", coordinates)({x, none, none, ints({1, 2, 7, 5})});
    EXPECT_TENSOR_NEAR(both, resize("linear", coordinates)({rows, none, none, ints({1, 2, 7, 3})}), 1e-5);
  }
}

TEST(Resize, NearestRounding) {
  // Positions 0, 0.5, 1, 1.5.
  const at::Tensor x = row({0, 1}), twice = floats({1, 1, 1, 2});
  auto run = [&](const char* rounding) {
    return resize("nearest", "asymmetric").attr("nearest_mode", std::string(rounding))({x, none, twice});
  };
  EXPECT_TENSOR(run("floor"), row({0, 0, 1, 1}));
  EXPECT_TENSOR(run("ceil"), row({0, 1, 1, 1}));
  EXPECT_TENSOR(run("round_prefer_floor"), row({0, 0, 1, 1}));
  EXPECT_TENSOR(run("round_prefer_ceil"), row({0, 1, 1, 1}));
  // Positions -1/6, 1/2, 7/6, 11/6.
  EXPECT_TENSOR(resize("nearest", "half_pixel")({row({0, 1, 2}), none, floats({1, 1, 1, 1.5f})}), row({0, 0, 1, 2}));
}

TEST(Resize, NearestKeepsIntegers) {
  const at::Tensor x = at::tensor({1, 200}, at::kByte).reshape({1, 1, 1, 2});
  EXPECT_TENSOR(resize("nearest", "half_pixel")({x, none, floats({1, 1, 2, 2})}),
                at::tensor({1, 1, 200, 200, 1, 1, 200, 200}, at::kByte).reshape({1, 1, 2, 4}));
}

TEST(Resize, AnyAxesByName) {
  OpRun run = resize("linear", "asymmetric", 18);
  run.attr("axes", std::vector<int64_t>{0});
  EXPECT_TENSOR_NEAR(run({floats({0, 10}).reshape({2, 1}), none, floats({2})}), floats({0, 5, 10, 10}).reshape({4, 1}), 1e-6);
}

TEST(Resize, ExtrapolationOutsideTheRegion) {
  OpRun run = resize("linear", "tf_crop_and_resize");
  run.attr("extrapolation_value", 9.f);
  // From -0.5 to 1.0 of a row of 3: positions -1, 0, 1, 2.
  EXPECT_TENSOR_NEAR(run({row({5, 6, 7}), floats({0, 0, 0, -0.5f, 1, 1, 1, 1}), none, ints({1, 1, 1, 4})}), row({9, 5, 6, 7}), 1e-6);
}

TEST(Resize, AnEmptyBatchStaysEmpty) {
  EXPECT_EQ(resize("linear", "half_pixel")({at::zeros({0, 3, 4, 4}), none, floats({1, 1, 2, 2})}).sizes(), (at::IntArrayRef{0, 3, 8, 8}));
}

TEST(Resize, WithoutScalesAndSizesIsAnError) {
  try {
    resize("linear", "half_pixel")({row({1, 2}), none, floats({})});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Model);
    EXPECT_NE(std::string(error.what()).find("neither scales nor sizes"), std::string::npos) << error.what();
  }
}

/// depth -> (row, column, channel) or (channel, row, column) within a block.
at::Tensor depth_to_space_by_loop(const at::Tensor& x, int64_t block, bool crd) {
  const int64_t channels = x.size(1) / (block * block);
  at::Tensor y = at::zeros({x.size(0), channels, x.size(2) * block, x.size(3) * block});
  for (int64_t n = 0; n < x.size(0); ++n)
    for (int64_t d = 0; d < x.size(1); ++d)
      for (int64_t i = 0; i < x.size(2); ++i)
        for (int64_t j = 0; j < x.size(3); ++j) {
          const int64_t place = crd ? d % (block * block) : d / channels, channel = crd ? d / (block * block) : d % channels;
          y[n][channel][i * block + place / block][j * block + place % block] = x[n][d][i][j];
        }
  return y;
}

TEST(DepthToSpace, BothModesAndBack) {
  const at::Tensor x = iota({2, 12, 2, 3});
  OpRun run("DepthToSpace", 13);
  run.attr("blocksize", int64_t{2});
  const at::Tensor dcr = run(x);
  EXPECT_TENSOR(dcr, depth_to_space_by_loop(x, 2, false));
  EXPECT_TENSOR(run.attr("mode", std::string("CRD"))(x), depth_to_space_by_loop(x, 2, true));
  EXPECT_TENSOR(OpRun("SpaceToDepth", 13).attr("blocksize", int64_t{2})(dcr), x);
}

TEST(Col2Im, AsymmetricPaddingStridesAndDilations) {
  // Scatter by hand: image of 5, padding 1 and 0, kernel 2 with dilation 2, stride 2: places start at -1 and 1.
  const at::Tensor x = floats({1, 2, 10, 20}).reshape({1, 2, 2});
  const at::Tensor y = OpRun("Col2Im", 18)
                           .attr("pads", std::vector<int64_t>{1, 0})
                           .attr("strides", std::vector<int64_t>{2})
                           .attr("dilations", std::vector<int64_t>{2})({x, ints({5}), ints({2})});
  EXPECT_TENSOR(y, floats({0, 12, 0, 20, 0}).reshape({1, 1, 5}));
}

TEST(GridSample, VolumeAtItsOwnCorners) {
  const at::Tensor x = iota({1, 1, 2, 2, 2});
  const at::Tensor grid = floats({-1, -1, -1, 1, -1, -1, 0, 0, 0, 1, 1, 1}).reshape({1, 1, 1, 4, 3});
  EXPECT_TENSOR_NEAR(OpRun("GridSample", 20).attr("align_corners", int64_t{1})({x, grid}), floats({0, 1, 3.5, 7}).reshape({1, 1, 1, 1, 4}),
                     1e-6);
}

}  // namespace
}  // namespace ppq::test
