#pragma once

#include "kernels/cuda/extremes.cuh"
#include "kernels/cuda/fast_bins.cuh"
#include "kernels/cuda/observe_table.cuh"

// Blocks that take part of one channel with long rows: one histogram in shared memory, tiles of 512 threads × 16 elements, the
// next one loaded before this one is counted. A warp's part of a tile whose bounds lie inside the window is counted without a look
// at single values (fast_bins.cuh): a multiply-add, an address and a shared atomic each; zeros of a Relu meet in one atomic a
// warp. Warps go on at their own pace until one meets a part that is not inside (the first, growth, NaN and Inf): it calls, the
// others come before their next part, and the block widens its range, then its window, merging bin pairs. The caller's part is
// read once more, value by value: rare, so the loop's registers need not last over it.
// kRagged: rows do not consist of whole vectors, and each element has a bit that says whether it is one of the row.
namespace ppq::kernels::cuda {
namespace {

constexpr int kRowThreads = 512;
/// Vectors of a tile a thread, and the blocks of a multiprocessor that its registers are meant for.
template <class T>
constexpr int kRowVectors = sizeof(T) == 4 ? 4 : 2;
template <class T>
constexpr int kRowUnits = kRowThreads* kRowVectors<T>;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800  // it has fewer threads
template <class T>
constexpr int kRowBlocks = 1;
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000  // its code wants more registers
template <class T>
constexpr int kRowBlocks = sizeof(T) == 4 ? 1 : 2;
#else
template <class T>
constexpr int kRowBlocks = sizeof(T) == 4 ? 2 : 3;
#endif

/// What a thread holds of a tile. Bit v × kVector + k of `valid`: element k of vector v is to be counted.
template <class T>
struct RowTile {
  static constexpr int kElements = kRowVectors<T> * kVector<T>;
  static constexpr uint32_t kAll = (1u << kElements) - 1;
  Words words[kRowVectors<T>];
  uint32_t valid;
  __device__ bool counts(int i) const { return valid >> i & 1; }
  __device__ float value(int i) const { return element<T>(words[i / kVector<T>], i % kVector<T>); }
};
/// One vector, and which of its elements are to be counted.
struct RowPiece {
  Words words;
  uint32_t valid;
};

/// Loads the tiles of a block's channel.
template <class T, bool kRagged>
class RowLoader {
 public:
  __device__ RowLoader(const ObserveEntry& entry, uint32_t channel) : entry_(entry), channel_(channel) {
    if constexpr (kRagged) return;
    const ChannelView& view = entry.work.view;
    const T* row = static_cast<const T*>(entry.work.x) + static_cast<int64_t>(channel) * view.inner;
    const int shift = vector_shift(row);
    base_ = reinterpret_cast<const Words*>(row - shift) + threadIdx.x;
    whole_begin_ = shift == 0 ? 0 : 1;  // a single row may start and end within a vector
    const int64_t vectors = view.outer == 1 ? (view.inner + shift) / kVector<T> : view.outer * entry.plan.units_a_row;
    whole_count_ = static_cast<uint32_t>(vectors / kRowUnits<T>);
    if (whole_count_ != 0) whole_count_ -= whole_begin_;
    gap_ = view.outer == 1 ? 0 : static_cast<uint32_t>((view.channels - 1) * entry.plan.units_a_row);
  }
  /// A tile that consists of whole vectors.
  __device__ bool whole(uint32_t tile) const { return kRagged || tile - whole_begin_ < whole_count_; }
  /// `tile` is a whole one.
  __device__ RowTile<T> load(uint32_t tile) const {
    RowTile<T> result;
    result.valid = kRagged ? 0 : RowTile<T>::kAll;
    PPQ_UNROLL for (int v = 0; v < kRowVectors<T>; ++v) {
      if constexpr (kRagged) {
        const RowPiece found = piece(tile, v);
        result.words[v] = found.words;
        result.valid |= found.valid << (v * kVector<T>);
      } else {
        const Words* from = base_ + static_cast<uint64_t>(tile) * kRowUnits<T>;
        const uint32_t unit = tile * kRowUnits<T> + v * kRowThreads + threadIdx.x;
        if (gap_ == 0)
          result.words[v] = load_once(from + v * kRowThreads);
        else
          result.words[v] = load_once(from + v * kRowThreads + static_cast<uint64_t>(fast_divide(unit, entry_.plan.by_units)) * gap_);
      }
    }
    return result;
  }
  /// A thread's vector v of any tile.
  __device__ RowPiece piece(uint32_t tile, int v) const {
    const T* x = static_cast<const T*>(entry_.work.x);
    const int64_t number = static_cast<int64_t>(tile) * kRowUnits<T> + v * kRowThreads + static_cast<int>(threadIdx.x);
    const RowUnit unit = row_unit<T>(x, entry_.work.view, entry_.work.partition, entry_.plan, channel_, number);
    const Vector<T> vector = load_vector(x + unit.row_start, unit.column, unit.width, true);
    RowPiece result;
    memcpy(&result.words, &vector, sizeof vector);
    result.valid = unit.template valid<T>();
    return result;
  }

