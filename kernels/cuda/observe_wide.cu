// Counts of histograms with more bins than shared memory holds: each value is added where it belongs in the state's own bins,
// whose window already holds the range of x. A block takes part of one channel (rows.cuh), 16-byte vectors.
// Traffic: x once, and an int64 atomic a value in L2 (zeros are summed up in the block first). Integers: no order shows.
#include "kernels/cuda/histogram.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/rows.cuh"

namespace ppq::kernels::cuda {
namespace {

constexpr int kCountThreads = 256, kCountVectors = 4, kCountUnits = kCountThreads * kCountVectors;

template <class T>
__global__ void __launch_bounds__(kCountThreads)
    count_bins_kernel(const __grid_constant__ CountWork work, const __grid_constant__ RowPlan plan) {
  PPQ_SHARED(unsigned long long, scratch, kCountThreads / 32);
  const T* x = static_cast<const T*>(work.x);
  const uint32_t splits = static_cast<uint32_t>(work.partition.splits), channel = blockIdx.x / splits;
  const int32_t exponent = work.state.exponent[channel];
  if (exponent == kNoExponent) return;
  const int64_t first = work.state.first[channel];
  const numerics::GridScale scale = numerics::make_grid_scale(exponent);
  unsigned long long* counts = reinterpret_cast<unsigned long long*>(work.state.counts) + channel * work.bins;
  unsigned long long zeros = 0;
  for (int64_t tile = blockIdx.x - channel * splits; tile < plan.tiles; tile += splits) {
    Vector<T> values[kCountVectors];
    uint32_t valid[kCountVectors];
    PPQ_UNROLL for (int v = 0; v < kCountVectors; ++v) {
      const int64_t number = tile * kCountUnits + v * kCountThreads + static_cast<int>(threadIdx.x);
      const RowUnit unit = row_unit<T>(x, work.view, work.partition, plan, channel, number);
      values[v] = load_vector(x + unit.row_start, unit.column, unit.width, true);
      valid[v] = unit.template valid<T>();
    }
    PPQ_UNROLL for (int v = 0; v < kCountVectors; ++v) {
      PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) {
        const float value = to_float(values[v].value[k]);
        if (!(valid[v] >> k & 1) || !numerics::is_finite(value)) continue;
        if (value == 0.0f)
          ++zeros;
        else
          atomicAdd(counts + (numerics::bin_index(value, scale) - first), 1ull);
      }
    }
  }
  zeros = block_sum<kCountThreads>(zeros, scratch);
  if (threadIdx.x == 0 && zeros != 0) atomicAdd(counts - first, zeros);
}

}  // namespace

void launch_count_bins(const CountWork& work, DType dtype, Stream stream) {
  with_storage(dtype, [&](auto storage) {
    using T = decltype(storage);
    const RowPlan plan = plan_rows<T>(work.x, work.view, work.partition, kCountUnits);
    launch_kernel(count_bins_kernel<T>, work.partition.groups * work.partition.splits, kCountThreads, 0, stream, work, plan);
  });
}

}  // namespace ppq::kernels::cuda
