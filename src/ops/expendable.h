#pragma once

#include <ATen/core/Tensor.h>

namespace ppq::ops {

/// True for an input that nobody reads any more: the executor hands over the last reference to a tensor that dies at a step.
/// A kernel may write its result into it. Views, constants and tensors that a caller or a watcher holds are never expendable.
inline bool expendable(const at::Tensor& input) {
  return input.use_count() == 1 && input.storage().use_count() == 1 && input.is_non_overlapping_and_dense();
}

/// The input itself, to be written into. Only where `expendable`.
inline at::Tensor overwrite(const at::Tensor& input) { return input; }

}  // namespace ppq::ops
