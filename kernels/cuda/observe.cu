// The one-sweep observer: minimum, maximum, non-finite count and growing histogram of each channel, in one read of x.
//
// observe_kernel: a block walks its part of its channels (rows.cuh) with a histogram of its own in shared memory. It loads
// the next tile while it counts this one. A tile first widens the block's range; where it leaves the block's window of bins
// (rare after the first tiles, and a block starts from the exponent reached in earlier batches), the block grows it and merges
// bin pairs. Zeros, half of the values after a Relu, are counted in a register. At its end a block writes its bins to
// `partial_counts`, in no order with the others. prepare_kernel (a block a channel) takes the union of the ranges, moves the
// old counts to the window that follows from it, and accumulate_kernel adds the blocks' bins to them.
// Traffic: x once, plus 4 × bins bytes a block written and read (about two blocks a multiprocessor, so it stays in L2), plus
// 16 × bins bytes a channel. Counts are integers and the window is a function of the range alone, so the result does not
// depend on the order of blocks, threads or batches, and equals the CPU's bit for bit.
#include "kernels/cuda/histogram.cuh"
#include "kernels/cuda/rows.cuh"

namespace ppq::kernels::cuda {
namespace {

constexpr int kObserveThreads = 320;
/// Vectors of a tile a thread: 16 elements, which fit its registers twice.
template <class T>
constexpr int kObserveVectors = 16 / kVector<T>;
template <class T>
constexpr int kObserveUnits = kObserveThreads* kObserveVectors<T>;
constexpr int kSumBins = 32, kSumLanes = 8;

struct ObserveEntry {
  ObserveWork work;
  RowPlan plan;
  uint32_t observe_end, channel_end;  ///< blocks of this entry and those before it, in the first and the second launch
};
/// The descriptor table travels with the launch: no copy to keep alive, and a captured graph holds it.
struct ObserveTable {
  ObserveEntry entries[kObserveBatch];
  int bins;
};

struct Place {
  int entry;
  uint32_t block;
};
template <uint32_t ObserveEntry::*kEnd>
__device__ Place find_entry(const ObserveTable& table, uint32_t block) {
  int entry = 0;
  while (block >= table.entries[entry].*kEnd) ++entry;
  return {entry, entry == 0 ? block : block - table.entries[entry - 1].*kEnd};
}

/// What a thread holds of a tile. Bit v × kVector + k of `valid`: element k of vector v is to be counted.
template <class T>
struct Tile {
  Vector<T> values[kObserveVectors<T>];
  int32_t columns[kObserveVectors<T>];
  uint32_t valid = 0;
  __device__ bool counts(int v, int k) const { return valid >> (v * kVector<T> + k) & 1; }
  __device__ void skip(int v, int k) { valid &= ~(1u << (v * kVector<T> + k)); }
};
template <class T>
__device__ Tile<T> load_tile(const ObserveEntry& entry, int64_t group, int64_t tile) {
  Tile<T> result;
  const T* x = static_cast<const T*>(entry.work.x);
  PPQ_UNROLL for (int v = 0; v < kObserveVectors<T>; ++v) {
    int64_t number = tile * kObserveUnits<T> + v * kObserveThreads + static_cast<int>(threadIdx.x);
    RowUnit unit = row_unit<T>(x, entry.work.view, entry.work.partition, entry.plan, group, number);
    result.values[v] = load_vector(x + unit.row_start, unit.column, unit.width, true);
    result.columns[v] = static_cast<int32_t>(unit.column);
    result.valid |= unit.template valid<T>() << (v * kVector<T>);
  }
  return result;
}

template <class T, bool kGrouped>
__global__ void __launch_bounds__(kObserveThreads, 1) observe_kernel(const __grid_constant__ ObserveTable table) {
  PPQ_DYNAMIC_SHARED(uint32_t, counts);
  PPQ_SHARED(float, low, kMaxGroup);
  PPQ_SHARED(float, high, kMaxGroup);
  PPQ_SHARED(int32_t, lowest, kMaxGroup);
  PPQ_SHARED(int32_t, highest, kMaxGroup);
  PPQ_SHARED(int32_t, exponent, kMaxGroup);
  PPQ_SHARED(int32_t, first, kMaxGroup);
  PPQ_SHARED(int32_t, next_exponent, kMaxGroup);
  PPQ_SHARED(int32_t, next_first, kMaxGroup);
  PPQ_SHARED(unsigned long long, nonfinite, kMaxGroup);

  Place place = find_entry<&ObserveEntry::observe_end>(table, blockIdx.x);
  const ObserveEntry& entry = table.entries[place.entry];
  const ObserveWork& work = entry.work;
  int bins = table.bins, thread = static_cast<int>(threadIdx.x);
  uint32_t splits = static_cast<uint32_t>(work.partition.splits), group = place.block / splits, split = place.block - group * splits;
  int64_t channel = group * work.partition.group;
  int channels =
      kGrouped ? static_cast<int>(work.view.channels - channel < work.partition.group ? work.view.channels - channel : work.partition.group)
               : 1;

  for (int i = thread; i < channels * bins; i += kObserveThreads) counts[i] = 0;
  if (thread < channels) {
    low[thread] = infinity();
    high[thread] = -infinity();
    lowest[thread] = ordered(infinity());
    highest[thread] = ordered(-infinity());
    exponent[thread] = work.state.exponent[channel + thread];
    first[thread] = static_cast<int32_t>(work.state.first[channel + thread]);
    nonfinite[thread] = 0;
  }
  __syncthreads();

  constexpr int kVectors = kObserveVectors<T>;
  Tile<T> now, ahead;
  // The channel of element k of vector v within the block's group.
  auto channel_of = [&](int v, int k) -> int {
    return static_cast<int>(fast_divide(static_cast<uint32_t>(now.columns[v] + k), entry.plan.by_inner));
  };

  float block_low = infinity(), block_high = -block_low;
  int32_t block_first = 0;
  numerics::GridScale block_scale{1, 1};
  uint32_t zeros = 0, odd = 0;
  if (split < entry.plan.tiles) ahead = load_tile<T>(entry, group, split);
  for (int64_t tile = split; tile < entry.plan.tiles; tile += splits) {
    now = ahead;
    if (tile + splits < entry.plan.tiles) ahead = load_tile<T>(entry, group, tile + splits);

    float tile_low = infinity(), tile_high = -tile_low;
    bool wider = false;
    PPQ_UNROLL for (int v = 0; v < kVectors; ++v) {
      PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) {
        float value = to_float(now.values[v].value[k]);
        if (!now.counts(v, k)) continue;
        bool finite = numerics::is_finite(value);
        if constexpr (kGrouped) {
          int c = channel_of(v, k);
          if (!finite) {
            atomicAdd(&nonfinite[c], 1ull);
            now.skip(v, k);
          } else if (value < low[c] || value > high[c]) {
            atomicMin(&lowest[c], ordered(numerics::canonical_zero(value)));
            atomicMax(&highest[c], ordered(numerics::canonical_zero(value)));
            wider = true;
          }
        } else if (finite) {
          tile_low = value < tile_low ? value : tile_low;
          tile_high = value > tile_high ? value : tile_high;
        } else {
          ++odd;
          now.skip(v, k);
        }
      }
    }
    if (!kGrouped && (tile_low < block_low || tile_high > block_high)) {
      atomicMin(&lowest[0], ordered(numerics::canonical_zero(tile_low)));
      atomicMax(&highest[0], ordered(numerics::canonical_zero(tile_high)));
      wider = true;
    }

    if (__syncthreads_or(wider)) {
      if (thread < channels) {
        float now_low = unordered(lowest[thread]), now_high = unordered(highest[thread]);
        Window window{exponent[thread], first[thread]};
        if (now_low <= now_high) window = block_window(now_low, now_high, window, bins);
        next_exponent[thread] = window.exponent;
        next_first[thread] = window.first;
      }
      __syncthreads();
      for (int c = 0; c < channels; ++c) {
        Window old{exponent[c], first[c]}, now{next_exponent[c], next_first[c]};
        if (old.exponent != kNoExponent && (now.exponent != old.exponent || now.first != old.first)) {
          rebin<kObserveThreads, uint32_t>(counts + c * bins, bins, old, now);
        }
      }
      __syncthreads();
      if (thread < channels) {
        low[thread] = unordered(lowest[thread]);
        high[thread] = unordered(highest[thread]);
        exponent[thread] = next_exponent[thread];
        first[thread] = next_first[thread];
      }
      __syncthreads();
      if constexpr (!kGrouped) {
        block_low = low[0];
        block_high = high[0];
        block_first = first[0];
        if (block_low <= block_high) block_scale = numerics::make_grid_scale(exponent[0]);
      }
    }

    PPQ_UNROLL for (int v = 0; v < kVectors; ++v) {
      PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) {
        if (!now.counts(v, k)) continue;
        float value = to_float(now.values[v].value[k]);
        if constexpr (kGrouped) {
          int c = channel_of(v, k);
          int32_t at = numerics::bin_index(value, numerics::make_grid_scale(exponent[c])) - first[c];
          atomicAdd(&counts[c * bins + at], 1u);
        } else if (value == 0.0f) {
          ++zeros;
        } else {
          atomicAdd(&counts[numerics::bin_index(value, block_scale) - block_first], 1u);
        }
      }
    }
  }

