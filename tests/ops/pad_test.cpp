#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ppq/error.h"
#include "support/op_run.h"

namespace ppq::test {
namespace {

using Ints = std::vector<int64_t>;

/// The index that position i copies, walked step by step.
int64_t walk(int64_t i, int64_t n, const std::string& mode) {
  if (mode == "edge") return i < 0 ? 0 : i >= n ? n - 1 : i;
  if (mode == "wrap") {
    while (i < 0) i += n;
    while (i >= n) i -= n;
    return i;
  }
  while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
  return i;
}

/// A matrix padded by plain loops.
at::Tensor padded(const at::Tensor& x, const Ints& pads, const std::string& mode, float value) {
  const int64_t h = x.size(0), w = x.size(1), top = pads[0], left = pads[1];
  at::Tensor y = at::full({h + top + pads[2], w + left + pads[3]}, value);
  for (int64_t i = 0; i < y.size(0); ++i)
    for (int64_t j = 0; j < y.size(1); ++j) {
      int64_t a = i - top, b = j - left;
      const bool inside = a >= 0 && a < h && b >= 0 && b < w;
      if (mode == "constant" && !inside) continue;
      if (!inside) a = walk(a, h, mode), b = walk(b, w, mode);
      y[i][j] = x[a][b];
    }
  return y;
}

TEST(Pad, EveryModeAndForm) {
  const at::Tensor x = iota({3, 4});
  for (const std::string mode : {"constant", "reflect", "edge", "wrap"})
    for (const Ints& pads : {Ints{1, 2, 0, 1}, Ints{2, 0, 2, 3}, Ints{-1, 1, 0, -2}, Ints{0, 0, 0, 0}}) {
      const at::Tensor value = at::scalar_tensor(3.f);
      const at::Tensor by_input = OpRun("Pad", 19).attr("mode", mode)({x, at::tensor(at::IntArrayRef(pads), at::kLong), value});
      EXPECT_EQ(difference(by_input, padded(x, pads, mode, 3)), "") << mode;
      if (mode == "wrap") continue;
      const OpRun old = OpRun("Pad", 2).attr("mode", mode).attr("pads", pads).attr("value", 3.f);
      EXPECT_EQ(difference(old(x), padded(x, pads, mode, 3)), "") << mode << " by attribute";
      // Two leading axes: LibTorch's own kernels where they apply.
      Ints wide{0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]};
      const at::Tensor image = x.expand({2, 3, 3, 4});
      const at::Tensor y = OpRun("Pad", 11).attr("mode", mode)({image, at::tensor(at::IntArrayRef(wide), at::kLong), value});
      EXPECT_EQ(difference(y, padded(x, pads, mode, 3).expand({2, 3, -1, -1})), "") << mode << " of an image";
    }
}

TEST(Pad, AxesAndAbsentValue) {
  const at::Tensor x = iota({2, 2});
  EXPECT_TENSOR(OpRun("Pad", 18)({x, ints({1, 0}), at::Tensor(), ints({-1})}), floats({0, 0, 1, 0, 2, 3}).reshape({2, 3}));
  EXPECT_TENSOR(OpRun("Pad", 13)({ints({7}).to(at::kInt), ints({0, 1})}), ints({7, 0}).to(at::kInt));
  EXPECT_TENSOR(OpRun("Pad", 1).attr("paddings", Ints{0, 1})(floats({7})), floats({7, 0}));
  EXPECT_THROW(OpRun("Pad", 13)({x, ints({1, 0})}), Error);
  EXPECT_THROW(OpRun("Pad", 13).attr("mode", std::string("wrap"))({x, ints({1, 0, 0, 0})}), Error);
}

}  // namespace
}  // namespace ppq::test
