#include "tests/kernels/cpu/cases.h"

#include "ppq/error.h"

namespace ppq::kernels::test {
namespace {

struct Blocks {
  std::vector<int64_t> sizes;
  int64_t axis, block;
};
std::vector<Blocks> block_cases() {
  return {{{1}, 0, 1},           {{7}, 0, 3},          {{100}, 0, 32},       {{4, 64}, 1, 32},   {{4, 65}, 1, 32}, {{5, 12, 7}, 1, 4},
          {{5, 13, 7}, 1, 4},    {{8, 3, 3, 3}, 0, 2}, {{3, 4100}, 1, 5},    {{3, 41}, 1, 4100}, {{4, 30}, 1, 1},  {{64, 33}, 0, 16},
          {{2, 6, 40, 5}, 2, 7}, {{600, 300}, 0, 128}, {{300, 600}, 1, 128}, {{0, 8}, 1, 4},     {{3, 0}, 1, 4},   {{2, 3, 4}, 2, 4}};
}

/// By definition: every element is looked at with its block's number.
Range plain(const at::Tensor& x, const Blocks& c, Range range) {
  const at::Tensor values = x.to(at::kFloat).contiguous();
  const int64_t length = c.sizes[c.axis], blocks = (length + c.block - 1) / c.block;
  int64_t inner = 1;
  for (size_t d = c.axis + 1; d < c.sizes.size(); ++d) inner *= c.sizes[d];
  for (int64_t i = 0; i < values.numel(); ++i) {
    const float value = values.const_data_ptr<float>()[i];
    const int64_t at = (i / (length * inner) * blocks + i / inner % length / c.block) * inner + i % inner;
    float& low = range.minimum.mutable_data_ptr<float>()[at];
    float& high = range.maximum.mutable_data_ptr<float>()[at];
    if (!std::isfinite(value)) {
      ++range.nonfinite.mutable_data_ptr<int64_t>()[at];
      continue;
    }
    if (value < low) low = value + 0.0f;
    if (value > high) high = value + 0.0f;
  }
  return range;
}
Range copy_of(const Range& range) { return {range.minimum.clone(), range.maximum.clone(), range.nonfinite.clone()}; }

TEST(ObserveRangeBlocks, EqualsPlainLoopsAtEveryLevel) {
  for (const cpu::Level* level : cpu::available_levels()) {
    const cpu::UseLevel use(*level);
    for (const Blocks& c : block_cases())
      for (at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
        Range range = make_block_range(c.sizes, c.axis, c.block, at::kCPU);
        for (int batch = 0; batch < 3; ++batch) {
          const at::Tensor x = with_awkward_values(random_values(c.sizes, batch, 1 + batch), batch == 1).to(type);
          const Range wanted = plain(x, c, copy_of(range));
          observe_range_blocks(x, c.axis, c.block, range);
          const std::string what = std::string(level->name) + " " + c10::toString(type) + " axis " + std::to_string(c.axis) + " block " +
                                   std::to_string(c.block);
          EXPECT_TRUE(same_bits(range.minimum, wanted.minimum)) << what << x.sizes();
          EXPECT_TRUE(same_bits(range.maximum, wanted.maximum)) << what << x.sizes();
          EXPECT_TRUE(same_bits(range.nonfinite, wanted.nonfinite)) << what << x.sizes();
        }
      }
  }
}

TEST(ObserveRangeBlocks, AnyStrides) {
  const Blocks c{{6, 10, 8}, 1, 4};
  const at::Tensor x = random_values({8, 10, 12}, 1).permute({2, 1, 0}).slice(0, 0, 12, 2);
  Range range = make_block_range(c.sizes, 1, 4, at::kCPU);
  const Range wanted = plain(x, c, copy_of(range));
  observe_range_blocks(x, 1, 4, range);
  EXPECT_TRUE(same_bits(range.minimum, wanted.minimum));
  EXPECT_TRUE(same_bits(range.maximum, wanted.maximum));
}

TEST(ObserveRangeBlocks, WrongShapesAreErrors) {
  Range range = make_block_range({4, 64}, 1, 32, at::kCPU);
  EXPECT_EQ(range.minimum.sizes(), at::IntArrayRef({4, 2}));
  EXPECT_THROW(observe_range_blocks(at::ones({4, 65}), 1, 32, range), Error);
  EXPECT_THROW(observe_range_blocks(at::ones({4, 64}), 2, 32, range), Error);
  EXPECT_THROW(make_block_range({4, 64}, 1, 0, at::kCPU), Error);
}

}  // namespace
}  // namespace ppq::kernels::test
