#pragma once

#include "kernels/kernels.h"

namespace ppq::kernels {

/// Blocks of `block` elements along `axis` of x as rows [blocks, block], in the order of observe_range_blocks. What a shorter
/// last block lacks is NaN. A view where blocks lie in memory as they are, else a copy.
at::Tensor block_rows(const at::Tensor& x, int64_t axis, int64_t block);

/// observe() of each block as a channel of its own: `histogram` has one channel a block, in the order of observe_range_blocks;
/// the last block of an axis may be shorter.
void observe_blocks(const at::Tensor& x, int64_t axis, int64_t block, Histogram& histogram);

}  // namespace ppq::kernels
