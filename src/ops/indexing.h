#pragma once

#include "ops/families.h"

// The parts of the indexing family.

namespace ppq::ops {

Rows gather_rows();   // Gather, GatherElements, GatherND, Compress, OneHot, NonZero, Unique, ReverseSequence
Rows scatter_rows();  // Scatter, ScatterElements, ScatterND, TensorScatter
Rows slice_rows();    // Slice, Split, Concat, Trilu, EyeLike
Rows pad_rows();      // Pad

/// int64 indices on x's device with negative ones counted from `length`.
at::Tensor wrapped(const at::Tensor& indices, int64_t length, const at::Tensor& x);

}  // namespace ppq::ops
