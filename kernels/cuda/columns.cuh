#pragma once

#include "kernels/cuda/vectors.cuh"

namespace ppq::kernels::cuda {

inline constexpr int kColumnLanes = 32, kRowLanes = 8, kColumnThreads = kColumnLanes * kRowLanes;

/// The walk of one thread down the rows of a view (see ColumnPlan). A block is 32 lanes wide and 8 rows high; lane l takes
/// kWidth columns, and rows `row`, row + step, ...
template <int kWidth>
struct ColumnWalk {
  int64_t column, columns, row, step;
  __device__ ColumnWalk(const ChannelView& view, const ColumnPlan& plan) {
    uint32_t split = blockIdx.x / static_cast<uint32_t>(plan.blocks), block = blockIdx.x - split * static_cast<uint32_t>(plan.blocks);
    columns = view.channels * view.inner;
    column = (static_cast<int64_t>(block) * kColumnLanes + threadIdx.x % kColumnLanes) * kWidth;
    row = static_cast<int64_t>(split) * kRowLanes + threadIdx.x / kColumnLanes;
    step = plan.splits * kRowLanes;
  }
};

/// kWidth elements of one row; none where `inside` is false.
template <int kWidth, class T>
__device__ Vector<T, kWidth> load_columns(const T* x, int64_t at, bool inside) {
  if (inside) return *reinterpret_cast<const Vector<T, kWidth>*>(x + at);
  return Vector<T, kWidth>{};
}

}  // namespace ppq::kernels::cuda
