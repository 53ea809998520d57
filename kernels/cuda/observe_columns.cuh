#pragma once

#include "kernels/cuda/extremes.cuh"
#include "kernels/cuda/fast_bins.cuh"
#include "kernels/cuda/observe_table.cuh"

// Channels-last: rows of one element a channel. A block takes 32 channels and walks down its rows; a lane keeps to its channel (two,
// where an element has 16 bits: the half-warps take even and odd channels in turn), so that window and range stay in registers and
// the 32 lanes count in 32 banks of shared memory: two counters of 16 bits a word, word (bin / 2) × 32 + channel. The host sees
// to it that a block has fewer than 2^16 rows.
// A lane's part of a tile inside the window is counted as in observe_rows.cuh. Else its strays go to a list, and the block goes
// on: with 32 channels some window is left too often to stop for each. Only where the list is full (as for the first tile) a
// warp calls the block, which widens ranges and windows and empties the list.
namespace ppq::kernels::cuda {
namespace {

constexpr int kColumnsThreads = 1024, kColumnsWarps = kColumnsThreads / 32;
constexpr int kStrays = 512;
/// Words of 32 bits of a tile a thread: 16 elements.
template <class T>
constexpr int kColumnsWords = 4 * sizeof(T);
/// Channels of a lane, and rows of a tile.
template <class T>
constexpr int kLaneChannels = 4 / sizeof(T);
template <class T>
constexpr int kColumnsRows = kColumnsWarps* kLaneChannels<T>* kColumnsWords<T>;

static_assert(kColumnsRows<float> == kColumnTile && kColumnsRows<Half> == kColumnTile);

/// Words of a channel's counters: two bins each, whole 16-byte vectors.
PPQ_HD inline int column_words(int bins) { return (bins + 7) / 8 * 4; }

/// Element `of` (0 or 1) of a word that holds one or two.
template <class T>
__device__ float word_element(uint32_t word, int of) {
  return element<T>(Words{{word}}, of);
}

/// Bounds of a lane's channels (see own below) over some words, NaN if an element is.
template <class T, int count>
__device__ void column_bounds(const uint32_t (&words)[count], int side, Bounds (&bounds)[kLaneChannels<T>]) {
  if constexpr (sizeof(T) == 2) {
    uint32_t low = words[0], high = words[0];
    PPQ_UNROLL for (int i = 1; i < count; ++i) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
      using Pair = std::conditional_t<std::is_same_v<T, Half>, __half2, __nv_bfloat162>;
      Pair a, b, next;
      memcpy(&a, &low, 4);
      memcpy(&b, &high, 4);
      memcpy(&next, &words[i], 4);
      a = __hmin2_nan(a, next);
      b = __hmax2_nan(b, next);
      memcpy(&low, &a, 4);
      memcpy(&high, &b, 4);
#else
      uint32_t lower = 0, higher = 0;
      PPQ_UNROLL for (int j = 0; j < 2; ++j) {
        const float next = word_element<T>(words[i], j), least_one = least(word_element<T>(low, j), next);
        const float greatest_one = greatest(word_element<T>(high, j), next);
        lower |= static_cast<uint32_t>(from_float<T>(least_one).bits) << 16 * j;
        higher |= static_cast<uint32_t>(from_float<T>(greatest_one).bits) << 16 * j;
      }
      low = lower;
      high = higher;
#endif
    }
    low = __funnelshift_r(low, low, 16 * side);
    high = __funnelshift_r(high, high, 16 * side);
    PPQ_UNROLL for (int j = 0; j < 2; ++j) bounds[j] = {word_element<T>(low, j), word_element<T>(high, j)};
  } else {
    bounds[0] = {word_element<T>(words[0], 0), word_element<T>(words[0], 0)};
    PPQ_UNROLL for (int i = 1; i < count; ++i) {
      bounds[0] = {least(bounds[0].low, word_element<T>(words[i], 0)), greatest(bounds[0].high, word_element<T>(words[i], 0))};
    }
  }
}

/// The counters of one channel.
template <class Counts>
class PairCounters {
 public:
#ifdef __CUDA_ARCH__
  __device__ PairCounters(Counts counts, int channel)
      : base_(static_cast<uint32_t>(__cvta_generic_to_shared(counts)) + 4 * channel - 64 * kBinZero) {}
  __device__ void add(uint32_t bits) const {
    asm volatile("red.shared.add.u32 [%0], %1;" ::"r"((bits & ~1u) * 64 + base_), "r"((bits & 1) * 0xffff + 1) : "memory");
  }

