#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ppq/error.h"
#include "support/onnxruntime_cases.h"
#include "support/op_run.h"
#include "support/python.h"

namespace ppq::test {
namespace {

using Ints = std::vector<int64_t>;

Ints sizes(const at::Tensor& x) { return x.sizes().vec(); }

TEST(Shape, StartAndEndCountFromEitherSide) {
  const at::Tensor x = at::empty({2, 3, 4});
  EXPECT_TENSOR(OpRun("Shape", 13)(x), ints({2, 3, 4}));
  EXPECT_TENSOR(OpRun("Shape", 15).attr("start", int64_t{1})(x), ints({3, 4}));
  EXPECT_TENSOR(OpRun("Shape", 15).attr("start", int64_t{-2}).attr("end", int64_t{-1})(x), ints({3}));
  EXPECT_TENSOR(OpRun("Shape", 15).attr("start", int64_t{-9}).attr("end", int64_t{9})(x), ints({2, 3, 4}));
  EXPECT_TENSOR(OpRun("Shape", 15).attr("start", int64_t{2}).attr("end", int64_t{1})(x), at::empty({0}, at::kLong));
  EXPECT_TENSOR(OpRun("Size", 13)(x), ints({24}).reshape({}));
}

TEST(Reshape, ZeroCopiesAndMinusOneInfers) {
  const at::Tensor x = iota({2, 3, 4});
  EXPECT_TENSOR(OpRun("Reshape", 13)({x, ints({0, -1})}), x.reshape({2, 12}));
  EXPECT_TENSOR(OpRun("Reshape", 13)({x, ints({-1})}), x.reshape({24}));
  EXPECT_TENSOR(OpRun("Reshape", 1).attr("shape", Ints{4, 0, -1})(x), x.reshape({4, 3, 2}));
  EXPECT_EQ(sizes(OpRun("Reshape", 14).attr("allowzero", int64_t{1})({at::empty({0, 3}), ints({3, 0})})), (Ints{3, 0}));
  EXPECT_EQ(sizes(OpRun("Reshape", 13)({at::empty({0, 3}), ints({0, -1})})), (Ints{0, 0}));
  EXPECT_TENSOR(OpRun("Reshape", 13)({floats({7}), at::empty({0}, at::kLong)}), at::scalar_tensor(7.f));
  EXPECT_THROW(OpRun("Reshape", 13)({x, ints({5, -1, -1})}), Error);
  EXPECT_THROW(OpRun("Reshape", 13)({x, ints({7, 7})}), Error);
}

TEST(Flatten, EveryAxis) {
  const at::Tensor x = at::empty({2, 3, 4});
  EXPECT_EQ(sizes(OpRun("Flatten", 13)(x)), (Ints{2, 12}));
  EXPECT_EQ(sizes(OpRun("Flatten", 13).attr("axis", int64_t{0})(x)), (Ints{1, 24}));
  EXPECT_EQ(sizes(OpRun("Flatten", 13).attr("axis", int64_t{3})(x)), (Ints{24, 1}));
  EXPECT_EQ(sizes(OpRun("Flatten", 13).attr("axis", int64_t{-1})(x)), (Ints{6, 4}));
}

TEST(Squeeze, AxesAsAttributeInputOrAbsent) {
  const at::Tensor x = at::empty({1, 3, 1, 1});
  EXPECT_EQ(sizes(OpRun("Squeeze", 11).attr("axes", Ints{0, -1})(x)), (Ints{3, 1}));
  EXPECT_EQ(sizes(OpRun("Squeeze", 13)({x, ints({2})})), (Ints{1, 3, 1}));
  EXPECT_EQ(sizes(OpRun("Squeeze", 13)(x)), (Ints{3}));
  EXPECT_THROW(OpRun("Squeeze", 13)({x, ints({1})}), Error);
}

TEST(Unsqueeze, AxesCountInTheResultWhateverTheirOrder) {
  const at::Tensor x = at::empty({3});
  EXPECT_EQ(sizes(OpRun("Unsqueeze", 13)({x, ints({-1, -2})})), (Ints{3, 1, 1}));
  EXPECT_EQ(sizes(OpRun("Unsqueeze", 11).attr("axes", Ints{2, 0})(x)), (Ints{1, 3, 1}));
  EXPECT_EQ(sizes(OpRun("Unsqueeze", 11).attr("axes", Ints{-3})(at::empty({4, 5}))), (Ints{1, 4, 5}));
  EXPECT_THROW(OpRun("Unsqueeze", 13)({x, ints({3})}), Error);
  EXPECT_THROW(OpRun("Unsqueeze", 13)({x, ints({1, -2})}), Error);
}

TEST(Transpose, ReversesWithoutPerm) {
  const at::Tensor x = iota({2, 3, 4}), y = OpRun("Transpose", 13)(x);
  const at::Tensor z = OpRun("Transpose", 13).attr("perm", Ints{1, 2, 0})(x);
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t j = 0; j < 3; ++j)
      for (int64_t k = 0; k < 4; ++k) {
        EXPECT_EQ(y[k][j][i].item<float>(), static_cast<float>(i * 12 + j * 4 + k));
        EXPECT_EQ(z[j][k][i].item<float>(), static_cast<float>(i * 12 + j * 4 + k));
      }
}

TEST(Expand, BroadcastsBothWays) {
  const at::Tensor x = floats({1, 2, 3}).reshape({3, 1});
  EXPECT_EQ(sizes(OpRun("Expand", 13)({x, ints({2, 1, 6})})), (Ints{2, 3, 6}));
  EXPECT_TENSOR(OpRun("Expand", 13)({x, ints({1, 1})}), x);
  EXPECT_TENSOR(OpRun("Expand", 13)({bools({1, 0}), ints({2, 2})}), bools({1, 0, 1, 0}).reshape({2, 2}));
}

TEST(Tile, RepeatsEachAxis) {
  const at::Tensor x = floats({0, 1, 2, 3}).reshape({2, 2});
  EXPECT_TENSOR(OpRun("Tile", 13)({x, ints({1, 2})}), floats({0, 1, 0, 1, 2, 3, 2, 3}).reshape({2, 4}));
  EXPECT_TENSOR(OpRun("Tile", 1)({x, ints({2}), ints({0})}), floats({0, 1, 2, 3, 0, 1, 2, 3}).reshape({4, 2}));
}

TEST(Constant, EveryFormOfValue) {
  EXPECT_TENSOR(OpRun("Constant", 13).attr("value", floats({1, 2}))(Tensors{}), floats({1, 2}));
  EXPECT_TENSOR(OpRun("Constant", 12).attr("value_float", 1.5f)(Tensors{}), at::scalar_tensor(1.5f));
  EXPECT_TENSOR(OpRun("Constant", 12).attr("value_floats", std::vector<float>{1, 2})(Tensors{}), floats({1, 2}));
  EXPECT_TENSOR(OpRun("Constant", 12).attr("value_int", int64_t{-3})(Tensors{}), ints({-3}).reshape({}));
  EXPECT_TENSOR(OpRun("Constant", 12).attr("value_ints", Ints{4, 5})(Tensors{}), ints({4, 5}));
  EXPECT_THROW(OpRun("Constant", 12).attr("value_string", std::string("a"))(Tensors{}), Error);
  EXPECT_THROW(OpRun("Constant", 12)(Tensors{}), Error);
}

TEST(ConstantOfShape, AnyType) {
  EXPECT_TENSOR(OpRun("ConstantOfShape", 9)(ints({2, 2})), at::zeros({2, 2}));
  EXPECT_TENSOR(OpRun("ConstantOfShape", 9).attr("value", bools({1}))(ints({2})), bools({1, 1}));
  EXPECT_TENSOR(OpRun("ConstantOfShape", 9).attr("value", ints({7}).to(at::kUInt16))(ints({1})), ints({7}).to(at::kUInt16));
  EXPECT_EQ(sizes(OpRun("ConstantOfShape", 9)(at::empty({0}, at::kLong))), Ints{});
}

TEST(Range, BothDirectionsAndTypes) {
  const auto scalar = [](double v) { return at::scalar_tensor(v, at::TensorOptions(at::kFloat)); };
  EXPECT_TENSOR(OpRun("Range", 11)({scalar(1), scalar(2), scalar(0.3)}), floats({1, 1.3f, 1.6f, 1.f + 3 * 0.3f}));
  const auto integer = [](int64_t v) { return ints({v}).reshape({}); };
  EXPECT_TENSOR(OpRun("Range", 11)({integer(10), integer(4), integer(-3)}), ints({10, 7}));
  EXPECT_TENSOR(OpRun("Range", 11)({integer(10), integer(3), integer(-3)}), ints({10, 7, 4}));
  EXPECT_TENSOR(OpRun("Range", 11)({integer(3), integer(3), integer(1)}), at::empty({0}, at::kLong));
  EXPECT_TENSOR(OpRun("Range", 11)({integer(4), integer(3), integer(1)}), at::empty({0}, at::kLong));
}

TEST(Shape, AgreesWithOnnxruntime) {
  PPQ_REQUIRE_PYTHON();
  expect_agreement_with_onnxruntime("shape");
}

}  // namespace
}  // namespace ppq::test
