#include "kernels/observe_blocks.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "ppq/error.h"

namespace ppq::kernels {
namespace {

/// x as [outer, length, inner].
struct BlockView {
  int64_t outer, length, inner, block, blocks;
  int64_t missing() const { return blocks * block - length; }
};
BlockView view_of(const at::Tensor& x, int64_t axis, int64_t block, const char* function) {
  if (axis < 0 || axis >= x.dim() || block < 1) {
    throw Error(ErrorKind::Internal, function,
                "axis and block: got " + std::to_string(axis) + " and " + std::to_string(block) + " for " + std::to_string(x.dim()) +
                    " dimensions");
  }
  const int64_t length = x.size(axis);
  block = std::clamp<int64_t>(length, 1, block);
  return {c10::multiply_integers(x.sizes().slice(0, axis)), length, c10::multiply_integers(x.sizes().slice(axis + 1)), block,
          (length + block - 1) / block};
}

/// Channels [begin, begin + count), in the memory of all.
Histogram part_of(const Histogram& h, int64_t begin, int64_t count) {
  auto part = [&](const at::Tensor& x) { return x.narrow(0, begin, count); };
  return {part(h.counts), part(h.first), part(h.exponent), part(h.minimum), part(h.maximum), part(h.nonfinite)};
}

}  // namespace

at::Tensor block_rows(const at::Tensor& x, int64_t axis, int64_t block) {
  const BlockView v = view_of(x, axis, block, "block_rows");
  at::Tensor rows = x.reshape({v.outer, v.length, v.inner});
  if (v.missing()) rows = at::constant_pad_nd(rows, {0, 0, 0, v.missing()}, std::numeric_limits<double>::quiet_NaN());
  return rows.view({v.outer, v.blocks, v.block, v.inner}).transpose(2, 3).reshape({v.outer * v.blocks * v.inner, v.block});
}

void observe_blocks(const at::Tensor& x, int64_t axis, int64_t block, Histogram& histogram) {
  constexpr int64_t kScratch = int64_t{1} << 24;  // bins that a kernel may keep beside the histograms
  const BlockView v = view_of(x, axis, block, "observe_blocks");
  const int64_t channels = v.outer * v.blocks * v.inner;
  if (histogram.channels() != channels) {
    throw Error(ErrorKind::Internal, "observe_blocks",
                "blocks: got a histogram of " + std::to_string(histogram.channels()) + " channels, expected " + std::to_string(channels));
  }
  if (x.numel() == 0) return;
  const at::Tensor rows = block_rows(x, axis, block);
  const int64_t together = std::max<int64_t>(1, kScratch / histogram.bins());
  for (int64_t begin = 0; begin < channels; begin += together) {
    const int64_t count = std::min(together, channels - begin);
    Histogram part = part_of(histogram, begin, count);
    observe(rows.narrow(0, begin, count), 0, part);
  }
  // What was filled up counted as NaN.
  if (v.missing()) histogram.nonfinite.view({v.outer, v.blocks, v.inner}).select(1, v.blocks - 1).sub_(v.missing());
}

}  // namespace ppq::kernels
