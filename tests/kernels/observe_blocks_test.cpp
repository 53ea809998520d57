#include "kernels/observe_blocks.h"

#include "ppq/error.h"
#include "tests/kernels/cpu/cases.h"

namespace ppq::kernels::test {
namespace {

/// The elements of each block, gathered one by one.
std::vector<std::vector<float>> gathered(const at::Tensor& x, int64_t axis, int64_t block) {
  const at::Tensor values = x.to(at::kFloat).contiguous();
  const int64_t length = x.size(axis), blocks = (length + block - 1) / block;
  int64_t inner = 1;
  for (int64_t d = axis + 1; d < x.dim(); ++d) inner *= x.size(d);
  std::vector<std::vector<float>> result(static_cast<size_t>(length ? x.numel() / length * blocks : 0));
  for (int64_t i = 0; i < values.numel(); ++i)
    result[static_cast<size_t>((i / (length * inner) * blocks + i / inner % length / block) * inner + i % inner)].push_back(
        values.const_data_ptr<float>()[i]);
  return result;
}

TEST(ObserveBlocks, EveryBlockIsAHistogramOfItsElements) {
  struct {
    std::vector<int64_t> sizes;
    int64_t axis, block;
  } cases[] = {{{7}, 0, 3},      {{4, 64}, 1, 32},   {{4, 65}, 1, 32},    {{64, 5}, 0, 16},
               {{65, 5}, 0, 16}, {{3, 20, 4}, 1, 8}, {{2, 3, 4}, 2, 100}, {{5, 6}, 1, 1}};
  for (const auto& c : cases)
    for (at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
      const int64_t bins = 64;
      const at::Tensor batches[] = {with_awkward_values(random_values(c.sizes, 1), true).clamp(-1e4, 1e4).to(type),
                                    random_values(c.sizes, 2, 5).to(type)};
      const size_t count = gathered(batches[0], c.axis, c.block).size();
      Histogram all = make_histogram(static_cast<int64_t>(count), bins, at::kCPU);
      std::vector<Histogram> wanted;
      for (size_t b = 0; b < count; ++b) wanted.push_back(make_histogram(1, bins, at::kCPU));
      for (const at::Tensor& x : batches) {
        observe_blocks(x, c.axis, c.block, all);
        const auto elements = gathered(x, c.axis, c.block);
        for (size_t b = 0; b < count; ++b) observe(at::tensor(elements[b]), -1, wanted[b]);
      }
      for (size_t b = 0; b < count; ++b)
        for (at::Tensor Histogram::*field :
             {&Histogram::counts, &Histogram::first, &Histogram::exponent, &Histogram::minimum, &Histogram::maximum, &Histogram::nonfinite})
          EXPECT_TRUE(same_bits((all.*field)[static_cast<int64_t>(b)], (wanted[b].*field)[0]))
              << at::IntArrayRef(c.sizes) << " axis " << c.axis << " block " << b;
    }
}

TEST(ObserveBlocks, MoreBlocksThanOneCallTakes) {
  const at::Tensor x = random_values({300, 400}, 3).transpose(0, 1);
  Histogram all = make_histogram(400 * 100, 1024, at::kCPU), few = make_histogram(100, 1024, at::kCPU);
  observe_blocks(x, 1, 3, all);
  observe_blocks(x.slice(0, 399), 1, 3, few);
  EXPECT_TRUE(at::equal(all.counts.slice(0, 399 * 100), few.counts));
  EXPECT_EQ(all.counts.sum().item<int64_t>(), 300 * 400);
}

TEST(ObserveBlocks, WrongShapesAreErrors) {
  Histogram h = make_histogram(8, 16, at::kCPU);
  EXPECT_THROW(observe_blocks(at::ones({4, 65}), 1, 32, h), Error);
  EXPECT_THROW(observe_blocks(at::ones({4, 64}), 2, 32, h), Error);
  EXPECT_THROW(observe_blocks(at::ones({4, 64}), 1, 0, h), Error);
}

}  // namespace
}  // namespace ppq::kernels::test
