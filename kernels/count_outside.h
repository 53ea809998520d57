#pragma once

#include <ATen/core/Tensor.h>

namespace ppq::kernels {

/// How many elements of x lie below `low` or above `high`, in the precision of x: float64 [] on x's device, which nobody waits for.
at::Tensor count_outside(const at::Tensor& x, double low, double high);

}  // namespace ppq::kernels
