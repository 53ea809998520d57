// The two largest values of each row (contiguous, along the last axis), turned into an interval of scales and counted on a
// grid, with the range of all values and their non-finite count, in one read of x and one launch.
// Short rows: a block stages a tile of whole rows in shared memory by 16-byte loads, the next one on its way in registers, and
// 1 to 32 lanes read a row, each from another place on, so that rows of any length meet different banks. Longer ones: a warp a
// row; the longest: a block a row. Both cut rows at 16-byte boundaries, kTop2Ahead vectors in flight a thread.
// All lanes of a row's group join, and the group's lanes keep a row each in turn, so that intervals (float64, a division and
// two logarithms) are computed by all lanes at once. They are counted in a table of the block's, or if it takes a row itself by
// atomics in global memory. Counts are integers, so no order shows. Range: shared memory, then atomics once a block.
// Traffic: x once. Everything that decides a cell is in kernels/row_top2_rules.h: equal to the CPU's bits.
#include "kernels/cuda/row_tops.cuh"

namespace ppq::kernels::cuda {
namespace {

constexpr int kTop2Threads = 256, kTop2Warps = kTop2Threads / 32, kTop2Ahead = 4;
/// Rows of more bytes take a block.
constexpr int64_t kTop2LongRow = 8192;
/// A tile of short rows, and the block's table of cells, in words of shared memory.
constexpr int kTop2Stage = kTop2Threads * kTop2Ahead * 4, kTop2Table = (2 * top2::kCells + 3) / 4 * 4;

using top2::Interval;

/// What `threads` threads (8 or more) see of a row, each its part.
template <class T>
__device__ RowSeen read_row(const T* row, int64_t length, int thread, int threads, uint32_t& odd) {
  const int shift = vector_shift(row);
  int64_t head = shift == 0 ? 0 : kVector<T> - shift;
  if (head > length) head = length;
  const Words* body = reinterpret_cast<const Words*>(row + head);
  const int64_t vectors = (length - head) / kVector<T>, tail = head + vectors * kVector<T> + thread;
  Tops<T> tops;
  int64_t v = thread;
  for (; v + (kTop2Ahead - 1) * threads < vectors; v += kTop2Ahead * threads) {
    Words words[kTop2Ahead];
    PPQ_UNROLL for (int i = 0; i < kTop2Ahead; ++i) words[i] = load_once(body + v + i * threads);
    PPQ_UNROLL for (int i = 0; i < kTop2Ahead; ++i) { PPQ_UNROLL for (int k = 0; k < 4; ++k) tops.add(words[i].value[k]); }
  }
  PPQ_ROLLED for (int64_t last = v; last < vectors; last += threads) {
    const Words words = load_once(body + last);
    PPQ_UNROLL for (int k = 0; k < 4; ++k) tops.add(words.value[k]);
  }
  RowSeen seen = tops.result();
  if (!seen.clean()) {
    seen = {};
    PPQ_ROLLED for (int64_t again = thread; again < vectors; again += threads) {
      const Words words = load_once(body + again);
      PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) seen.add_finite(element<T>(words, k), odd);
    }
  }
  if (thread < head) seen.add_finite(to_float(row[thread]), odd);
  if (tail < length) seen.add_finite(to_float(row[tail]), odd);
  return seen;
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

/// The block's table of cells.
template <class Table>
__device__ void clear(Table table) {
  for (int i = static_cast<int>(threadIdx.x); i < kTop2Table; i += kTop2Threads) table[i] = 0;
}
template <class Table>
__device__ void count(Table table, const Pair& pair, const RowTop2Work& work) {
  const Interval one = top2::interval_of(pair, work.symmetric, work.steps);
  if (one.start < 0) return;
  atomicAdd(&table[one.start], 1u);
  atomicAdd(&table[top2::kCells + one.end], 1u);
}
/// After a barrier.
template <class Table>
__device__ void flush(Table table, int64_t* cells) {
  for (int i = static_cast<int>(threadIdx.x); i < 2 * top2::kCells; i += kTop2Threads) {
    const uint32_t n = table[i];
    if (n != 0) atomicAdd(reinterpret_cast<unsigned long long*>(cells) + i, static_cast<unsigned long long>(n));
  }
}

/// A lane's rows to be counted: one of every `lanes` that its group reads.
struct Kept {
  Pair mine{-infinity(), -infinity()};
  int next = 0;
  template <class Table>
  __device__ void add(const Pair& pair, int lane, int lanes, Table table, const RowTop2Work& work) {
    if (lane == next) mine = pair;
    if (++next == lanes) flush(table, work);
  }
  template <class Table>
  __device__ void flush(Table table, const RowTop2Work& work) {
    count(table, mine, work);
    mine = {-infinity(), -infinity()};
    next = 0;
  }
};

template <class Stage>
__device__ void stage_vector(Stage stage, int v, const Words& words) {
#ifdef __CUDA_ARCH__
  reinterpret_cast<Words*>(stage)[v] = words;
#else
  for (int k = 0; k < 4; ++k) stage[4 * v + k] = words.value[k];
#endif
}

/// A tile: kTop2Threads / lanes rows, and so whole 16 bytes from the last one. kPaired: rows start and end with a word.
template <class T, bool kPaired>
__global__ void __launch_bounds__(kTop2Threads) row_top2_tiles_kernel(const __grid_constant__ RowTop2Work work, int lanes) {
  PPQ_DYNAMIC_SHARED(uint32_t, memory);
  PPQ_SHARED(float, lows, kTop2Warps);
  PPQ_SHARED(float, highs, kTop2Warps);
  PPQ_SHARED(uint32_t, odds, kTop2Warps);
  constexpr int kElements = kPaired ? 4 / static_cast<int>(sizeof(T)) : 1;  // read at once
  auto table = memory, stage = memory + kTop2Table;
  clear(table);
  const T* x = static_cast<const T*>(work.x);
  const int thread = static_cast<int>(threadIdx.x), lane = thread % lanes, rows = kTop2Threads / lanes, row = thread / lanes;
  const int length = static_cast<int>(work.length), shift = vector_shift(x);
  const int vectors = (rows * length + shift + kVector<T> - 1) / kVector<T>;
  const int64_t tiles = (work.rows + rows - 1) / rows, total = work.rows * length;
  const int begin = (shift + row * length) / kElements, units = length / kElements, steps = (units - lane + lanes - 1) / lanes;
  const int start = lane + row % steps * lanes;
  Words ahead[kTop2Ahead];
  auto load = [&](int64_t tile) {
    PPQ_UNROLL for (int i = 0; i < kTop2Ahead; ++i) {
      const int v = thread + i * kTop2Threads;
      if (v >= vectors) continue;
      const int64_t at = tile * rows * length + v * kVector<T> - shift;
      if (at >= 0 && at + kVector<T> <= total) {
        ahead[i] = load_once(reinterpret_cast<const Words*>(x + at));
      } else {
        const Vector<T> vector = load_vector(x, at, total, false);
        memcpy(&ahead[i], &vector, 16);
      }
    }
  };
  auto value = [&](int element_at) {
    if constexpr (sizeof(T) == 4) return numerics::float_of_bits(stage[element_at]);
    const uint32_t word = stage[element_at / 2] >> element_at % 2 * 16;
    return element<T>(Words{{word, 0, 0, 0}}, 0);
  };
  Extremes range;
  Kept kept;
  int64_t tile = blockIdx.x;
  if (tile < tiles) load(tile);
  for (; tile < tiles; tile += gridDim.x) {
    PPQ_UNROLL for (int i = 0; i < kTop2Ahead; ++i) {
      if (thread + i * kTop2Threads < vectors) stage_vector(stage, thread + i * kTop2Threads, ahead[i]);
    }
    __syncthreads();
    if (tile + gridDim.x < tiles) load(tile + gridDim.x);
    RowSeen seen;
    if (tile * rows + row < work.rows) {
      Tops<T> tops;
      for (int step = 0, at = start; step < steps; ++step) {
        if constexpr (kPaired)
          tops.add(stage[begin + at]);
        else
          seen.add(value(begin + at));
        at = at + lanes < units ? at + lanes : lane;
      }
      if constexpr (kPaired) seen = tops.result();
      if (!seen.clean()) {
        seen = {};
        PPQ_ROLLED for (int at = lane * kElements; at < length; at += lanes * kElements) {
          PPQ_ROLLED for (int k = 0; k < kElements; ++k) seen.add_finite(value(begin * kElements + at + k), range.odd);
        }
      }
    }
    range.low = seen.low < range.low ? seen.low : range.low;
    PPQ_ROLLED for (int step = lanes / 2; step > 0; step /= 2) join_lane(seen.pair, step);
    range.high = seen.pair.first > range.high ? seen.pair.first : range.high;
    kept.add(seen.pair, lane, lanes, table, work);
    __syncthreads();
  }
  kept.flush(table, work);
  take_in(work, range, lows, highs, odds);
  flush(table, work.cells);
}

template <class T>
__global__ void __launch_bounds__(kTop2Threads) row_top2_warps_kernel(const __grid_constant__ RowTop2Work work) {
  PPQ_SHARED(uint32_t, table, kTop2Table);
  PPQ_SHARED(float, lows, kTop2Warps);
  PPQ_SHARED(float, highs, kTop2Warps);
  PPQ_SHARED(uint32_t, odds, kTop2Warps);
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32;
  clear(table);
  __syncthreads();
  Extremes range;
  Kept kept;
  for (int64_t row = blockIdx.x * static_cast<int64_t>(kTop2Warps) + thread / 32; row < work.rows;
       row += static_cast<int64_t>(gridDim.x) * kTop2Warps) {
    RowSeen seen = read_row(static_cast<const T*>(work.x) + row * work.length, work.length, lane, 32, range.odd);
    range.low = seen.low < range.low ? seen.low : range.low;
    PPQ_ROLLED for (int step = 16; step > 0; step /= 2) join_lane(seen.pair, step);
    range.high = seen.pair.first > range.high ? seen.pair.first : range.high;
    kept.add(seen.pair, lane, 32, table, work);
  }
  kept.flush(table, work);
  take_in(work, range, lows, highs, odds);
  flush(table, work.cells);
}

template <class T>
__global__ void __launch_bounds__(kTop2Threads) row_top2_block_kernel(const __grid_constant__ RowTop2Work work) {
  PPQ_SHARED(float, lows, kTop2Warps);
  PPQ_SHARED(float, highs, kTop2Warps);
  PPQ_SHARED(uint32_t, odds, kTop2Warps);
  PPQ_SHARED(float, firsts, 2 * kTop2Warps);  // of two rows in turn: while thread 0 counts one, the others read the next
  PPQ_SHARED(float, seconds, 2 * kTop2Warps);
  const int thread = static_cast<int>(threadIdx.x);
  Extremes range;
  Counter counter{work.cells};
  int turn = 0;
  for (int64_t row = blockIdx.x; row < work.rows; row += gridDim.x, turn ^= kTop2Warps) {
    RowSeen seen = read_row(static_cast<const T*>(work.x) + row * work.length, work.length, thread, kTop2Threads, range.odd);
    range.low = seen.low < range.low ? seen.low : range.low;
    Pair pair = seen.pair;
    PPQ_ROLLED for (int step = 16; step > 0; step /= 2) join_lane(pair, step);
    range.high = pair.first > range.high ? pair.first : range.high;
    if (thread % 32 == 0) {
      firsts[turn + thread / 32] = pair.first;
      seconds[turn + thread / 32] = pair.second;
    }
    __syncthreads();
    if (thread != 0) continue;
    for (int warp = 1; warp < kTop2Warps; ++warp) top2::join(pair, {firsts[turn + warp], seconds[turn + warp]});
    counter.add(top2::interval_of(pair, work.symmetric, work.steps));
  }
  counter.flush();
  take_in(work, range, lows, highs, odds);
}

}  // namespace

void launch_row_top2(const RowTop2Work& work, DType dtype, int64_t blocks, Stream stream) {
  with_storage(dtype, [&](auto storage) {
    using T = decltype(storage);
    auto grid = [](int64_t wanted, int64_t most) { return wanted < most ? wanted : most; };
    const int64_t resident = (blocks + 1) / 2;  // tables of 32 KB: half as many as elsewhere
    if (work.length * static_cast<int64_t>(sizeof(T)) > kTop2LongRow) {
      launch_kernel(row_top2_block_kernel<T>, grid(work.rows, 16 * blocks), kTop2Threads, 0, stream, work);
      return;
    }
    int lanes = 1;
    while (lanes < 32 && (kTop2Threads / lanes * work.length + kVector<T>)*static_cast<int64_t>(sizeof(T)) > 4 * kTop2Stage) lanes *= 2;
    const int64_t rows = kTop2Threads / lanes;
    if ((rows * work.length + kVector<T>)*static_cast<int64_t>(sizeof(T)) > 4 * kTop2Stage) {
      launch_kernel(row_top2_warps_kernel<T>, grid((work.rows + kTop2Warps - 1) / kTop2Warps, resident), kTop2Threads, 0, stream, work);
      return;
    }
    const bool paired = sizeof(T) == 4 || (work.length % 2 == 0 && reinterpret_cast<uintptr_t>(work.x) % 4 == 0);
    auto kernel = paired ? row_top2_tiles_kernel<T, true> : row_top2_tiles_kernel<T, sizeof(T) == 4>;
    launch_kernel(kernel, grid((work.rows + rows - 1) / rows, resident), kTop2Threads, (kTop2Table + kTop2Stage) * 4, stream, work, lanes);
  });
}

}  // namespace ppq::kernels::cuda
