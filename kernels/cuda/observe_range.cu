// Running minimum, maximum and non-finite count of each channel, in one read of x and one launch.
// Long rows: a block takes part of one channel (rows.cuh), 16-byte vectors. Short rows: by columns (columns.cuh).
// Each thread keeps its range in registers, a block joins them in shared memory, and one thread a channel takes it into the
// state by atomics. Traffic: x once. Minimum and maximum do not depend on order, -0 counts as +0: equal to the CPU's bits.
#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/extremes.cuh"
#include "kernels/cuda/rows.cuh"

namespace ppq::kernels::cuda {
namespace {

constexpr int kRangeThreads = 256, kRangeVectors = 4, kRangeUnits = kRangeThreads * kRangeVectors;

__device__ void take_in(const RangeWork& work, int64_t channel, int32_t lowest, int32_t highest, unsigned long long odd) {
  if (odd != 0) atomicAdd(reinterpret_cast<unsigned long long*>(work.nonfinite) + channel, odd);
  float low = unordered(lowest), high = unordered(highest);
  if (low > high) return;
  atomic_min(work.minimum + channel, low);
  atomic_max(work.maximum + channel, high);
}

template <class T>
__global__ void __launch_bounds__(kRangeThreads, 1) range_rows_kernel(RangeWork work, RowPlan plan) {
  PPQ_SHARED(int32_t, lowest, 1);
  PPQ_SHARED(int32_t, highest, 1);
  PPQ_SHARED(unsigned long long, odd, 1);
  if (threadIdx.x == 0) {
    lowest[0] = ordered(infinity());
    highest[0] = ordered(-infinity());
    odd[0] = 0;
  }
  __syncthreads();
  const T* x = static_cast<const T*>(work.x);
  uint32_t splits = static_cast<uint32_t>(work.partition.splits), channel = blockIdx.x / splits;
  Extremes extremes;
  for (int64_t tile = blockIdx.x - channel * splits; tile < plan.tiles; tile += splits) {
    Vector<T> values[kRangeVectors];
    uint32_t valid[kRangeVectors];
    PPQ_UNROLL for (int v = 0; v < kRangeVectors; ++v) {
      int64_t number = tile * kRangeUnits + v * kRangeThreads + static_cast<int>(threadIdx.x);
      RowUnit unit = row_unit<T>(x, work.view, work.partition, plan, channel, number);
      values[v] = load_vector(x + unit.row_start, unit.column, unit.width, true);
      valid[v] = unit.template valid<T>();
    }
    PPQ_UNROLL for (int v = 0; v < kRangeVectors; ++v) {
      PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) {
        if (valid[v] >> k & 1) extremes.add(to_float(values[v].value[k]));
      }
    }
  }
  if (extremes.low <= extremes.high) {
    atomicMin(&lowest[0], ordered(numerics::canonical_zero(extremes.low)));
    atomicMax(&highest[0], ordered(numerics::canonical_zero(extremes.high)));
  }
  if (extremes.odd != 0) atomicAdd(&odd[0], static_cast<unsigned long long>(extremes.odd));
  __syncthreads();
  if (threadIdx.x == 0) take_in(work, channel, lowest[0], highest[0], odd[0]);
}

template <class T, int kWidth>
__global__ void __launch_bounds__(kColumnThreads, 1) range_columns_kernel(RangeWork work) {
  constexpr int kColumns = kColumnLanes * kWidth, kAhead = 4;
  PPQ_SHARED(int32_t, lowest, kColumns);
  PPQ_SHARED(int32_t, highest, kColumns);
  PPQ_SHARED(unsigned long long, odd, kColumns);
  for (int i = static_cast<int>(threadIdx.x); i < kColumns; i += kColumnThreads) {
    lowest[i] = ordered(infinity());
    highest[i] = ordered(-infinity());
    odd[i] = 0;
  }
  __syncthreads();
  ColumnWalk<kWidth> walk(work.view, work.columns);
  const T* x = static_cast<const T*>(work.x);
  Extremes extremes[kWidth];
  bool mine = walk.column < walk.columns;
  for (int64_t row = walk.row; row < work.view.outer; row += kAhead * walk.step) {
    Vector<T, kWidth> values[kAhead];
    PPQ_UNROLL for (int r = 0; r < kAhead; ++r) {
      int64_t at = row + r * walk.step;
      values[r] = load_columns<kWidth>(x, at * walk.columns + walk.column, mine && at < work.view.outer);
    }
    PPQ_UNROLL for (int r = 0; r < kAhead; ++r) {
      if (!mine || row + r * walk.step >= work.view.outer) continue;
      PPQ_UNROLL for (int k = 0; k < kWidth; ++k) extremes[k].add(to_float(values[r].value[k]));
    }
  }
  PPQ_UNROLL for (int k = 0; k < kWidth; ++k) {
    int slot = static_cast<int>(threadIdx.x) % kColumnLanes * kWidth + k;
    if (extremes[k].low <= extremes[k].high) {
      atomicMin(&lowest[slot], ordered(numerics::canonical_zero(extremes[k].low)));
      atomicMax(&highest[slot], ordered(numerics::canonical_zero(extremes[k].high)));
    }
    if (extremes[k].odd != 0) atomicAdd(&odd[slot], static_cast<unsigned long long>(extremes[k].odd));
  }
  __syncthreads();
  int64_t first = walk.column - threadIdx.x % kColumnLanes * kWidth;
  for (int i = static_cast<int>(threadIdx.x); i < kColumns; i += kColumnThreads) {
    if (first + i < walk.columns) take_in(work, (first + i) / work.view.inner, lowest[i], highest[i], odd[i]);
  }
}

}  // namespace

void launch_observe_range(const RangeWork& work, DType dtype, Stream stream) {
  with_storage(dtype, [&](auto storage) {
    using T = decltype(storage);
    if (work.columns.columns) {
      auto kernel = work.columns.vectors ? range_columns_kernel<T, kVector<T>> : range_columns_kernel<T, 1>;
      launch_kernel(kernel, work.columns.blocks * work.columns.splits, kColumnThreads, 0, stream, work);
      return;
    }
    RowPlan plan = plan_rows<T>(work.x, work.view, work.partition, kRangeUnits);
    launch_kernel(range_rows_kernel<T>, work.partition.groups * work.partition.splits, kRangeThreads, 0, stream, work, plan);
  });
}

}  // namespace ppq::kernels::cuda
