#pragma once

#include "kernels/kernels.h"

namespace ppq::kernels {

/// What rows whose largest element matters ask of a scale (see kernels/row_top2_rules.h). State on one device, updated in place.
struct RowTop2 {
  at::Tensor cells;  ///< int64 [2, cells of the grid]: rows whose interval of scales starts there, and ends there
  Range range;       ///< one channel: of all values
};
RowTop2 make_row_top2(at::Device device);
/// Reads x (float32, float16, bfloat16; rows of 2 or more along its last axis) once. `steps`: of the quantized range that the
/// second largest value may take. NaN and Inf are counted and otherwise left out. x that is not contiguous is copied.
void observe_row_top2(const at::Tensor& x, bool symmetric, double steps, RowTop2& state);

namespace cpu {
void observe_row_top2(const at::Tensor& x, bool symmetric, double steps, RowTop2& state);
}
namespace cuda {
void observe_row_top2(const at::Tensor& x, bool symmetric, double steps, RowTop2& state);
}

}  // namespace ppq::kernels