  if (!kGrouped && zeros != 0) atomicAdd(&counts[-block_first], zeros);
  if (!kGrouped && odd != 0) atomicAdd(&nonfinite[0], static_cast<unsigned long long>(odd));
  __syncthreads();
  for (int c = 0; c < channels; ++c) {
    int64_t part = (channel + c) * splits + split;
    bool seen = low[c] <= high[c];
    if (thread == 0) {
      work.headers[part] = {seen ? exponent[c] : kNoExponent, first[c], low[c], high[c],
                            static_cast<int64_t>(static_cast<unsigned long long>(nonfinite[c]))};
    }
    if (!seen) continue;
    for (int i = thread; i < bins; i += kObserveThreads) work.partial_counts[part * bins + i] = counts[c * bins + i];
  }
}

__device__ Window window_of(const HistogramState& state, int64_t channel) {
  return {state.exponent[channel], static_cast<int32_t>(state.first[channel])};
}
/// The state's counts, as the unsigned integers that atomics take.
__device__ unsigned long long* counts_of(const HistogramState& state, int64_t channel, int bins) {
  return reinterpret_cast<unsigned long long*>(state.counts) + channel * bins;
}
/// Moves a channel's counts from window `old` to that of the range [low, high], which it returns. For the whole block.
template <int kThreads>
__device__ Window widen_state(const HistogramState& state, int64_t channel, int bins, Window old, float low, float high) {
  if (!(low <= high)) return old;
  Window now = state_window(low, high, bins);
  if (old.exponent != kNoExponent && (now.exponent != old.exponent || now.first != old.first)) {
    rebin<kThreads, unsigned long long>(counts_of(state, channel, bins), bins, old, now);
  }
  return now;
}
/// For one thread, when no thread of the block is to read the old state any more.
__device__ void store_state(const HistogramState& state, int64_t channel, Window now, float low, float high, int64_t nonfinite) {
  state.nonfinite[channel] += nonfinite;
  state.exponent[channel] = now.exponent;
  state.first[channel] = now.first;
  state.minimum[channel] = low;
  state.maximum[channel] = high;
}

