#include "passes/scale/compensated_rounding.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace ppq::passes {
namespace {

Grid grid_like(const at::Tensor& rows, double scale, double offset = 0, double low = -8, double high = 7) {
  return {at::full_like(rows, scale), at::full_like(rows, offset), low, high};
}

/// Moments of inputs that move together.
at::Tensor moments_of(int64_t groups, int64_t columns) {
  const at::Tensor x = at::randn({groups, 6 * columns, columns}, at::kDouble) + 2 * at::randn({groups, 6 * columns, 1}, at::kDouble);
  return at::bmm(x.transpose(1, 2), x) / static_cast<double>(6 * columns);
}

/// One output, by the step of Optimal Brain Quantization: after each column, in order of the largest moments, the columns that are left
/// take -error / [H⁻¹]ⱼⱼ · [H⁻¹]ⱼ, H⁻¹ of what is left, inverted anew each time.
std::vector<double> one_by_one(const at::Tensor& row, const at::Tensor& moments, double scale, double offset, double low, double high,
                               double damping) {
  const int64_t columns = row.size(0);
  at::Tensor h = moments.clone();
  h.diagonal().add_(damping * moments.diagonal().mean().item<double>());
  std::vector<int64_t> left(static_cast<size_t>(columns));
  for (int64_t i = 0; i < columns; ++i) left[static_cast<size_t>(i)] = i;
  std::stable_sort(left.begin(), left.end(),
                   [&](int64_t a, int64_t b) { return moments[a][a].item<double>() > moments[b][b].item<double>(); });
  at::Tensor w = row.clone();
  std::vector<double> result(static_cast<size_t>(columns));
  while (!left.empty()) {
    const at::Tensor which = at::tensor(left, at::kLong);
    const at::Tensor inverse = at::linalg_inv(h.index_select(0, which).index_select(1, which));
    const int64_t j = left[0];
    const double q = std::clamp(std::nearbyint(w[j].item<double>() / scale) + offset, low, high) - offset;
    const double error = w[j].item<double>() - q * scale;
    result[static_cast<size_t>(j)] = q;
    w.index_add_(0, which, -error / inverse[0][0].item<double>() * inverse[0]);
    left.erase(left.begin());
  }
  return result;
}

TEST(CompensatedRounding, IsTheStepOfOptimalBrainQuantization) {
  at::manual_seed(1);
  for (const int64_t columns : {1, 2, 9, 40, 70}) {  // within and over blocks
    const at::Tensor rows = at::randn({2, 3, columns}, at::kDouble), moments = moments_of(2, columns);
    const at::Tensor got = compensated_rounding(rows, moments, grid_like(rows, 0.3, 2, -7, 8), 0.01);
    for (int64_t group = 0; group < 2; ++group)
      for (int64_t output = 0; output < 3; ++output) {
        const auto expected = one_by_one(rows[group][output], moments[group], 0.3, 2, -7, 8, 0.01);
        EXPECT_TRUE(got[group][output].equal(at::tensor(expected, at::kDouble))) << columns << " columns";
      }
  }
}

TEST(CompensatedRounding, LowersTheErrorOfOutputs) {
  at::manual_seed(2);
  const at::Tensor rows = at::randn({1, 64, 36}, at::kDouble), moments = moments_of(1, 36);
  const Grid grid = grid_like(rows, 0.4);
  const double nearest = output_errors(nearest_rounding(rows, grid) * 0.4 - rows, moments).sum().item<double>();
  const double chosen = output_errors(compensated_rounding(rows, moments, grid, 0.01) * 0.4 - rows, moments).sum().item<double>();
  EXPECT_LT(chosen, 0.5 * nearest);
}

TEST(CompensatedRounding, ErrorsAreThoseOfAPlainLoop) {
  at::manual_seed(3);
  const at::Tensor d = at::randn({2, 2, 3}, at::kDouble), h = moments_of(2, 3), got = output_errors(d, h);
  for (int g = 0; g < 2; ++g)
    for (int o = 0; o < 2; ++o) {
      double sum = 0;
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) sum += d[g][o][i].item<double>() * h[g][i][j].item<double>() * d[g][o][j].item<double>();
      EXPECT_NEAR(got[g][o].item<double>(), sum, 1e-12);
    }
}

TEST(CompensatedRounding, InputsThatDoNotMoveTogetherAreRoundedToNearest) {
  at::manual_seed(4);
  const at::Tensor rows = at::randn({1, 5, 8}, at::kDouble);
  const at::Tensor moments = at::diag(at::arange(1, 9, at::kDouble)).unsqueeze(0);
  const Grid grid = grid_like(rows, 0.25);
  EXPECT_TRUE(compensated_rounding(rows, moments, grid, 0.01).equal(nearest_rounding(rows, grid)));
}

TEST(CompensatedRounding, WhatCannotBeInvertedIsRoundedToNearest) {
  at::manual_seed(5);
  const at::Tensor rows = at::randn({4, 2, 6}, at::kDouble);
  at::Tensor moments = moments_of(4, 6);
  moments[0].zero_();                                                // nothing flows
  moments[1].fill_(std::numeric_limits<double>::quiet_NaN());        // nothing is known
  moments[2].copy_(-moments[2]);                                     // none are like that
  moments[3].select(0, 2).zero_(), moments[3].select(1, 2).zero_();  // one column is dead
  const Grid grid = grid_like(rows, 0.3);
  const at::Tensor got = compensated_rounding(rows, moments, grid, 0.01), nearest = nearest_rounding(rows, grid);
  for (int group = 0; group < 3; ++group) EXPECT_TRUE(got[group].equal(nearest[group])) << group;
  EXPECT_TRUE(got[3].select(1, 2).equal(nearest[3].select(1, 2)));
  EXPECT_FALSE(got[3].equal(nearest[3]));
}

TEST(CompensatedRounding, StaysOnTheGrid) {
  at::manual_seed(6);
  const at::Tensor rows = 10 * at::randn({1, 8, 20}, at::kDouble), moments = moments_of(1, 20);
  const Grid grid = grid_like(rows, 0.5, 3, 0, 15);
  for (const at::Tensor& got : {compensated_rounding(rows, moments, grid, 0.01), nearest_rounding(rows, grid)}) {
    EXPECT_TRUE(got.equal(got.round()));
    EXPECT_EQ((got + 3).min().item<double>(), 0);
    EXPECT_EQ((got + 3).max().item<double>(), 15);
  }
  const at::Tensor on_grid = nearest_rounding(rows, grid) * 0.5;
  EXPECT_TRUE(at::equal(compensated_rounding(on_grid, moments, grid, 0.01) * 0.5, on_grid));
}

}  // namespace
}  // namespace ppq::passes
