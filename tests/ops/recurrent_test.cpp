#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/device.h"
#include "support/onnxruntime_cases.h"
#include "support/op_run.h"
#include "support/python.h"

namespace ppq::test {
namespace {

at::Tensor random(at::IntArrayRef sizes, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::randn(sizes, generator, at::TensorOptions(at::kFloat));
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// One direction of a GRU with batch 1, number by number: outputs [T, H].
std::vector<std::vector<double>> gru_by_loop(const at::Tensor& x, const at::Tensor& w, const at::Tensor& r, const at::Tensor& b,
                                             bool reverse, bool linear_before_reset) {
  const int64_t steps = x.size(0), inputs = x.size(2), hidden = r.size(1);
  const auto xa = x.accessor<float, 3>();
  const auto wa = w.accessor<float, 2>(), ra = r.accessor<float, 2>();
  const auto ba = b.accessor<float, 1>();
  std::vector<double> h(hidden, 0);
  std::vector<std::vector<double>> outputs(steps);
  for (int64_t step = 0; step < steps; ++step) {
    const int64_t t = reverse ? steps - 1 - step : step;
    auto input = [&](int64_t row) {
      double sum = ba[row];
      for (int64_t i = 0; i < inputs; ++i) sum += wa[row][i] * xa[t][0][i];
      return sum;
    };
    auto recurrent = [&](int64_t row, const std::vector<double>& state) {
      double sum = 0;
      for (int64_t i = 0; i < hidden; ++i) sum += ra[row][i] * state[i];
      return sum;
    };
    std::vector<double> z(hidden), reset(hidden), next(hidden), gated(hidden);
    for (int64_t i = 0; i < hidden; ++i) {
      z[i] = sigmoid(input(i) + recurrent(i, h) + ba[3 * hidden + i]);
      reset[i] = sigmoid(input(hidden + i) + recurrent(hidden + i, h) + ba[4 * hidden + i]);
      gated[i] = reset[i] * h[i];
    }
    for (int64_t i = 0; i < hidden; ++i) {
      const int64_t row = 2 * hidden + i;
      const double bias = ba[3 * hidden + row];
      const double inner = linear_before_reset ? reset[i] * (recurrent(row, h) + bias) : recurrent(row, gated) + bias;
      next[i] = (1 - z[i]) * std::tanh(input(row) + inner) + z[i] * h[i];
    }
    h = next;
    outputs[t] = h;
  }
  return outputs;
}

TEST(Recurrent, AgreesWithOnnxruntime) {
  PPQ_REQUIRE_PYTHON();
  expect_agreement_with_onnxruntime("recurrent");
}

TEST(GRU, BothDirectionsAndBothResets) {
  const int64_t steps = 5, inputs = 3, hidden = 4;
  const at::Tensor x = random({steps, 1, inputs}, 1), w = random({2, 3 * hidden, inputs}, 2), r = random({2, 3 * hidden, hidden}, 3),
                   b = random({2, 6 * hidden}, 4);
  for (bool linear : {false, true}) {
    const Tensors y = OpRun("GRU", 14)
                          .attr("hidden_size", hidden)
                          .attr("direction", std::string("bidirectional"))
                          .attr("linear_before_reset", int64_t{linear})
                          .run({x, w, r, b}, 2);
    ASSERT_EQ(y[0].sizes(), (at::IntArrayRef{steps, 2, 1, hidden}));
    ASSERT_EQ(y[1].sizes(), (at::IntArrayRef{2, 1, hidden}));
    for (int64_t d = 0; d < 2; ++d) {
      const auto expected = gru_by_loop(x, w[d], r[d], b[d], d == 1, linear);
      for (int64_t t = 0; t < steps; ++t)
        for (int64_t i = 0; i < hidden; ++i) EXPECT_NEAR(y[0][t][d][0][i].item<double>(), expected[t][i], 1e-5);
      for (int64_t i = 0; i < hidden; ++i) EXPECT_NEAR(y[1][d][0][i].item<double>(), expected[d == 1 ? 0 : steps - 1][i], 1e-5);
    }
  }
}

TEST(LSTM, ASequenceDoesNotSeeItsPadding) {
  const int64_t hidden = 3;
  const at::Tensor x = random({4, 2, 2}, 5), w = random({1, 4 * hidden, 2}, 6), r = random({1, 4 * hidden, hidden}, 7), none;
  for (const char* direction : {"forward", "reverse"}) {
    OpRun lstm("LSTM", 14);
    lstm.attr("hidden_size", hidden).attr("direction", std::string(direction));
    const Tensors padded = lstm.run({x, w, r, none, at::tensor({4, 2}, at::kInt)}, 3);
    const Tensors alone = lstm.run({x.narrow(0, 0, 2).narrow(1, 1, 1), w, r}, 3);
    EXPECT_TENSOR_NEAR(padded[0].narrow(0, 0, 2).narrow(2, 1, 1).contiguous(), alone[0], 1e-6);
    EXPECT_TENSOR(padded[0].narrow(0, 2, 2).narrow(2, 1, 1).contiguous(), at::zeros({2, 1, 1, hidden}));
    EXPECT_TENSOR_NEAR(padded[1].narrow(1, 1, 1).contiguous(), alone[1], 1e-6);
    EXPECT_TENSOR_NEAR(padded[2].narrow(1, 1, 1).contiguous(), alone[2], 1e-6);
  }
}

TEST(RNN, BatchFirstIsATransposition) {
  const at::Tensor x = random({4, 3, 2}, 8), w = random({2, 3, 2}, 9), r = random({2, 3, 3}, 10), none, h0 = random({2, 3, 3}, 11);
  OpRun rows("RNN", 14), columns("RNN", 14);
  rows.attr("direction", std::string("bidirectional"));
  columns.attr("direction", std::string("bidirectional")).attr("layout", int64_t{1});
  const Tensors a = rows.run({x, w, r, none, none, h0}, 2),
                b = columns.run({x.transpose(0, 1).contiguous(), w, r, none, none, h0.transpose(0, 1).contiguous()}, 2);
  const double order = test_device().is_cuda() ? 1e-6 : 0.0;  // cuBLAS adds in another order for another layout
  EXPECT_TENSOR_NEAR(b[0].contiguous(), a[0].permute({2, 0, 1, 3}).contiguous(), order);
  EXPECT_TENSOR_NEAR(b[1].contiguous(), a[1].transpose(0, 1).contiguous(), order);
}

}  // namespace
}  // namespace ppq::test