constexpr int kPrepareThreads = 256;

__global__ void __launch_bounds__(kPrepareThreads, 1) prepare_kernel(const __grid_constant__ ObserveTable table) {
  PPQ_SHARED(int32_t, lowest, 1);
  PPQ_SHARED(int32_t, highest, 1);
  PPQ_SHARED(unsigned long long, nonfinite, 1);
  Place place = find_entry<&ObserveEntry::channel_end>(table, blockIdx.x);
  const ObserveWork& work = table.entries[place.entry].work;
  int64_t channel = place.block, splits = work.partition.splits;
  Window old = window_of(work.state, channel);
  if (threadIdx.x == 0) {
    lowest[0] = ordered(work.state.minimum[channel]);
    highest[0] = ordered(work.state.maximum[channel]);
    nonfinite[0] = 0;
  }
  __syncthreads();
  for (int64_t split = threadIdx.x; split < splits; split += kPrepareThreads) {
    const PartialHeader& header = work.headers[channel * splits + split];
    if (header.nonfinite != 0) atomicAdd(&nonfinite[0], static_cast<unsigned long long>(header.nonfinite));
    if (header.exponent == kNoExponent) continue;
    atomicMin(&lowest[0], ordered(header.minimum));
    atomicMax(&highest[0], ordered(header.maximum));
  }
  __syncthreads();
  float low = unordered(lowest[0]), high = unordered(highest[0]);
  Window now = widen_state<kPrepareThreads>(work.state, channel, table.bins, old, low, high);
  if (threadIdx.x != 0) return;
  store_state(work.state, channel, now, low, high, static_cast<int64_t>(static_cast<unsigned long long>(nonfinite[0])));
}

/// Counts of a partial histogram that fall into grid bin `index` at an exponent larger by `by`.
__device__ unsigned long long gather(const uint32_t* counts, int bins, int32_t first, int32_t index, int by) {
  int shift = by < 26 ? by : 26;
  int64_t begin = (static_cast<int64_t>(index) << shift) - first, end = begin + (int64_t{1} << shift);
  if (begin < 0) begin = 0;
  if (end > bins) end = bins;
  unsigned long long sum = 0;
  for (int64_t i = begin; i < end; ++i) sum += counts[i];
  return sum;
}

