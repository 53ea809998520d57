#include "kernels/row_top2.h"

#include <ATen/ATen.h>

#include "kernels/cuda/layout.h"
#include "kernels/cuda/on_device.h"

namespace ppq::kernels::cuda {

void observe_row_top2(const at::Tensor& x, bool symmetric, double steps, RowTop2& state) {
  if (x.numel() == 0) return;
  OnDevice device(x.device());
  const at::Tensor input = x.contiguous();
  const RowTop2Work work{input.const_data_ptr(),
                         input.numel() / input.size(-1),
                         input.size(-1),
                         symmetric,
                         steps,
                         state.cells.mutable_data_ptr<int64_t>(),
                         state.range.minimum.mutable_data_ptr<float>(),
                         state.range.maximum.mutable_data_ptr<float>(),
                         state.range.nonfinite.mutable_data_ptr<int64_t>()};
  launch_row_top2(work, dtype_of(input, "observe_row_top2"), 8 * multiprocessors(), device.stream());
}

}  // namespace ppq::kernels::cuda
