#include <ATen/ATen.h>

#include <algorithm>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/parallel.h"

namespace ppq::kernels::cpu {
namespace {

constexpr int64_t kGrain = 32768;  ///< elements a thread takes at least

}  // namespace

/// x as [outer, length, inner]: a work item is `block` (or what is left) rows of `inner` elements, with `inner` ranges.
void observe_range_blocks(const at::Tensor& x_in, int64_t axis, int64_t block, Range& range) {
  at::Tensor x = x_in.contiguous();
  const Type type = type_of(x, "observe_range_blocks");
  if (x.numel() == 0) return;
  const Level& level = current_level();
  const int64_t length = x.size(axis), inner = x.stride(axis), outer = x.numel() / (length * inner), size = x.element_size();
  block = std::min(block, length);
  const int64_t blocks = (length + block - 1) / block;
  const char* data = static_cast<const char*>(x.const_data_ptr());
  float* minimum = range.minimum.mutable_data_ptr<float>();
  float* maximum = range.maximum.mutable_data_ptr<float>();
  int64_t* nonfinite = range.nonfinite.mutable_data_ptr<int64_t>();
  parallel_for(outer * blocks, std::max<int64_t>(1, kGrain / (block * inner)), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t start = item % blocks * block, extent = std::min(block, length - start), first = item * inner;
      const char* values = data + (item / blocks * length + start) * inner * size;
      if (inner == 1) {
        level.range(values, type, extent, minimum + first, maximum + first, nonfinite + first);
      } else {
        level.range_varying(values, type, 0, extent, inner, minimum + first, maximum + first, nonfinite + first);
      }
      for (int64_t i = first; i < first + inner; ++i) {
        minimum[i] = numerics::canonical_zero(minimum[i]);
        maximum[i] = numerics::canonical_zero(maximum[i]);
      }
    }
  });
}

}  // namespace ppq::kernels::cpu