 private:
  const ObserveEntry& entry_;
  uint32_t channel_, whole_begin_ = 0, whole_count_ = 0;
  uint32_t gap_ = 0;  ///< vectors between the end of one of the channel's rows and the start of the next
  const Words* base_ = nullptr;
};

/// Takes the threads' ranges into the block's. For all threads.
template <class Keys>
__device__ void share_range(float low, float high, Keys lowest, Keys highest) {
  PPQ_UNROLL for (int step = 16; step > 0; step /= 2) {
    low = fminf(low, __shfl_xor_sync(kFullWarp, low, step));
    high = fmaxf(high, __shfl_xor_sync(kFullWarp, high, step));
  }
  if (threadIdx.x % 32 != 0 || !(low <= high)) return;
  atomicMin(&lowest[0], ordered(numerics::canonical_zero(low)));
  atomicMax(&highest[0], ordered(numerics::canonical_zero(high)));
}

template <class T, bool kRagged>
__global__ void __launch_bounds__(kRowThreads, kRagged ? 1 : kRowBlocks<T>)
    observe_rows_kernel(const __grid_constant__ ObserveTable table) {
  PPQ_DYNAMIC_SHARED(uint32_t, counts);
  PPQ_SHARED(int32_t, lowest, 1);
  PPQ_SHARED(int32_t, highest, 1);
  PPQ_SHARED(int32_t, at, 2);  // the window
  PPQ_SHARED(uint32_t, called, 1);
  PPQ_SHARED(unsigned long long, nonfinite, 1);

  const Place place = find_entry<&ObserveEntry::observe_end>(table, blockIdx.x);
  const ObserveEntry& entry = table.entries[place.entry];
  const ObserveWork& work = entry.work;
  const int bins = table.bins, thread = static_cast<int>(threadIdx.x);
  const uint32_t splits = static_cast<uint32_t>(work.partition.splits), channel = place.block / splits,
                 split = place.block - channel * splits;
  for (int i = thread; i < bins; i += kRowThreads) counts[i] = 0;
  if (thread == 0) {
    lowest[0] = ordered(infinity());
    highest[0] = ordered(-infinity());
    nonfinite[0] = 0;
    called[0] = 0;
    at[0] = work.state.exponent[channel];
    at[1] = static_cast<int32_t>(work.state.first[channel]);
  }
  __syncthreads();

  const RowLoader<T, kRagged> loader(entry, channel);
  const BitCounters counters(counts);
  constexpr int kElements = RowTile<T>::kElements;
  const uint32_t tiles = static_cast<uint32_t>(entry.plan.tiles);
  FastBins fast = fast_bins({at[0], at[1]});
  float seen_low = infinity(), seen_high = -infinity();
  RowTile<T> now, ahead;
  uint32_t tile = split;
  for (;;) {
    bool outside = false;
    if ((!kRagged || tile < tiles) && loader.whole(tile)) ahead = loader.load(tile);
    while (tile < tiles) {
      now = ahead;
      const uint32_t next = tile + splits;
      if ((!kRagged || next < tiles) && loader.whole(next)) ahead = loader.load(next);
      outside = !loader.whole(tile);
      Bounds bounds{infinity(), -infinity()};
      if (!outside) {
        if (!kRagged || now.valid == RowTile<T>::kAll) {
          bounds = bounds_of<T>(now.words);
        } else {
          PPQ_UNROLL for (int i = 0; i < kElements; ++i) {
            if (now.counts(i)) bounds = {least(bounds.low, now.value(i)), greatest(bounds.high, now.value(i))};
          }
        }
        outside = !fast.holds(bounds, static_cast<uint32_t>(bins)) && (!kRagged || now.valid != 0);
      }
      if (__any_sync(kFullWarp, outside || called_by(called) != 0)) {
        outside = __any_sync(kFullWarp, outside);
        if (outside && thread % 32 == 0) atomicAdd(&called[0], 1u);
        break;
      }
      seen_low = fminf(seen_low, bounds.low);
      seen_high = fmaxf(seen_high, bounds.high);
      if (!kRagged || now.valid == RowTile<T>::kAll) {
        PPQ_UNROLL for (int i = 0; i < kElements; ++i) counters.add(fast.bits(now.value(i)));
      } else {
        PPQ_UNROLL for (int i = 0; i < kElements; ++i) {
          if (now.counts(i)) counters.add(fast.bits(now.value(i)));
        }
      }
      tile = next;
    }
    if (!__syncthreads_or(tile < tiles)) break;

    const Window old{at[0], at[1]};
    uint32_t odd = 0;
    PPQ_ROLLED for (int v = 0; outside && v < kRowVectors<T>; ++v) {
      const RowPiece piece = loader.piece(tile, v);
      PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) {
        const float value = element<T>(piece.words, k);
        if (!(piece.valid >> k & 1)) continue;
        if (!numerics::is_finite(value)) {
          ++odd;
          continue;
        }
        seen_low = fminf(seen_low, value);
        seen_high = fmaxf(seen_high, value);
      }
    }
    if (odd != 0) atomicAdd(&nonfinite[0], static_cast<unsigned long long>(odd));
    share_range(seen_low, seen_high, lowest, highest);
    seen_low = infinity();
    seen_high = -infinity();
    __syncthreads();
    if (thread == 0) {
      const float low = unordered(lowest[0]), high = unordered(highest[0]);
      const Window wanted = low <= high ? block_window(low, high, old, bins) : old;
      at[0] = wanted.exponent;
      at[1] = wanted.first;
      called[0] = 0;
    }
    __syncthreads();
    const Window window{at[0], at[1]};
    if (old.exponent != kNoExponent && (window.exponent != old.exponent || window.first != old.first)) {
      rebin<kRowThreads, uint32_t>(counts, bins, old, window);
      __syncthreads();
    }
    fast = fast_bins(window);
    if (!outside) continue;
    const numerics::GridScale scale = numerics::make_grid_scale(window.exponent);
    PPQ_ROLLED for (int v = 0; window.exponent != kNoExponent && v < kRowVectors<T>; ++v) {
      const RowPiece piece = loader.piece(tile, v);
      PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) {
        const float value = element<T>(piece.words, k);
        if ((piece.valid >> k & 1) && numerics::is_finite(value)) atomicAdd(&counts[numerics::bin_index(value, scale) - window.first], 1u);
      }
    }
    tile += splits;
  }

  share_range(seen_low, seen_high, lowest, highest);
  __syncthreads();
  const int64_t part = static_cast<int64_t>(channel) * splits + split;
  const float low = unordered(lowest[0]), high = unordered(highest[0]);
  if (thread == 0) {
    work.headers[part] = {low <= high ? at[0] : kNoExponent, at[1], low, high,
                          static_cast<int64_t>(static_cast<unsigned long long>(nonfinite[0]))};
  }
  if (!(low <= high)) return;
  for (int i = thread; i < bins; i += kRowThreads) work.partial_counts[part * bins + i] = counts[i];
}

}  // namespace
}  // namespace ppq::kernels::cuda
