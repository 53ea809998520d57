// Running minimum, maximum and non-finite count of blocks of elements along an axis, in one read of x (contiguous, read as
// [outer, axis, inner]).
// Neighbouring elements (inner 1): up to 32 lanes share a block, 16-byte vectors, and join their ranges by shuffles. Else a
// thread keeps to kVector neighbouring columns (one, where they are not aligned) and walks down the rows of a block.
// Each block's range is taken into the state by one thread, without atomics. Traffic: x once, 2 × 16 bytes a block.
// -0 counts as +0: equal to the CPU's bits.
#include "kernels/cuda/extremes.cuh"
#include "kernels/cuda/scale_map.cuh"
#include "kernels/cuda/vectors.cuh"

namespace ppq::kernels::cuda {
namespace {

constexpr int kBlockRangeThreads = 256, kRowsAhead = 4;

/// n / divisor: a multiplication where all numbers are small.
__device__ int64_t divide(int64_t n, int64_t divisor, const FastDivide& by, bool narrow) {
  return narrow ? static_cast<int64_t>(fast_divide(static_cast<uint32_t>(n), by)) : n / divisor;
}

__device__ void take_in(const BlockRangeWork& work, int64_t block, const Extremes& range) {
  float low = numerics::canonical_zero(range.low), high = numerics::canonical_zero(range.high);
  if (low < work.minimum[block]) work.minimum[block] = low;
  if (high > work.maximum[block]) work.maximum[block] = high;
  if (range.odd != 0) work.nonfinite[block] += range.odd;
}

template <class T>
__global__ void __launch_bounds__(kBlockRangeThreads) range_blocks_kernel(BlockRangeWork work, int lanes, bool aligned) {
  const T* x = static_cast<const T*>(work.x);
  const int thread = static_cast<int>(threadIdx.x), lane = thread % lanes, groups = kBlockRangeThreads / lanes;
  const int64_t blocks_a_row = (work.axis + work.block - 1) / work.block, count = work.outer * blocks_a_row;
  for (int64_t first = blockIdx.x * static_cast<int64_t>(groups); first < count; first += static_cast<int64_t>(gridDim.x) * groups) {
    const int64_t block = first + thread / lanes;
    Extremes range;
    if (block < count) {
      const int64_t row = divide(block, blocks_a_row, work.by_row, work.narrow), start = (block - row * blocks_a_row) * work.block;
      const int64_t size = work.axis - start < work.block ? work.axis - start : work.block;
      const T* values = x + row * work.axis + start;
      for (int64_t at = lane * kVector<T>; at < size; at += lanes * kVector<T>) {
        const Vector<T> vector = load_vector(values, at, size, aligned);
        PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) {
          if (at + k < size) range.add(to_float(vector.value[k]));
        }
      }
    }
    PPQ_ROLLED for (int step = lanes / 2; step > 0; step /= 2) range.join_lane(step);
    if (lane == 0 && block < count) take_in(work, block, range);
  }
}

template <class T, int kWidth>
__global__ void __launch_bounds__(kBlockRangeThreads) range_block_columns_kernel(BlockRangeWork work) {
  const T* x = static_cast<const T*>(work.x);
  const int64_t blocks_a_row = (work.axis + work.block - 1) / work.block, columns = work.inner / kWidth;
  const int64_t count = work.outer * blocks_a_row * columns;
  for (int64_t item = blockIdx.x * static_cast<int64_t>(kBlockRangeThreads) + threadIdx.x; item < count;
       item += static_cast<int64_t>(gridDim.x) * kBlockRangeThreads) {
    const int64_t block = divide(item, columns, work.by_columns, work.narrow), column = (item - block * columns) * kWidth;
    const int64_t outer = divide(block, blocks_a_row, work.by_row, work.narrow), start = (block - outer * blocks_a_row) * work.block;
    const int64_t size = work.axis - start < work.block ? work.axis - start : work.block;
    const T* values = x + (outer * work.axis + start) * work.inner + column;
    Extremes ranges[kWidth];
    for (int64_t row = 0; row < size; row += kRowsAhead) {
      Vector<T, kWidth> vectors[kRowsAhead];
      PPQ_UNROLL for (int r = 0; r < kRowsAhead; ++r) {
        if (row + r < size) vectors[r] = *reinterpret_cast<const Vector<T, kWidth>*>(values + (row + r) * work.inner);
      }
      PPQ_UNROLL for (int r = 0; r < kRowsAhead; ++r) {
        if (row + r >= size) continue;
        PPQ_UNROLL for (int k = 0; k < kWidth; ++k) ranges[k].add(to_float(vectors[r].value[k]));
      }
    }
    PPQ_UNROLL for (int k = 0; k < kWidth; ++k) take_in(work, block * work.inner + column + k, ranges[k]);
  }
}

}  // namespace

void launch_observe_range_blocks(const BlockRangeWork& given, DType dtype, int64_t blocks, Stream stream) {
  with_storage(dtype, [&](auto storage) {
    using T = decltype(storage);
    BlockRangeWork work = given;
    const bool aligned = reinterpret_cast<uintptr_t>(work.x) % 16 == 0;
    auto grid = [&](int64_t threads) {
      const int64_t wanted = (threads + kBlockRangeThreads - 1) / kBlockRangeThreads;
      return wanted < blocks ? wanted : blocks;
    };
    const int64_t blocks_a_row = (work.axis + work.block - 1) / work.block, count = work.outer * blocks_a_row;
    const bool vectors = aligned && work.inner % kVector<T> == 0;
    const int64_t columns = work.inner / (vectors ? kVector<T> : 1);
    work.narrow = count * columns < int64_t{1} << 31;
    if (work.narrow) work.by_row = make_fast_divide(blocks_a_row), work.by_columns = make_fast_divide(columns);
    if (work.inner > 1) {
      auto kernel = vectors ? range_block_columns_kernel<T, kVector<T>> : range_block_columns_kernel<T, 1>;
      launch_kernel(kernel, grid(count * columns), kBlockRangeThreads, 0, stream, work);
      return;
    }
    int lanes = 1;
    while (lanes < 32 && lanes * kVector<T> < work.block) lanes *= 2;
    const bool whole = aligned && work.axis % kVector<T> == 0 && work.block % kVector<T> == 0;
    launch_kernel(range_blocks_kernel<T>, grid(count * lanes), kBlockRangeThreads, 0, stream, work, lanes, whole);
  });
}

}  // namespace ppq::kernels::cuda
