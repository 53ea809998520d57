// The two largest values of each row (contiguous, along the last axis), turned into an interval of scales and counted on a
// grid, with the range of all values and their non-finite count, in one read of x and one launch.
// Short rows: up to 32 lanes share a row and join by shuffles. Long rows: a block takes a row and joins in shared memory.
// 16-byte vectors cut at 16-byte boundaries, whatever a row's alignment; kTop2Ahead of them in flight a thread.
// Counts are int64 atomics, one thread a row: integers, so no order shows. Rows of one tensor often end in the same cell: a
// thread keeps the count of its last cells and adds it when others come. Range: shared memory, then atomics once a block.
// Traffic: x once. Everything that decides a cell is in kernels/row_top2_rules.h: equal to the CPU's bits.
#include "kernels/cuda/extremes.cuh"
#include "kernels/cuda/vectors.cuh"
#include "kernels/row_top2_rules.h"

namespace ppq::kernels::cuda {
namespace {

constexpr int kTop2Threads = 256, kTop2Warps = kTop2Threads / 32, kTop2Ahead = 4;
/// Rows of more bytes take a block.
constexpr int64_t kTop2LongRow = 8192;

using top2::Interval;
using top2::Pair;

/// Takes in the vectors `thread`, thread + threads, ... of a row; the high end of the range is that of the pairs.
template <class T>
__device__ void read_row(const T* row, int64_t length, int thread, int threads, Pair& pair, Extremes& range) {
  const int shift = vector_shift(row);
  const int64_t vectors = (length + shift + kVector<T> - 1) / kVector<T>;
  for (int64_t first = thread; first < vectors; first += kTop2Ahead * static_cast<int64_t>(threads)) {
    Vector<T> values[kTop2Ahead];
    PPQ_UNROLL for (int v = 0; v < kTop2Ahead; ++v) {
      values[v] = load_vector(row, (first + v * static_cast<int64_t>(threads)) * kVector<T> - shift, length, true);
    }
    PPQ_UNROLL for (int v = 0; v < kTop2Ahead; ++v) {
      const int64_t begin = (first + v * static_cast<int64_t>(threads)) * kVector<T> - shift;
      PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) {
        if (begin + k < 0 || begin + k >= length) continue;
        const float x = to_float(values[v].value[k]);
        if (!numerics::is_finite(x)) {
          ++range.odd;
          continue;
        }
        range.low = x < range.low ? x : range.low;
        top2::take_in(pair, x);
      }
    }
  }
}

__device__ void join_lane(Pair& pair, int step) {
  const float first = __shfl_xor_sync(kFullWarp, pair.first, step), second = __shfl_xor_sync(kFullWarp, pair.second, step);
  top2::join(pair, {first, second});
}

/// Counts intervals, equal ones that follow each other together.
struct Counter {
  int64_t* cells;
  Interval last = {-1, -1};
  unsigned long long count = 0;
  __device__ void add(Interval one) {
    if (one.start != last.start || one.end != last.end) {
      flush();
      last = one;
    }
    ++count;
  }
  __device__ void flush() {
    if (last.start >= 0) {
      atomicAdd(reinterpret_cast<unsigned long long*>(cells) + last.start, count);
      atomicAdd(reinterpret_cast<unsigned long long*>(cells) + top2::kCells + last.end, count);
    }
    count = 0;
  }
};

/// Joins the ranges of a block's threads and takes them into the state.
template <class Lows, class Highs, class Odds>
__device__ void take_in(const RowTop2Work& work, Extremes range, Lows lows, Highs highs, Odds odds) {
  PPQ_ROLLED for (int step = 16; step > 0; step /= 2) range.join_lane(step);
  const int thread = static_cast<int>(threadIdx.x);
  if (thread % 32 == 0) {
    lows[thread / 32] = range.low;
    highs[thread / 32] = range.high;
    odds[thread / 32] = range.odd;
  }
  __syncthreads();
  if (thread != 0) return;
  unsigned long long odd = 0;
  for (int warp = 0; warp < kTop2Warps; ++warp) {
    const float low = lows[warp], high = highs[warp];
    range.low = low < range.low ? low : range.low;
    range.high = high > range.high ? high : range.high;
    odd += static_cast<uint32_t>(odds[warp]);
  }
  if (odd != 0) atomicAdd(reinterpret_cast<unsigned long long*>(work.nonfinite), odd);
  if (range.low > range.high) return;
  atomic_min(work.minimum, numerics::canonical_zero(range.low));
  atomic_max(work.maximum, numerics::canonical_zero(range.high));
}

template <class T>
__global__ void __launch_bounds__(kTop2Threads) row_top2_lanes_kernel(const __grid_constant__ RowTop2Work work, int lanes) {
  PPQ_SHARED(float, lows, kTop2Warps);
  PPQ_SHARED(float, highs, kTop2Warps);
  PPQ_SHARED(uint32_t, odds, kTop2Warps);
  const int thread = static_cast<int>(threadIdx.x), lane = thread % lanes, groups = kTop2Threads / lanes;
  Extremes range;
  Counter counter{work.cells};
  for (int64_t first = blockIdx.x * static_cast<int64_t>(groups); first < work.rows; first += static_cast<int64_t>(gridDim.x) * groups) {
    const int64_t row = first + thread / lanes;
    Pair pair{-infinity(), -infinity()};
    if (row < work.rows) read_row(static_cast<const T*>(work.x) + row * work.length, work.length, lane, lanes, pair, range);
    PPQ_ROLLED for (int step = lanes / 2; step > 0; step /= 2) join_lane(pair, step);
    range.high = pair.first > range.high ? pair.first : range.high;
    if (lane == 0 && row < work.rows) counter.add(top2::interval_of(pair, work.symmetric, work.steps));
  }
  counter.flush();
  take_in(work, range, lows, highs, odds);
}

template <class T>
__global__ void __launch_bounds__(kTop2Threads) row_top2_block_kernel(const __grid_constant__ RowTop2Work work) {
  PPQ_SHARED(float, lows, kTop2Warps);
  PPQ_SHARED(float, highs, kTop2Warps);
  PPQ_SHARED(uint32_t, odds, kTop2Warps);
  PPQ_SHARED(float, firsts, kTop2Warps);
  PPQ_SHARED(float, seconds, kTop2Warps);
  const int thread = static_cast<int>(threadIdx.x);
  Extremes range;
  Counter counter{work.cells};
  for (int64_t row = blockIdx.x; row < work.rows; row += gridDim.x) {
    Pair pair{-infinity(), -infinity()};
    read_row(static_cast<const T*>(work.x) + row * work.length, work.length, thread, kTop2Threads, pair, range);
    PPQ_ROLLED for (int step = 16; step > 0; step /= 2) join_lane(pair, step);
    range.high = pair.first > range.high ? pair.first : range.high;
    if (thread % 32 == 0) {
      firsts[thread / 32] = pair.first;
      seconds[thread / 32] = pair.second;
    }
    __syncthreads();
    if (thread == 0) {
      for (int warp = 1; warp < kTop2Warps; ++warp) top2::join(pair, {firsts[warp], seconds[warp]});
      counter.add(top2::interval_of(pair, work.symmetric, work.steps));
    }
    __syncthreads();
  }
  counter.flush();
  take_in(work, range, lows, highs, odds);
}

}  // namespace

void launch_row_top2(const RowTop2Work& work, DType dtype, int64_t blocks, Stream stream) {
  with_storage(dtype, [&](auto storage) {
    using T = decltype(storage);
    auto grid = [&](int64_t wanted) { return wanted < blocks ? wanted : blocks; };
    if (work.length * static_cast<int64_t>(sizeof(T)) > kTop2LongRow) {
      launch_kernel(row_top2_block_kernel<T>, grid(work.rows), kTop2Threads, 0, stream, work);
      return;
    }
    int lanes = 1;
    while (lanes < 32 && lanes * kVector<T> < work.length) lanes *= 2;
    const int64_t groups = kTop2Threads / lanes;
    launch_kernel(row_top2_lanes_kernel<T>, grid((work.rows + groups - 1) / groups), kTop2Threads, 0, stream, work, lanes);
  });
}

}  // namespace ppq::kernels::cuda
