#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "ppq/graph.h"

namespace ppq {

/// `values` as `dtype`. Throws Data at `where` with the position of the first value the type cannot hold (a fraction or
/// an overflow for integers, a finite number that becomes infinite for floats).
at::Tensor cast_exactly(const at::Tensor& values, DataType dtype, const std::string& where);

/// Throws Data at `where` naming the first NaN or Inf with its position.
void require_finite(const at::Tensor& values, const std::string& where);

/// "[0, 2, 17, 5]": where element `flat` of a contiguous tensor of `sizes` is.
std::string position_text(at::IntArrayRef sizes, int64_t flat);

}  // namespace ppq
