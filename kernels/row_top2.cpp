#include "kernels/row_top2.h"

#include <ATen/ATen.h>

#include "kernels/row_top2_rules.h"
#include "ppq/error.h"

namespace ppq::kernels {

RowTop2 make_row_top2(at::Device device) {
  return {at::zeros({2, top2::kCells}, at::device(device).dtype(at::kLong)), make_range(1, device)};
}

void observe_row_top2(const at::Tensor& x, bool symmetric, double steps, RowTop2& state) {
  const char* function = "observe_row_top2";
  if (x.dim() == 0 || x.size(-1) < 2)
    throw Error(ErrorKind::Internal, function, "length of rows: got " + std::to_string(x.dim() ? x.size(-1) : 1) + ", expected 2 or more");
  if (state.cells.numel() != 2 * top2::kCells || state.range.minimum.numel() != 1)
    throw Error(ErrorKind::Internal, function,
                "state: got " + std::to_string(state.cells.numel()) + " cells, expected those of make_row_top2");
  if (state.cells.device() != x.device())
    throw Error(ErrorKind::Internal, function,
                "device: got a tensor on " + x.device().str() + ", expected that of the state, " + state.cells.device().str());
  if (!x.device().is_cpu() && !x.device().is_cuda())
    throw Error(ErrorKind::Unsupported, function, "device: got " + x.device().str() + ", expected cpu or cuda");
  x.device().is_cuda() ? cuda::observe_row_top2(x, symmetric, steps, state) : cpu::observe_row_top2(x, symmetric, steps, state);
}

}  // namespace ppq::kernels
