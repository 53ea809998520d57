#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ppq/error.h"
#include "support/op_run.h"

namespace ppq::test {
namespace {

struct Reduction {
  const char* name;
  float (*combine)(float, float);
};

const Reduction kReductions[] = {{"none", [](float, float u) { return u; }},
                                 {"add", [](float a, float u) { return a + u; }},
                                 {"mul", [](float a, float u) { return a * u; }},
                                 {"max", [](float a, float u) { return std::max(a, u); }},
                                 {"min", [](float a, float u) { return std::min(a, u); }}};

TEST(ScatterElements, EveryReductionWithRepeatedAndNegativeIndices) {
  const at::Tensor x = iota({3, 4}) - 5, repeated = ints({1, -1, 1, 0, 2, -1}).reshape({2, 3}),
                   different = ints({1, -1, 1, 0, 1, -1}).reshape({2, 3}), updates = floats({5, -6, 7, 8, -9, 2}).reshape({2, 3});
  for (const Reduction& r : kReductions) {
    // The standard leaves open which of two writes to one place wins.
    const at::Tensor& index = std::string(r.name) == "none" ? different : repeated;
    at::Tensor expected = x.clone();
    for (int64_t i = 0; i < 2; ++i)
      for (int64_t j = 0; j < 3; ++j) {
        const int64_t at = (index[i][j].item<int64_t>() + 3) % 3;
        expected[at][j] = r.combine(expected[at][j].item<float>(), updates[i][j].item<float>());
      }
    const at::Tensor kept = x.clone();
    EXPECT_EQ(difference(OpRun("ScatterElements", 18).attr("reduction", std::string(r.name))({x, index, updates}), expected), "") << r.name;
    EXPECT_TENSOR(x, kept);
  }
  EXPECT_TENSOR(OpRun("Scatter", 9).attr("axis", int64_t{-1})({floats({1, 2, 3}), ints({-1}), floats({9})}), floats({1, 2, 9}));
  EXPECT_THROW(OpRun("ScatterElements", 18).attr("reduction", std::string("avg"))({x, repeated, updates}), Error);
}

TEST(ScatterNd, EveryReductionOfSlices) {
  const at::Tensor x = iota({2, 3, 2}) - 4, repeated = ints({0, 1, 1, -1, 0, 1}).reshape({3, 2}),
                   different = ints({0, 1, 1, -1, 1, 0}).reshape({3, 2}), updates = iota({3, 2}) - 2;
  for (const Reduction& r : kReductions) {
    // Which of two writes to one place wins is for the standard to leave open; a GPU does.
    const at::Tensor& index = std::string(r.name) == "none" ? different : repeated;
    at::Tensor expected = x.clone();
    for (int64_t i = 0; i < 3; ++i) {
      const int64_t a = index[i][0].item<int64_t>(), b = (index[i][1].item<int64_t>() + 3) % 3;
      for (int64_t j = 0; j < 2; ++j) expected[a][b][j] = r.combine(expected[a][b][j].item<float>(), updates[i][j].item<float>());
    }
    EXPECT_EQ(difference(OpRun("ScatterND", 18).attr("reduction", std::string(r.name))({x, index, updates}), expected), "") << r.name;
  }
}

TEST(ScatterNd, WholeTensorsElementsAndTypes) {
  EXPECT_TENSOR(OpRun("ScatterND", 11)({floats({1, 2, 3}), ints({2, 0}).reshape({2, 1}), floats({30, 10})}), floats({10, 2, 30}));
  EXPECT_TENSOR(OpRun("ScatterND", 11)({bools({0, 0}), ints({1}).reshape({1, 1}), bools({1})}), bools({0, 1}));
  EXPECT_TENSOR(OpRun("ScatterND", 11)({floats({1, 2}), at::empty({0, 1}, at::kLong), at::empty({0})}), floats({1, 2}));
  EXPECT_TENSOR(OpRun("ScatterND", 13)({ints({1, 2}).to(at::kHalf), ints({0}).reshape({1, 1}), ints({5}).to(at::kHalf)}),
                ints({5, 2}).to(at::kHalf));
}

}  // namespace
}  // namespace ppq::test