 private:
  uint32_t base_;
#else
  __device__ PairCounters(Counts counts, int channel) : counts_(counts + channel) {}
  __device__ void add(uint32_t bits) const {
    atomicAdd(&counts_[(static_cast<int64_t>(bits) - kBinZero) / 2 * 32], (bits & 1) * 0xffff + 1);
  }

 private:
  Counts counts_;
#endif
};

/// Moves the counters of the lane's channel from window `old` to `now`, as rebin does: chunk by chunk bin pairs merge downwards, then
/// bins shift. For the whole block, after a barrier; counters need another before they are read.
template <class Counts>
__device__ void rebin_columns(Counts counts, int bins, Window old, Window now) {
  constexpr int kHeld = 8, kChunk = kHeld * kColumnsWarps;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32, words = column_words(bins);
  const int chunks = (words + kChunk - 1) / kChunk, by = old.exponent == kNoExponent ? 0 : now.exponent - old.exponent;
  const int32_t base = grow_index(old.first, by), shift = old.exponent == kNoExponent ? 0 : base - now.first;
  PPQ_ROLLED for (int step = 0; step < 2 * chunks; ++step) {
    const bool merges = step < chunks;
    const int chunk = merges ? step : shift > 0 ? 2 * chunks - 1 - step : step - chunks;
    uint32_t held[kHeld];
    if (step == chunks) __syncthreads();
    PPQ_UNROLL for (int i = 0; i < kHeld; ++i) {
      const int word = chunk * kChunk + i * kColumnsWarps + warp;
      held[i] = 0;
      if (word < words && (merges ? by > 0 : shift != 0)) {
        held[i] = counts[word * 32 + lane];
        counts[word * 32 + lane] = 0;
      }
    }
    __syncthreads();
    PPQ_UNROLL for (int i = 0; i < 2 * kHeld; ++i) {
      const uint32_t count = held[i / 2] >> 16 * (i % 2) & 0xffff;
      if (count == 0) continue;
      const int bin = (chunk * kChunk + i / 2 * kColumnsWarps + warp) * 2 + i % 2;
      const int to = merges ? grow_index(old.first + bin, by) - base : bin + shift;
      atomicAdd(&counts[to / 2 * 32 + lane], count << to % 2 * 16);
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kColumnsThreads, 1) observe_columns_kernel(const __grid_constant__ ObserveTable table) {
  PPQ_DYNAMIC_SHARED(uint32_t, counts);
  PPQ_SHARED(int32_t, lowest, 32);
  PPQ_SHARED(int32_t, highest, 32);
  PPQ_SHARED(int32_t, exponent, 32);
  PPQ_SHARED(int32_t, first, 32);
  PPQ_SHARED(unsigned long long, nonfinite, 32);
  PPQ_SHARED(float, stray, kStrays);
  PPQ_SHARED(int32_t, stray_channel, kStrays);
  PPQ_SHARED(uint32_t, strays, 2);  // taken places, and the end of those that are filled
  PPQ_SHARED(uint32_t, called, 1);

  constexpr int kOf = kLaneChannels<T>, kWords = kColumnsWords<T>, kStep = kColumnsWarps * kOf;
  const Place place = find_entry<&ObserveEntry::observe_end>(table, blockIdx.x);
  const ObserveWork& work = table.entries[place.entry].work;
  const int bins = table.bins, thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  const uint32_t splits = static_cast<uint32_t>(work.partition.splits), group = place.block / splits, split = place.block - group * splits;
  const int channels = static_cast<int>(work.view.channels - group * 32 < 32 ? work.view.channels - group * 32 : 32);
  const int64_t channel = static_cast<int64_t>(group) * 32;

  for (int i = thread; i < column_words(bins) * 32; i += kColumnsThreads) counts[i] = 0;
  if (thread < 32) {
    const int64_t mine = channel + (thread < channels ? thread : 0);  // lanes without a channel repeat another's
    lowest[thread] = ordered(infinity());
    highest[thread] = ordered(-infinity());
    exponent[thread] = work.state.exponent[mine];
    first[thread] = static_cast<int32_t>(work.state.first[mine]);
    nonfinite[thread] = 0;
  }
  if (thread == 0) {
    strays[0] = 0;
    strays[1] = kStrays;
    called[0] = 0;
  }
  __syncthreads();

  // The lane's channels, and where they lie: words of a row, rows of a step.
  const int side = kOf == 2 ? lane / 16 : 0, pair = kOf == 2 ? lane % 16 : lane;
  auto own = [&](int j) { return kOf == 2 ? pair * 2 + (j ^ side) : pair; };
  const uint32_t pitch = static_cast<uint32_t>(work.view.channels / kOf);
  const uint32_t* x = static_cast<const uint32_t*>(work.x) + channel / kOf + (pair * kOf < channels ? pair : 0) +
                      static_cast<uint64_t>(warp * kOf + side) * pitch;
  auto word_at = [&](uint32_t tile, int r) { return x + (static_cast<uint64_t>(tile) * kWords + r) * kStep * pitch; };
  auto inside_rows = [&](uint32_t tile, int r) {
    return (static_cast<int64_t>(tile) * kWords + r) * kStep + warp * kOf + side < work.view.outer;
  };
  // Both elements of a word, the lane's first channel in front.
  auto turned = [&](uint32_t word) { return kOf == 2 ? __funnelshift_r(word, word, 16 * side) : word; };

  const uint32_t whole = static_cast<uint32_t>(work.view.outer / kColumnsRows<T>),
                 tiles = static_cast<uint32_t>((work.view.outer + kColumnsRows<T> - 1) / kColumnsRows<T>);
  FastBins fast[kOf];
  Bounds seen[kOf];
  PPQ_UNROLL for (int j = 0; j < kOf; ++j) {
    fast[j] = fast_bins({exponent[own(j)], first[own(j)]});
    seen[j] = {infinity(), -infinity()};
  }
  const PairCounters<decltype(counts)> counters[2] = {{counts, own(0)}, {counts, own(kOf - 1)}};

  uint32_t now[kWords], ahead[kWords];
  uint32_t tile = split;
  for (;;) {
    bool pending = false;
    if (tile < whole) {
      PPQ_UNROLL for (int r = 0; r < kWords; ++r) ahead[r] = *word_at(tile, r);
    }
    while (tile < tiles) {
      PPQ_UNROLL for (int r = 0; r < kWords; ++r) now[r] = ahead[r];
      if (tile + splits < whole) {
        PPQ_UNROLL for (int r = 0; r < kWords; ++r) ahead[r] = *word_at(tile + splits, r);
      }
      pending = tile >= whole;
      if (!pending) {
        Bounds bounds[kOf];
        bool inside = true;
        column_bounds<T, kWords>(now, side, bounds);
        PPQ_UNROLL for (int j = 0; j < kOf; ++j) inside = inside && fast[j].holds(bounds[j], static_cast<uint32_t>(bins));
        if (inside) {
          PPQ_UNROLL for (int j = 0; j < kOf; ++j) { seen[j] = {fminf(seen[j].low, bounds[j].low), fmaxf(seen[j].high, bounds[j].high)}; }
          PPQ_UNROLL for (int r = 0; r < kWords; ++r) {
            const uint32_t word = turned(now[r]);
            PPQ_UNROLL for (int j = 0; j < kOf; ++j) counters[j].add(fast[j].bits(word_element<T>(word, j)));
          }
        } else {
          // Strays are counted first, so that the list takes all of them or none.
          uint32_t found = 0, at = 0;
          PPQ_ROLLED for (int r = 0; r < kWords; ++r) {
            const uint32_t word = turned(*word_at(tile, r));
            PPQ_UNROLL for (int j = 0; j < kOf; ++j) {
              const float value = word_element<T>(word, j);
              found += numerics::is_finite(value) && !fast[j].holds({value, value}, static_cast<uint32_t>(bins));
            }
          }
          if (found != 0) at = atomicAdd(&strays[0], found);
          pending = at + found > kStrays;
          if (pending) atomicMin(&strays[1], at);
          PPQ_ROLLED for (int r = 0; r < kWords && !pending; ++r) {
            const uint32_t word = turned(*word_at(tile, r));
            PPQ_UNROLL for (int j = 0; j < kOf; ++j) {
              const float value = word_element<T>(word, j);
              if (!numerics::is_finite(value)) {
                atomicAdd(&nonfinite[own(j)], 1ull);
                continue;
              }
              seen[j] = {fminf(seen[j].low, value), fmaxf(seen[j].high, value)};
              if (fast[j].holds({value, value}, static_cast<uint32_t>(bins))) {
                counters[j].add(fast[j].bits(value));
              } else {
                stray[at] = value;
                stray_channel[at++] = own(j);
              }
            }
          }
        }
      }
      if (__any_sync(kFullWarp, pending)) {
        if (lane == 0) atomicAdd(&called[0], 1u);
        break;
      }
      tile += splits;
      if (__any_sync(kFullWarp, called_by(called) != 0)) break;
    }
    const bool more = __syncthreads_or(tile < tiles);
    const uint32_t filled = strays[0] < strays[1] ? strays[0] : strays[1];
    if (!more && filled == 0) break;
    const bool called_here = __any_sync(kFullWarp, pending);

    const Window old{exponent[lane], first[lane]};
    PPQ_ROLLED for (int r = 0; pending && r < kWords; ++r) {
      if (!inside_rows(tile, r)) break;
      const uint32_t word = turned(*word_at(tile, r));
      PPQ_UNROLL for (int j = 0; j < kOf; ++j) {
        const float value = word_element<T>(word, j);
        if (numerics::is_finite(value))
          seen[j] = {fminf(seen[j].low, value), fmaxf(seen[j].high, value)};
        else
          atomicAdd(&nonfinite[own(j)], 1ull);
      }
    }
    PPQ_UNROLL for (int j = 0; j < kOf; ++j) {
      if (!(seen[j].low <= seen[j].high)) continue;
      atomicMin(&lowest[own(j)], ordered(numerics::canonical_zero(seen[j].low)));
      atomicMax(&highest[own(j)], ordered(numerics::canonical_zero(seen[j].high)));
      seen[j] = {infinity(), -infinity()};
    }
    __syncthreads();
    bool moves = false;
    if (thread < 32) {
      const float low = unordered(lowest[thread]), high = unordered(highest[thread]);
      const Window now_at = low <= high ? block_window(low, high, old, bins) : old;
      moves = old.exponent != kNoExponent && (now_at.exponent != old.exponent || now_at.first != old.first);
      exponent[thread] = now_at.exponent;
      first[thread] = now_at.first;
    }
    if (thread == 0) {
      strays[0] = 0;
      strays[1] = kStrays;
      called[0] = 0;
    }
    moves = __syncthreads_or(moves);
    if (moves) rebin_columns(counts, bins, old, Window{exponent[lane], first[lane]});
    PPQ_UNROLL for (int j = 0; j < kOf; ++j) fast[j] = fast_bins({exponent[own(j)], first[own(j)]});
    auto count = [&](float value, int c) {
      const int bin = numerics::bin_index(value, numerics::make_grid_scale(exponent[c])) - first[c];
      atomicAdd(&counts[bin / 2 * 32 + c], 1u << bin % 2 * 16);
    };
    if (static_cast<uint32_t>(thread) < filled) count(stray[thread], stray_channel[thread]);
    PPQ_ROLLED for (int r = 0; pending && r < kWords; ++r) {
      if (!inside_rows(tile, r)) break;
      const uint32_t word = turned(*word_at(tile, r));
      PPQ_UNROLL for (int j = 0; j < kOf; ++j) {
        const float value = word_element<T>(word, j);
        if (numerics::is_finite(value)) count(value, own(j));
      }
    }
    if (called_here) tile += splits;
    if (filled != 0) __syncthreads();  // the list is empty
  }

  PPQ_UNROLL for (int j = 0; j < kOf; ++j) {
    if (!(seen[j].low <= seen[j].high)) continue;
    atomicMin(&lowest[own(j)], ordered(numerics::canonical_zero(seen[j].low)));
    atomicMax(&highest[own(j)], ordered(numerics::canonical_zero(seen[j].high)));
  }
  __syncthreads();
  if (lane >= channels) return;
  const int64_t part = (channel + lane) * splits + split;
  const float low = unordered(lowest[lane]), high = unordered(highest[lane]);
  if (warp == 0) {
    work.headers[part] = {low <= high ? exponent[lane] : kNoExponent, first[lane], low, high,
                          static_cast<int64_t>(static_cast<unsigned long long>(nonfinite[lane]))};
  }
  if (!(low <= high)) return;
  const int words = column_words(bins);
  for (int word = warp * 4; word < words; word += kColumnsWarps * 4) {
    Words four;
    PPQ_UNROLL for (int i = 0; i < 4; ++i) four.value[i] = counts[(word + i) * 32 + lane];
    *reinterpret_cast<Words*>(work.partial_counts + part * words + word) = four;
  }
}

}  // namespace
}  // namespace ppq::kernels::cuda
