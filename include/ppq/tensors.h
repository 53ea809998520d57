#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace ppq {

/// Tensors in the order of graph inputs or outputs.
using Tensors = std::vector<at::Tensor>;

}  // namespace ppq
