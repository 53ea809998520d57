// The one-sweep observer: minimum, maximum, non-finite count and growing histogram of each channel, in one read of x.
//
// observe_rows_kernel, observe_columns_kernel and observe_groups_kernel: a block walks its part of one channel, of 32 with one
// element a row, or of several with short rows,
// with a histogram of its own in shared memory. It loads the next tile while it counts this one, and grows its window of bins
// where a value leaves it (rare after the first tiles: a block starts from the window reached in earlier batches). At its end it
// writes its bins to `partial_counts`, in no order with the others. prepare_kernel (a block a channel) takes the union of the
// ranges, moves the old counts to the window that follows from it, and accumulate_kernel adds the blocks' bins to them.
// Traffic: x once, plus 4 × bins bytes a block written and read (one to three blocks a multiprocessor), plus
// 16 × bins bytes a channel. Counts are integers and the window is a function of the range alone, so the result does not
// depend on the order of blocks, threads or batches, and equals the CPU's bit for bit.
#include "kernels/cuda/observe_columns.cuh"
#include "kernels/cuda/observe_groups.cuh"
#include "kernels/cuda/observe_rows.cuh"

namespace ppq::kernels::cuda {
namespace {

constexpr int kSumBins = 32, kSumLanes = 8;

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
template <class Count>
__device__ unsigned long long gather(const Count* counts, int bins, int32_t first, int32_t index, int by) {
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
      const int32_t first = work.headers[part].first, index = window.first + bin;
      sum += work.columns ? gather(reinterpret_cast<const uint16_t*>(work.partial_counts + part * column_words(bins)), bins, first, index,
                                   window.exponent - exponent)
                          : gather(work.partial_counts + part * bins, bins, first, index, window.exponent - exponent);
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
    // By how the blocks take their channels: columns, several each, one, one with ragged rows.
    enum Kind { kColumns, kGroups, kRows, kRaggedRows };
    for (const Kind kind : {kColumns, kGroups, kRows, kRaggedRows}) {
      ObserveTable table{};
      table.bins = static_cast<int>(bins);
      int used = 0;
      uint32_t blocks = 0, channels = 0;
      int64_t group = 1;
      for (int i = 0; i < count; ++i) {
        const ObserveWork& work = works[i];
        const bool grouped = work.partition.group > 1;
        const RowPlan plan = plan_rows<T>(work.x, work.view, work.partition, grouped ? kGroupUnits<T> : kRowUnits<T>);
        if ((work.columns ? kColumns : grouped ? kGroups : plan.ragged ? kRaggedRows : kRows) != kind) continue;
        ObserveEntry& entry = table.entries[used++];
        entry.work = work;
        entry.plan = plan;
        entry.observe_end = blocks += static_cast<uint32_t>(work.partition.groups * work.partition.splits);
        entry.channel_end = channels += static_cast<uint32_t>(work.view.channels);
        group = work.partition.group > group ? work.partition.group : group;
      }
      if (used == 0) continue;
      auto kernel = kind == kColumns  ? observe_columns_kernel<T>
                    : kind == kGroups ? observe_groups_kernel<T>
                    : kind == kRows   ? observe_rows_kernel<T, false>
                                      : observe_rows_kernel<T, true>;
      launch_kernel(kernel, blocks,
                    kind == kColumns  ? kColumnsThreads
                    : kind == kGroups ? kGroupThreads
                                      : kRowThreads,
                    kind == kColumns ? column_bytes(bins) : group * bins * 4, stream, table);
      launch_kernel(prepare_kernel, channels, kPrepareThreads, 0, stream, table);
      launch_kernel(accumulate_kernel, channels * ((bins + kSumBins - 1) / kSumBins), kSumBins * kSumLanes, 0, stream, table);
    }
  });
}

void launch_merge(const HistogramState& into, const HistogramState& from, int64_t channels, int64_t bins, Stream stream) {
  launch_kernel(merge_kernel, channels, kPrepareThreads, 0, stream, into, from, static_cast<int>(bins));
}

}  // namespace ppq::kernels::cuda
