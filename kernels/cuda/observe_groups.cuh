#pragma once

#include "kernels/cuda/observe_table.cuh"

// Blocks that take several channels with short rows: a histogram a channel, and each value looks up its channel.
namespace ppq::kernels::cuda {
namespace {

constexpr int kGroupThreads = 320;
/// Vectors of a tile a thread: 16 elements, which fit its registers twice.
template <class T>
constexpr int kGroupVectors = 16 / kVector<T>;
template <class T>
constexpr int kGroupUnits = kGroupThreads* kGroupVectors<T>;

/// What a thread holds of a tile. Bit v × kVector + k of `valid`: element k of vector v is to be counted.
template <class T>
struct Tile {
  Vector<T> values[kGroupVectors<T>];
  int32_t columns[kGroupVectors<T>];
  uint32_t valid = 0;
  __device__ bool counts(int v, int k) const { return valid >> (v * kVector<T> + k) & 1; }
  __device__ void skip(int v, int k) { valid &= ~(1u << (v * kVector<T> + k)); }
};
template <class T>
__device__ Tile<T> load_tile(const ObserveEntry& entry, int64_t group, int64_t tile) {
  Tile<T> result;
  const T* x = static_cast<const T*>(entry.work.x);
  PPQ_UNROLL for (int v = 0; v < kGroupVectors<T>; ++v) {
    int64_t number = tile * kGroupUnits<T> + v * kGroupThreads + static_cast<int>(threadIdx.x);
    RowUnit unit = row_unit<T>(x, entry.work.view, entry.work.partition, entry.plan, group, number);
    result.values[v] = load_vector(x + unit.row_start, unit.column, unit.width, true);
    result.columns[v] = static_cast<int32_t>(unit.column);
    result.valid |= unit.template valid<T>() << (v * kVector<T>);
  }
  return result;
}

template <class T>
__global__ void __launch_bounds__(kGroupThreads, 1) observe_groups_kernel(const __grid_constant__ ObserveTable table) {
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
      static_cast<int>(work.view.channels - channel < work.partition.group ? work.view.channels - channel : work.partition.group);

  for (int i = thread; i < channels * bins; i += kGroupThreads) counts[i] = 0;
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

  constexpr int kVectors = kGroupVectors<T>;
  Tile<T> now, ahead;
  // The channel of element k of vector v within the block's group.
  auto channel_of = [&](int v, int k) -> int {
    return static_cast<int>(fast_divide(static_cast<uint32_t>(now.columns[v] + k), entry.plan.by_inner));
  };

  if (split < entry.plan.tiles) ahead = load_tile<T>(entry, group, split);
  for (int64_t tile = split; tile < entry.plan.tiles; tile += splits) {
    now = ahead;
    if (tile + splits < entry.plan.tiles) ahead = load_tile<T>(entry, group, tile + splits);

    bool wider = false;
    PPQ_UNROLL for (int v = 0; v < kVectors; ++v) {
      PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) {
        float value = to_float(now.values[v].value[k]);
        if (!now.counts(v, k)) continue;
        int c = channel_of(v, k);
        if (!numerics::is_finite(value)) {
          atomicAdd(&nonfinite[c], 1ull);
          now.skip(v, k);
        } else if (value < low[c] || value > high[c]) {
          atomicMin(&lowest[c], ordered(numerics::canonical_zero(value)));
          atomicMax(&highest[c], ordered(numerics::canonical_zero(value)));
          wider = true;
        }
      }
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
          rebin<kGroupThreads, uint32_t>(counts + c * bins, bins, old, now);
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
    }

    PPQ_UNROLL for (int v = 0; v < kVectors; ++v) {
      PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) {
        if (!now.counts(v, k)) continue;
        float value = to_float(now.values[v].value[k]);
        int c = channel_of(v, k);
        int32_t at = numerics::bin_index(value, numerics::make_grid_scale(exponent[c])) - first[c];
        atomicAdd(&counts[c * bins + at], 1u);
      }
    }
  }

  __syncthreads();
  for (int c = 0; c < channels; ++c) {
    int64_t part = (channel + c) * splits + split;
    bool seen = low[c] <= high[c];
    if (thread == 0) {
      work.headers[part] = {seen ? exponent[c] : kNoExponent, first[c], low[c], high[c],
                            static_cast<int64_t>(static_cast<unsigned long long>(nonfinite[c]))};
    }
    if (!seen) continue;
    for (int i = thread; i < bins; i += kGroupThreads) work.partial_counts[part * bins + i] = counts[c * bins + i];
  }
}

}  // namespace
}  // namespace ppq::kernels::cuda
