#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <string>

// Sizes of tensors come from files. What a file asks for is held against these bounds before memory is touched.

namespace ppq::ops {

/// While one lives, no tensor that its thread makes on the host may be larger: making it throws Resource.
class TensorBound {
 public:
  explicit TensorBound(size_t bytes);
  ~TensorBound();
  TensorBound(const TensorBound&) = delete;

 private:
  size_t before_;
};

/// From now on all tensors on the host together (weights that are mapped from a file aside) may take that much: the one that exceeds
/// it throws Resource. 0: no bound.
void bound_tensor_memory(size_t bytes);
/// While one lives, all tensors on the host together may take only so many bytes more than when it was made, as above; a lower bound
/// that is there already holds.
class GrowthBound {
 public:
  explicit GrowthBound(size_t bytes);
  ~GrowthBound();
  GrowthBound(const GrowthBound&) = delete;

 private:
  size_t before_;
};
/// What a program may sensibly take of this machine or container.
size_t share_of_memory();

/// Throws Resource where a tensor of these sizes would break a bound (or be larger than any), Model where one is negative; `type` is the
/// operator. For kernels that work on lists as long as their result.
void check_room(const std::string& type, at::IntArrayRef sizes, size_t element_bytes = 8);

}  // namespace ppq::ops
