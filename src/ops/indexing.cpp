#include "ops/indexing.h"

#include <ATen/ATen.h>

#include "ops/dtypes.h"

namespace ppq::ops {

at::Tensor wrapped(const at::Tensor& indices, int64_t length, const at::Tensor& x) {
  const at::Tensor index = on_device_of(indices.to(at::kLong), x);
  return at::where(index.lt(0), index.add(length), index);
}

Rows indexing() {
  Rows rows = gather_rows();
  append(rows, scatter_rows());
  append(rows, slice_rows());
  append(rows, pad_rows());
  return rows;
}

}  // namespace ppq::ops
