#include "kernels/row_top2.h"

#include "kernels/row_top2_rules.h"
#include "ppq/error.h"
#include "tests/kernels/cpu/cases.h"

namespace ppq::kernels::test {
namespace {

/// log2 in long double: nothing of the rules' own arithmetic.
int64_t plain_cell(double scale) {
  if (scale <= 0) return 0;
  const long double position = std::floor((std::log2(static_cast<long double>(scale)) + 40) * 64);
  return static_cast<int64_t>(std::clamp<long double>(position, 0, 4096));
}

/// By definition: each row is sorted.
RowTop2 plain(const at::Tensor& x, bool symmetric, double steps) {
  const at::Tensor rows = x.to(at::kFloat).contiguous().view({-1, x.size(-1)});
  RowTop2 state = make_row_top2(at::kCPU);
  auto cells = state.cells.accessor<int64_t, 2>();
  for (int64_t r = 0; r < rows.size(0); ++r) {
    std::vector<float> finite;
    for (int64_t i = 0; i < rows.size(1); ++i) {
      const float value = rows[r].const_data_ptr<float>()[i];
      if (std::isfinite(value))
        finite.push_back(value);
      else
        state.range.nonfinite += 1;
    }
    std::sort(finite.begin(), finite.end(), std::greater<float>());
    if (finite.empty()) continue;
    state.range.minimum.fill_(std::min(state.range.minimum.item<float>(), finite.back() + 0.0f));
    state.range.maximum.fill_(std::max(state.range.maximum.item<float>(), finite.front() + 0.0f));
    if (finite.size() < 2) continue;
    double l1 = finite[0], l2 = finite[1];
    if (symmetric) {
      const double a = std::abs(l1), b = std::abs(l2);
      l1 = std::max(a, b), l2 = std::min(a, b);
    }
    const double low = std::max(l2 / steps, 0.0), high = 2 * (l1 - std::max(l2, 0.0));
    if (l1 <= 0 || high <= low) continue;
    ++cells[0][plain_cell(low)];
    ++cells[1][plain_cell(high)];
  }
  return state;
}

void expect_plain(const at::Tensor& x, const std::string& what) {
  for (at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16})
    for (bool symmetric : {false, true}) {
      RowTop2 state = make_row_top2(at::kCPU);
      observe_row_top2(x.to(type), symmetric, 126.49, state);
      const RowTop2 wanted = plain(x.to(type), symmetric, 126.49);
      EXPECT_TRUE(at::equal(state.cells, wanted.cells)) << what << type << symmetric;
      EXPECT_TRUE(same_bits(state.range.minimum, wanted.range.minimum)) << what << type;
      EXPECT_TRUE(same_bits(state.range.maximum, wanted.range.maximum)) << what << type;
      EXPECT_TRUE(same_bits(state.range.nonfinite, wanted.range.nonfinite)) << what << type;
    }
}

TEST(RowTop2, EqualsPlainLoops) {
  for (int64_t length : {2, 3, 15, 16, 17, 40, 1000, 20000})
    for (bool nonfinite : {false, true})
      expect_plain(with_awkward_values(random_values({7, length}, length), nonfinite), std::to_string(length) + " ");
  expect_plain(at::softmax(random_values({500, 64}, 1, 6), 1), "softmax ");
  expect_plain(at::softmax(random_values({4, 10, 30}, 2), 2).transpose(0, 2), "strides ");
  expect_plain(at::full({5, 9}, 0.25), "constant ");
  expect_plain(at::zeros({5, 9}), "zeros ");
  expect_plain(-random_values({50, 9}, 3).abs() - 0.1, "negative ");
  expect_plain(at::eye(20), "one hot ");
  expect_plain(at::full({3, 5}, kNan), "NaN ");
}

TEST(RowTop2, BatchesAddUp) {
  const at::Tensor x = random_values({100, 30}, 1);
  RowTop2 whole = make_row_top2(at::kCPU), parts = make_row_top2(at::kCPU);
  observe_row_top2(x, false, 254.49, whole);
  for (const at::Tensor& part : {x.slice(0, 60), x.slice(0, 0, 60)}) observe_row_top2(part, false, 254.49, parts);
  EXPECT_TRUE(at::equal(whole.cells, parts.cells));
  EXPECT_TRUE(same_bits(whole.range.minimum, parts.range.minimum));
  EXPECT_TRUE(same_bits(whole.range.maximum, parts.range.maximum));
}

TEST(RowTop2, CellsAreThoseOfTheLogarithm) {
  for (int e = -60; e <= 60; ++e) EXPECT_EQ(top2::cell_of(std::ldexp(1.0, e)), std::clamp((e + 40) * 64, 0, 4096)) << e;
  for (int i = 0; i < 20000; ++i) {
    const double scale = std::exp2(-41 + 66.0 * i / 20000 + 1e-7);
    EXPECT_EQ(top2::cell_of(scale), plain_cell(scale)) << scale;
  }
  // Just below and above each border of one doubling.
  for (int k = 1; k < 64; ++k) {
    const double border = std::exp2(k / 64.0);
    EXPECT_EQ(top2::cell_of(border * (1 - 1e-12)), 40 * 64 + k - 1);
    EXPECT_EQ(top2::cell_of(border * (1 + 1e-12)), 40 * 64 + k);
  }
  EXPECT_EQ(top2::cell_of(0), 0);
  EXPECT_EQ(top2::cell_of(1e300), 4096);
}

TEST(RowTop2, WhatItCannotTakeIsAnError) {
  RowTop2 state = make_row_top2(at::kCPU);
  EXPECT_THROW(observe_row_top2(at::ones({3, 1}), false, 254.49, state), Error);
  EXPECT_THROW(observe_row_top2(at::ones({}), false, 254.49, state), Error);
  EXPECT_THROW(observe_row_top2(at::ones({3, 4}, at::kInt), false, 254.49, state), Error);
}

}  // namespace
}  // namespace ppq::kernels::test