__global__ void __launch_bounds__(kSumBins* kSumLanes) accumulate_kernel(const __grid_constant__ ObserveTable table) {
  PPQ_SHARED(unsigned long long, sums, kSumBins* kSumLanes);
  uint32_t chunks = static_cast<uint32_t>((table.bins + kSumBins - 1) / kSumBins);
  Place place = find_entry<&ObserveEntry::channel_end>(table, blockIdx.x / chunks);
  const ObserveWork& work = table.entries[place.entry].work;
  int64_t channel = place.block, splits = work.partition.splits;
  int bins = table.bins, lane = static_cast<int>(threadIdx.x) / kSumBins;
  int bin = static_cast<int>(blockIdx.x % chunks) * kSumBins + static_cast<int>(threadIdx.x) % kSumBins;
  Window window{work.state.exponent[channel], static_cast<int32_t>(work.state.first[channel])};
  unsigned long long sum = 0;
  if (bin < bins) {
    for (int64_t split = lane; split < splits; split += kSumLanes) {
      int64_t part = channel * splits + split;
      int32_t exponent = work.headers[part].exponent;
      if (exponent == kNoExponent) continue;
      sum += gather(work.partial_counts + part * bins, bins, work.headers[part].first, window.first + bin, window.exponent - exponent);
    }
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (lane != 0 || bin >= bins) return;
  for (int other = 1; other < kSumLanes; ++other) sum += sums[other * kSumBins + threadIdx.x];
  if (sum != 0) work.state.counts[channel * bins + bin] += static_cast<int64_t>(sum);
}

__global__ void __launch_bounds__(kPrepareThreads, 1) merge_kernel(HistogramState into, HistogramState from, int bins) {
  int64_t channel = blockIdx.x;
  float low = into.minimum[channel], high = into.maximum[channel];
  float from_low = from.minimum[channel], from_high = from.maximum[channel];
  low = from_low < low ? from_low : low;
  high = from_high > high ? from_high : high;
  Window old = window_of(into, channel), other = window_of(from, channel);
  Window now = widen_state<kPrepareThreads>(into, channel, bins, old, low, high);
  __syncthreads();
  if (threadIdx.x == 0) store_state(into, channel, now, low, high, from.nonfinite[channel]);
  if (other.exponent == kNoExponent) return;
  unsigned long long* counts = counts_of(into, channel, bins);
  for (int i = static_cast<int>(threadIdx.x); i < bins; i += kPrepareThreads) {
    int64_t count = from.counts[channel * bins + i];
    if (count != 0)
      atomicAdd(&counts[grow_index(other.first + i, now.exponent - other.exponent) - now.first], static_cast<unsigned long long>(count));
  }
}

}  // namespace

void launch_observe(const ObserveWork* works, int count, int64_t bins, DType dtype, Stream stream) {
  with_storage(dtype, [&](auto storage) {
    using T = decltype(storage);
    // Tensors whose blocks take one channel and those whose blocks take several run different kernels.
    for (bool grouped : {false, true}) {
      ObserveTable table{};
      table.bins = static_cast<int>(bins);
      int used = 0;
      uint32_t blocks = 0, channels = 0;
      int64_t group = 1;
      for (int i = 0; i < count; ++i) {
        const ObserveWork& work = works[i];
        if ((work.partition.group > 1) != grouped) continue;
        ObserveEntry& entry = table.entries[used++];
        entry.work = work;
        entry.plan = plan_rows<T>(work.x, work.view, work.partition, kObserveUnits<T>);
        entry.observe_end = blocks += static_cast<uint32_t>(work.partition.groups * work.partition.splits);
        entry.channel_end = channels += static_cast<uint32_t>(work.view.channels);
        group = work.partition.group > group ? work.partition.group : group;
      }
      if (used == 0) continue;
      auto kernel = grouped ? observe_kernel<T, true> : observe_kernel<T, false>;
      launch_kernel(kernel, blocks, kObserveThreads, group * bins * 4, stream, table);
      launch_kernel(prepare_kernel, channels, kPrepareThreads, 0, stream, table);
      launch_kernel(accumulate_kernel, channels * ((bins + kSumBins - 1) / kSumBins), kSumBins * kSumLanes, 0, stream, table);
    }
  });
}

void launch_merge(const HistogramState& into, const HistogramState& from, int64_t channels, int64_t bins, Stream stream) {
  launch_kernel(merge_kernel, channels, kPrepareThreads, 0, stream, into, from, static_cast<int>(bins));
}

}  // namespace ppq::kernels::cuda
