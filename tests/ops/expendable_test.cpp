// Results written into inputs that nobody reads any more: where it may happen, and that it never shows.
#include "ops/expendable.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ppq/executor.h"
#include "ppq/onnx.h"
#include "ppq/quant.h"

namespace ppq {
namespace {

at::Tensor ramp() { return at::arange(-6, 6, at::kFloat).reshape({1, 3, 2, 2}).clone(); }

TEST(Expendable, OnlyTheLastReferenceToAWholeTensor) {
  at::Tensor alone = ramp();
  EXPECT_TRUE(ops::expendable(alone));
  const at::Tensor second = alone;
  EXPECT_FALSE(ops::expendable(alone)) << "somebody else holds it";
  at::Tensor whole = ramp();
  at::Tensor view = whole.reshape({12});
  EXPECT_FALSE(ops::expendable(view)) << "another tensor shares its storage";
  EXPECT_FALSE(ops::expendable(at::ones({1}).expand({4}))) << "one element in four places";
}

TEST(Expendable, StepsReuseMemoryAndKeepTheNumbers) {
  auto graph = read_onnx_text(
      "<ir_version: 8, opset_import: [\"\" : 17]> chain (float[1,3,2,2] x) => (float[1,3,2,2] y)"
      " <float[1] low = {-1}, float[1] high = {4}> {"
      " a = Neg(x) b = Relu(a) c = Abs(x) d = Add(b, c) e = Clip(d, low, high) f = LeakyRelu<alpha = 0.5>(e) y = Add(f, x) }");
  std::vector<const void*> places;
  LowerOptions options;
  for (const char* name : {"a", "b", "d", "e", "f", "y"}) options.watch.push_back(graph->find_value(name));
  const at::Tensor x = ramp();
  const Tensors out = run(*lower(*graph, options), {x}, [&](size_t, const at::Tensor& value) { places.push_back(value.const_data_ptr()); });
  for (size_t i = 1; i < places.size(); ++i) EXPECT_EQ(places[i], places[0]) << "step " << i << " needs no memory of its own";
  EXPECT_TRUE(at::equal(x, ramp())) << "the caller's tensor is nobody's to write into";
  for (int64_t i = 0; i < 12; ++i) {
    const float v = static_cast<float>(i - 6);
    const float clipped = std::min(std::max(-v, 0.f) + std::abs(v), 4.f);
    EXPECT_EQ(out[0].reshape({-1})[i].item<float>(), clipped + v) << i;
  }
}

TEST(Expendable, AWatcherMayKeepWhatItSaw) {
  auto graph = read_onnx_text(
      "<ir_version: 8, opset_import: [\"\" : 17]> kept (float[1,3,2,2] x) => (float[1,3,2,2] y) { a = Neg(x) b = Relu(a) y = LeakyRelu(b) "
      "}");
  LowerOptions options;
  options.watch = {graph->find_value("a"), graph->find_value("b")};
  std::vector<at::Tensor> kept(2);
  run(*lower(*graph, options), {ramp()}, [&](size_t i, const at::Tensor& value) { kept[i] = value; });
  EXPECT_TRUE(at::equal(kept[0], -ramp()));
  EXPECT_TRUE(at::equal(kept[1], (-ramp()).clamp_min(0)));
}

TEST(Expendable, AReaderFurtherDownSeesTheOldNumbers) {
  // r1 and the Reshape (a view of a) both outlive the first reader.
  auto graph = read_onnx_text(
      "<ir_version: 8, opset_import: [\"\" : 17]> twice (float[1,3,2,2] x) => (float[12] flat, float[1,3,2,2] sum)"
      " <int64[1] shape = {12}> { a = Neg(x) flat = Reshape(a, shape) r = Relu(a) sum = Add(r, a) }");
  const Tensors out = run(*lower(*graph, {}), {ramp()});
  EXPECT_TRUE(at::equal(out[0], (-ramp()).reshape({12})));
  EXPECT_TRUE(at::equal(out[1], (-ramp()).clamp_min(0) - ramp()));
}

TEST(ChannelsLast, ConvolutionsGiveTheSameNumbersAndLeaveTheCallersLayoutAlone) {
  auto graph = read_onnx_text(
      "<ir_version: 8, opset_import: [\"\" : 17]> conv (float[1,2,3,3] x) => (float[1,1,3,3] y)"
      " <float[1,2,1,1] w = {2, -1}> { y = Conv(x, w) }");
  const at::Tensor x = at::arange(18, at::kFloat).reshape({1, 2, 3, 3});
  const Tensors out = run(*lower(*graph, {}), {x});
  EXPECT_TRUE(x.is_contiguous());
  for (int64_t i = 0; i < 9; ++i) EXPECT_EQ(out[0].reshape({-1})[i].item<float>(), 2.f * static_cast<float>(i) - static_cast<float>(i + 9));
}

}  // namespace
}  // namespace ppq
