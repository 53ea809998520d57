#pragma once

#include "kernels/cuda/scale_map.cuh"
#include "kernels/cuda/vectors.cuh"

namespace ppq::kernels::cuda {

/// How a block walks its channels of a ChannelView (see Partition): rows of group × inner neighbouring elements, `outer` of
/// them. A row is cut into vectors at 16-byte boundaries; (row, vector) pairs are numbered, and a block takes tiles of
/// kThreads × kVectors of them, `splits` tiles apart. So short rows fill a tile as well as long ones, and any alignment works.
struct RowPlan {
  int64_t units_a_row = 1, tiles = 0;
  FastDivide by_units, by_inner;
  bool narrow = true;   ///< unit numbers fit 31 bits
  bool ragged = false;  ///< there are rows that do not consist of whole vectors on 16-byte boundaries, and not one a channel
};

template <class T>
RowPlan plan_rows(const void* x, const ChannelView& view, const Partition& partition, int64_t units_a_tile) {
  RowPlan plan;
  int64_t width = partition.group * view.inner, pitch = view.channels * view.inner;
  bool regular = (pitch % kVector<T> == 0 || view.outer == 1) && (width % kVector<T> == 0 || partition.groups == 1);
  int64_t slack = regular ? vector_shift(static_cast<const T*>(x)) : kVector<T> - 1;
  plan.units_a_row = (width + slack + kVector<T> - 1) / kVector<T>;
  if (plan.units_a_row < 1) plan.units_a_row = 1;
  int64_t units = view.outer * plan.units_a_row;
  plan.tiles = (units + units_a_tile - 1) / units_a_tile;
  plan.narrow = units + units_a_tile < int64_t{1} << 31;
  if (plan.narrow) plan.by_units = make_fast_divide(plan.units_a_row);
  plan.ragged = view.outer > 1 && (slack != 0 || width % kVector<T> != 0 || !plan.narrow);
  if (view.inner > 0 && view.inner < int64_t{1} << 30) plan.by_inner = make_fast_divide(view.inner);
  return plan;
}

/// Where one vector lies. `column`: its first element's place in the block's row, negative for a row's ragged start.
struct RowUnit {
  int64_t row_start, column, width;
  /// Bit k: element k is inside the row.
  template <class T>
  __device__ uint32_t valid() const {
    uint32_t low = column < 0 ? static_cast<uint32_t>(-column) : 0;
    int64_t left = width - column;
    uint32_t high = left >= kVector<T> ? kVector<T> : left > 0 ? static_cast<uint32_t>(left) : 0;
    return low < high ? ((1u << high) - 1) & ~((1u << low) - 1) : 0;
  }
};

template <class T>
__device__ RowUnit row_unit(const void* x, const ChannelView& view, const Partition& partition, const RowPlan& plan, int64_t group,
                            int64_t unit) {
  int64_t row, part;
  if (plan.narrow) {
    uint32_t quotient = fast_divide(static_cast<uint32_t>(unit), plan.by_units);
    row = quotient;
    part = static_cast<uint32_t>(unit) - quotient * static_cast<uint32_t>(plan.units_a_row);
  } else {
    row = unit / plan.units_a_row;
    part = unit - row * plan.units_a_row;
  }
  int64_t channel = group * partition.group;
  int64_t channels = view.channels - channel < partition.group ? view.channels - channel : partition.group;
  RowUnit result;
  result.row_start = (row * view.channels + channel) * view.inner;
  result.width = row < view.outer ? channels * view.inner : 0;
  result.column = part * kVector<T> - vector_shift(static_cast<const T*>(x) + result.row_start);
  return result;
}

}  // namespace ppq::kernels::cuda
