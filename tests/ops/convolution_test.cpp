#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>

#include "ops/convolution.h"
#include "ppq/error.h"
#include "support/device.h"
#include "support/onnxruntime_cases.h"
#include "support/op_run.h"
#include "support/python.h"

namespace ppq::test {
namespace {

using Pair = std::array<int64_t, 2>;

at::Tensor random(at::IntArrayRef sizes, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::randn(sizes, generator, at::TensorOptions(at::kFloat));
}

/// The sum over the window, element by element; what lies outside the input is 0 (negative padding crops).
at::Tensor convolve_by_loop(const at::Tensor& x, const at::Tensor& w, Pair stride, Pair dilation, Pair begin, Pair output) {
  const auto a = x.accessor<float, 4>(), b = w.accessor<float, 4>();
  at::Tensor y = at::zeros({x.size(0), w.size(0), output[0], output[1]});
  auto c = y.accessor<float, 4>();
  for (int64_t n = 0; n < y.size(0); ++n)
    for (int64_t m = 0; m < y.size(1); ++m)
      for (int64_t i = 0; i < output[0]; ++i)
        for (int64_t j = 0; j < output[1]; ++j) {
          double sum = 0;
          for (int64_t k = 0; k < w.size(1); ++k)
            for (int64_t p = 0; p < w.size(2); ++p)
              for (int64_t q = 0; q < w.size(3); ++q) {
                const int64_t h = i * stride[0] - begin[0] + p * dilation[0], v = j * stride[1] - begin[1] + q * dilation[1];
                if (h >= 0 && h < x.size(2) && v >= 0 && v < x.size(3)) sum += double{a[n][k][h][v]} * b[m][k][p][q];
              }
          c[n][m][i][j] = static_cast<float>(sum);
        }
  return y;
}

/// Each input element is spread over the output at stride * i + k - begin.
at::Tensor transpose_by_loop(const at::Tensor& x, const at::Tensor& w, Pair stride, Pair begin, Pair output) {
  const auto a = x.accessor<float, 4>(), b = w.accessor<float, 4>();
  at::Tensor y = at::zeros({x.size(0), w.size(1), output[0], output[1]});
  auto c = y.accessor<float, 4>();
  for (int64_t n = 0; n < x.size(0); ++n)
    for (int64_t k = 0; k < x.size(1); ++k)
      for (int64_t i = 0; i < x.size(2); ++i)
        for (int64_t j = 0; j < x.size(3); ++j)
          for (int64_t m = 0; m < w.size(1); ++m)
            for (int64_t p = 0; p < w.size(2); ++p)
              for (int64_t q = 0; q < w.size(3); ++q) {
                const int64_t h = i * stride[0] + p - begin[0], v = j * stride[1] + q - begin[1];
                if (h >= 0 && h < output[0] && v >= 0 && v < output[1]) c[n][m][h][v] += a[n][k][i][j] * b[k][m][p][q];
              }
  return y;
}

TEST(Convolution, AgreesWithOnnxruntime) {
  PPQ_REQUIRE_PYTHON();
  expect_agreement_with_onnxruntime("convolution");
}

TEST(Convolution, SameUpperPutsTheOddPaddingAtTheEnd) {
  const at::Tensor x = random({1, 2, 8, 8}, 1), w = random({3, 2, 3, 3}, 2);
  const at::Tensor y = OpRun("Conv", 13).attr("auto_pad", std::string("SAME_UPPER")).attr("strides", std::vector<int64_t>{2, 2})({x, w});
  EXPECT_TENSOR_NEAR(y, convolve_by_loop(x, w, {2, 2}, {1, 1}, {0, 0}, {4, 4}), 1e-5);
}

TEST(Convolution, AutomaticPaddingIsResolvedForEverySize) {
  Graph graph;
  graph.opsets = {{"", 13}};
  Value *in = graph.add_value("x"), *out = graph.add_value("y");
  const at::Tensor w = random({3, 2, 3, 3}, 2);
  graph.add_input(in);
  Node* node = graph.add_node("Conv", "node", {in, graph.add_constant("w", w)}, {out});
  node->attributes.set("auto_pad", std::string("SAME_LOWER"));
  node->attributes.set("strides", std::vector<int64_t>{2, 2});
  graph.add_output(out);
  const auto program = lower(graph, on_test_device());
  const at::Tensor even = random({1, 2, 8, 8}, 3), odd = random({1, 2, 7, 7}, 4);
  for (int repeat = 0; repeat < 2; ++repeat) {
    EXPECT_TENSOR_NEAR(run_on_test_device(*program, {even})[0], convolve_by_loop(even, w, {2, 2}, {1, 1}, {1, 1}, {4, 4}), 1e-5);
    EXPECT_TENSOR_NEAR(run_on_test_device(*program, {odd})[0], convolve_by_loop(odd, w, {2, 2}, {1, 1}, {1, 1}, {4, 4}), 1e-5);
  }
}

TEST(Convolution, AsymmetricPadding) {
  const at::Tensor x = random({2, 2, 6, 7}, 5), w = random({4, 2, 3, 2}, 6);
  const at::Tensor y =
      OpRun("Conv", 11).attr("pads", std::vector<int64_t>{0, 2, 1, 0}).attr("dilations", std::vector<int64_t>{2, 1})({x, w});
  EXPECT_TENSOR_NEAR(y, convolve_by_loop(x, w, {1, 1}, {2, 1}, {0, 2}, {3, 8}), 1e-5);
}

TEST(Convolution, NegativePaddingCrops) {
  const at::Tensor x = random({1, 2, 6, 7}, 7), w = random({3, 2, 2, 2}, 8);
  const at::Tensor y = OpRun("Conv", 11).attr("pads", std::vector<int64_t>{-1, 0, 0, -2})({x, w});
  EXPECT_TENSOR_NEAR(y, convolve_by_loop(x.slice(2, 1), w, {1, 1}, {1, 1}, {0, 0}, {4, 4}), 1e-5);
}

TEST(Convolution, SumsOfWholeNumbersThatAreALittleOffAreWhole) {
  const at::Tensor off = floats({2.999f, 3.001f, -126.999f, -0.001f, 0.001f, 32767.0f});
  EXPECT_TENSOR(ops::whole_sums(off).to(at::kInt), ints({3, 3, -127, 0, 0, 32767}).to(at::kInt));
  EXPECT_TENSOR(ops::whole_sums(off.to(at::kDouble) * 3).to(at::kInt), ints({9, 9, -381, 0, 0, 98301}).to(at::kInt));
}

TEST(ConvTranspose, AsymmetricPadding) {
  const at::Tensor x = random({1, 2, 4, 5}, 9), w = random({2, 3, 3, 3}, 10);
  const at::Tensor y =
      OpRun("ConvTranspose", 11).attr("pads", std::vector<int64_t>{0, 1, 1, 0}).attr("strides", std::vector<int64_t>{2, 2})({x, w});
  EXPECT_TENSOR_NEAR(y, transpose_by_loop(x, w, {2, 2}, {0, 1}, {8, 10}), 1e-5);
}

TEST(ConvTranspose, OutputShapeList) {
  const at::Tensor x = random({1, 1, 3, 3}, 11), w = random({1, 2, 3, 3}, 12);
  const at::Tensor y = OpRun("ConvTranspose", 11)
                           .attr("output_shape", std::vector<int64_t>{10, 8})
                           .attr("strides", std::vector<int64_t>{3, 2})
                           .attr("output_padding", std::vector<int64_t>{1, 1})({x, w});
  EXPECT_TENSOR_NEAR(y, transpose_by_loop(x, w, {3, 2}, {0, 0}, {10, 8}), 1e-5);
}

TEST(DeformConv, SamplesAtItsOffsets) {
  const at::Tensor x = random({1, 2, 5, 6}, 13), w = random({3, 2, 2, 2}, 14), offset = random({1, 8, 4, 5}, 15),
                   mask = at::sigmoid(random({1, 4, 4, 5}, 16));
  const auto a = x.accessor<float, 4>(), b = w.accessor<float, 4>(), o = offset.accessor<float, 4>(), g = mask.accessor<float, 4>();
  auto pixel = [&](int64_t k, int64_t h, int64_t v) { return h >= 0 && h < 5 && v >= 0 && v < 6 ? double{a[0][k][h][v]} : 0.0; };
  at::Tensor expected = at::zeros({1, 3, 4, 5});
  for (int64_t m = 0; m < 3; ++m)
    for (int64_t i = 0; i < 4; ++i)
      for (int64_t j = 0; j < 5; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < 2; ++k)
          for (int64_t t = 0; t < 4; ++t) {
            const double h = static_cast<double>(i + t / 2) + o[0][2 * t][i][j], v = static_cast<double>(j + t % 2) + o[0][2 * t + 1][i][j];
            const int64_t h0 = static_cast<int64_t>(std::floor(h)), v0 = static_cast<int64_t>(std::floor(v));
            const double dh = h - static_cast<double>(h0), dv = v - static_cast<double>(v0);
            const double value = (1 - dh) * ((1 - dv) * pixel(k, h0, v0) + dv * pixel(k, h0, v0 + 1)) +
                                 dh * ((1 - dv) * pixel(k, h0 + 1, v0) + dv * pixel(k, h0 + 1, v0 + 1));
            sum += value * g[0][t][i][j] * b[m][k][t / 2][t % 2];
          }
        expected[0][m][i][j] = sum;
      }
  EXPECT_TENSOR_NEAR(OpRun("DeformConv", 19)({x, w, offset, {}, mask}), expected, 1e-5);
}

TEST(ConvInteger, LongSumsAreExact) {
  const at::Tensor x = at::full({1, 300, 3, 3}, 255, at::kByte), w = at::full({1, 300, 3, 3}, 253, at::kByte);
  EXPECT_TENSOR(OpRun("ConvInteger", 10)({x, w}), at::full({1, 1, 1, 1}, 300 * 9 * 255 * 253, at::kInt));
}

TEST(Convolution, WrongChannelsAreNamed) {
  try {
    OpRun("Conv", 13)({random({1, 3, 4, 4}, 1), random({2, 2, 1, 1}, 2)});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Model);
    EXPECT_NE(std::string(error.what()).find("got 3, expected 2"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ppq::test
