// Gradients of fake quantization (LSQ; rules in kernels/numerics.h): of the input element by element, of scale and offset as
// sums a channel. Long rows: a block takes part of one channel (rows.cuh). Short rows: by columns (columns.cuh).
// Linear formats rounded half to even, with an ordinary scale and whole vectors: without a division (plain.cuh).
// Traffic: reads grad and x once, writes the input's gradient once; 16 bytes a block and channel for the sums.
// Sums are deterministic: each thread adds in float64 in a fixed order, a block in a fixed tree, and sum_kernel (a block a
// channel) the blocks' sums in a fixed order. No atomics.
#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/plain.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/rows.cuh"

namespace ppq::kernels::cuda {
namespace {

constexpr int kBackwardThreads = 256, kBackwardVectors = 2, kBackwardUnits = kBackwardThreads * kBackwardVectors;

using numerics::FormatRule;
using numerics::GradientTerms;

__device__ __noinline__ GradientTerms gradient_any(float dy, float x, float scale, float offset, const FormatRule* rule, bool masked) {
  switch (rule->rounding) {
    case numerics::kHalfEven:
      return numerics::gradient_terms<numerics::kHalfEven>(dy, x, scale, offset, *rule, masked);
    case numerics::kHalfUp:
      return numerics::gradient_terms<numerics::kHalfUp>(dy, x, scale, offset, *rule, masked);
    case numerics::kHalfDown:
      return numerics::gradient_terms<numerics::kHalfDown>(dy, x, scale, offset, *rule, masked);
    case numerics::kHalfTowardsZero:
      return numerics::gradient_terms<numerics::kHalfTowardsZero>(dy, x, scale, offset, *rule, masked);
    case numerics::kUp:
      return numerics::gradient_terms<numerics::kUp>(dy, x, scale, offset, *rule, masked);
    case numerics::kDown:
      return numerics::gradient_terms<numerics::kDown>(dy, x, scale, offset, *rule, masked);
    default:
      return numerics::gradient_terms<numerics::kHalfFarFromZero>(dy, x, scale, offset, *rule, masked);
  }
}

/// Adds one element's terms to the sums and gives its input gradient. kLinear: linear, half to even.
template <bool kLinear>
__device__ float add_terms(const BackwardWork& work, float dy, float x, float scale, float offset, double& scale_sum, double& offset_sum) {
  const FormatRule& rule = work.rule;
  GradientTerms terms = kLinear || (rule.rounding == numerics::kHalfEven && !rule.floating)
                            ? numerics::gradient_terms<numerics::kHalfEven>(dy, x, scale, offset, rule, work.masked)
                            : gradient_any(dy, x, scale, offset, &rule, work.masked);
  scale_sum += static_cast<double>(terms.scale);
  offset_sum += static_cast<double>(terms.offset);
  return terms.input;
}

/// The terms of the common rule (plain.cuh) in a straight line. x is clamped one step beyond the limits, where no term depends
/// on it any more; n and the limits lack the offset.
struct PlainTerms {
  PlainScale by;
  float from = 0, to = 0, low = 0, high = 0;
  __device__ PlainTerms() {}
  __device__ PlainTerms(float scale, float offset, const FormatRule& rule) : by(scale, offset, rule) {
    from = static_cast<float>(rule.quant_min) - offset;
    to = static_cast<float>(rule.quant_max) - offset;
    low = (from - 1.0f) * scale;
    high = (to + 1.0f) * scale;
  }
  __device__ float add(float dy, float x, bool masked, double& scale_sum, double& offset_sum) const {
    float u = by.divide(plain_clamp(x, low, high)), n = (u + kPlainShift) - kPlainShift;
    bool above = n > to, below = n < from, outside = above || below;
    float slope = above ? to : below ? from : n - u, shifted = -(by.scale * dy);
    scale_sum += static_cast<double>(slope * dy);
    offset_sum += static_cast<double>(outside ? shifted : 0.0f);
    return outside && masked ? 0.0f : dy;
  }
};

template <class T>
__device__ bool same_alignment(const T* a, const T* b) {
  return (reinterpret_cast<uintptr_t>(a) - reinterpret_cast<uintptr_t>(b)) % 16 == 0;
}

template <class T, bool kPlain>
__global__ void __launch_bounds__(kBackwardThreads, kPlain ? 3 : 1)
    backward_rows_kernel(const __grid_constant__ BackwardWork work, const __grid_constant__ RowPlan plan) {
  PPQ_SHARED(double, scratch, kBackwardThreads / 32);
  const T *x = static_cast<const T*>(work.x), *grad = static_cast<const T*>(work.grad);
  T* grad_x = static_cast<T*>(work.grad_x);
  bool grad_aligned = same_alignment(x, grad), out_aligned = same_alignment(x, static_cast<const T*>(grad_x));
  uint32_t splits = static_cast<uint32_t>(work.partition.splits), channel = blockIdx.x / splits, split = blockIdx.x - channel * splits;
  float scale = work.scale[channel], offset = work.offset[channel];
  double scale_sum = 0, offset_sum = 0;
  PlainTerms terms(scale, offset, work.rule);
  const bool plain = kPlain && terms.by.plain;
  if (plain) plain_rows<T>(work, plan, terms, channel, split, scale_sum, offset_sum);
  for (int64_t tile = plain ? plan.tiles : split; tile < plan.tiles; tile += splits) {
    Vector<T> values[kBackwardVectors], grads[kBackwardVectors];
    RowUnit units[kBackwardVectors];
    PPQ_UNROLL for (int v = 0; v < kBackwardVectors; ++v) {
      int64_t number = tile * kBackwardUnits + v * kBackwardThreads + static_cast<int>(threadIdx.x);
      units[v] = row_unit<T>(x, work.view, work.partition, plan, channel, number);
      values[v] = load_vector(x + units[v].row_start, units[v].column, units[v].width, true);
      grads[v] = load_vector(grad + units[v].row_start, units[v].column, units[v].width, grad_aligned);
    }
    PPQ_UNROLL for (int v = 0; v < kBackwardVectors; ++v) {
      uint32_t valid = units[v].template valid<T>();
      Vector<T> result;
      PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) {
        float input = 0;
        if (valid >> k & 1)
          input = add_terms<kPlain>(work, to_float(grads[v].value[k]), to_float(values[v].value[k]), scale, offset, scale_sum, offset_sum);
        result.value[k] = from_float<T>(input);
      }
      store_vector<T>(grad_x + units[v].row_start, units[v].column, units[v].width, out_aligned, result);
    }
  }
  scale_sum = block_sum<kBackwardThreads>(scale_sum, scratch);
  __syncthreads();
  offset_sum = block_sum<kBackwardThreads>(offset_sum, scratch);
  if (threadIdx.x != 0) return;
  work.partials[2 * static_cast<int64_t>(blockIdx.x)] = scale_sum;
  work.partials[2 * static_cast<int64_t>(blockIdx.x) + 1] = offset_sum;
}

/// Rows of the common rule, all on 16-byte boundaries: `units` vectors a row.
template <class T>
__device__ void plain_rows(const BackwardWork& work, const RowPlan& plan, const PlainTerms& terms, uint32_t channel, uint32_t split,
                           double& scale_sum, double& offset_sum) {
  uint32_t units = static_cast<uint32_t>(plan.units_a_row), total = static_cast<uint32_t>(work.view.outer) * units;
  uint32_t pitch = static_cast<uint32_t>(work.view.channels) * units, start = channel * units;
  uint32_t step = static_cast<uint32_t>(work.partition.splits) * kBackwardUnits;
  PPQ_ROLLED for (uint32_t first = split * kBackwardUnits + threadIdx.x; first < total; first += step) {
    Vector<T> values[kBackwardVectors], grads[kBackwardVectors];
    uint32_t at[kBackwardVectors];
    PPQ_UNROLL for (int v = 0; v < kBackwardVectors; ++v) {
      uint32_t number = first + v * kBackwardThreads, row = fast_divide(number, plan.by_units);
      at[v] = start + row * pitch + (number - row * units);
      bool inside = number < total;
      values[v] = inside ? plain_load<T>(work.x, at[v]) : Vector<T>{};
      grads[v] = inside ? plain_load<T>(work.grad, at[v]) : Vector<T>{};
    }
    PPQ_UNROLL for (int v = 0; v < kBackwardVectors; ++v) {
      if (first + v * kBackwardThreads >= total) break;
      float x[kVector<T>], dy[kVector<T>], result[kVector<T>];
      widen(values[v], x);
      widen(grads[v], dy);
      PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) result[k] = terms.add(dy[k], x[k], work.masked, scale_sum, offset_sum);
      plain_store<T>(static_cast<T*>(work.grad_x), at[v], narrow<T>(result));
    }
  }
}

/// The columns of a thread, two rows at a time (eight columns: one, for the registers); false where a scale is not of the common rule.
template <class T, int kWidth>
__device__ bool plain_columns(const BackwardWork& work, const ColumnWalk<kWidth>& walk, const float (&scale)[kWidth],
                              const float (&offset)[kWidth], double (&scale_sum)[kWidth], double (&offset_sum)[kWidth]) {
  const T *x = static_cast<const T*>(work.x), *grad = static_cast<const T*>(work.grad);
  T* grad_x = static_cast<T*>(work.grad_x);
  constexpr int kRows = kWidth > 4 ? 1 : 2;
  PlainTerms terms[kWidth];
  bool plain = true;
  PPQ_UNROLL for (int k = 0; k < kWidth; ++k) {
    terms[k] = PlainTerms(scale[k], offset[k], work.rule);
    plain = plain && terms[k].by.plain;
  }
  if (!plain) return false;
  PPQ_ROLLED for (int64_t row = walk.row; row < work.view.outer; row += kRows * walk.step) {
    int64_t at = row * walk.columns + walk.column, next = at + walk.step * walk.columns;
    bool both = kRows == 2 && row + walk.step < work.view.outer;
    Vector<T> values[2] = {plain_load<T>(x + at, 0), both ? plain_load<T>(x + next, 0) : Vector<T>{}};
    Vector<T> grads[2] = {plain_load<T>(grad + at, 0), both ? plain_load<T>(grad + next, 0) : Vector<T>{}};
    PPQ_UNROLL for (int v = 0; v < kRows; ++v) {
      if (v == 1 && !both) break;
      float value[kWidth], dy[kWidth], result[kWidth];
      widen(values[v], value);
      widen(grads[v], dy);
      PPQ_UNROLL for (int k = 0; k < kWidth; ++k) result[k] = terms[k].add(dy[k], value[k], work.masked, scale_sum[k], offset_sum[k]);
      store_whole(grad_x + (v == 0 ? at : next), narrow<T>(result));
    }
  }
  return true;
}

template <class T, int kWidth, bool kPlain>
__global__ void __launch_bounds__(kColumnThreads) backward_columns_kernel(const __grid_constant__ BackwardWork work) {
  constexpr int kColumns = kColumnLanes * kWidth;
  PPQ_SHARED(double, scale_sums, kRowLanes* kColumns);
  PPQ_SHARED(double, offset_sums, kRowLanes* kColumns);
  const T *x = static_cast<const T*>(work.x), *grad = static_cast<const T*>(work.grad);
  T* grad_x = static_cast<T*>(work.grad_x);
  ColumnWalk<kWidth> walk(work.view, work.columns);
  bool mine = walk.column < walk.columns;
  float scale[kWidth], offset[kWidth];
  double scale_sum[kWidth], offset_sum[kWidth];
  PPQ_UNROLL for (int k = 0; k < kWidth; ++k) {
    int64_t channel = mine ? (walk.column + k) / work.view.inner : 0;
    scale[k] = work.scale[channel];
    offset[k] = work.offset[channel];
    scale_sum[k] = offset_sum[k] = 0;
  }
  bool done = !mine;
  if constexpr (kPlain) done = done || plain_columns<T, kWidth>(work, walk, scale, offset, scale_sum, offset_sum);
  for (int64_t row = walk.row; row < work.view.outer && !done; row += walk.step) {
    int64_t at = row * walk.columns + walk.column;
    Vector<T, kWidth> values = load_columns<kWidth>(x, at, true), grads = load_columns<kWidth>(grad, at, true), result;
    PPQ_UNROLL for (int k = 0; k < kWidth; ++k) {
      result.value[k] = from_float<T>(
          add_terms<kPlain>(work, to_float(grads.value[k]), to_float(values.value[k]), scale[k], offset[k], scale_sum[k], offset_sum[k]));
    }
    store_whole(grad_x + at, result);
  }
  int lane = static_cast<int>(threadIdx.x) % kColumnLanes, row_lane = static_cast<int>(threadIdx.x) / kColumnLanes;
  PPQ_UNROLL for (int k = 0; k < kWidth; ++k) {
    scale_sums[row_lane * kColumns + lane * kWidth + k] = scale_sum[k];
    offset_sums[row_lane * kColumns + lane * kWidth + k] = offset_sum[k];
  }
  __syncthreads();
  int64_t first = walk.column - lane * kWidth, split = blockIdx.x / static_cast<uint32_t>(work.columns.blocks);
  for (int i = static_cast<int>(threadIdx.x); i < kColumns; i += kColumnThreads) {
    if (first + i >= walk.columns) continue;
    double of_scale = 0, of_offset = 0;
    for (int r = 0; r < kRowLanes; ++r) {
      of_scale += static_cast<double>(scale_sums[r * kColumns + i]);
      of_offset += static_cast<double>(offset_sums[r * kColumns + i]);
    }
    int64_t part = (first + i) * work.columns.splits + split;
    work.partials[2 * part] = of_scale;
    work.partials[2 * part + 1] = of_offset;
  }
}

__global__ void __launch_bounds__(kBackwardThreads)
    backward_sum_kernel(const double* partials, int64_t parts, double factor, float* grad_scale, float* grad_offset) {
  PPQ_SHARED(double, scratch, kBackwardThreads / 32);
  double scale_sum = 0, offset_sum = 0;
  for (int64_t part = threadIdx.x; part < parts; part += kBackwardThreads) {
    scale_sum += partials[2 * (blockIdx.x * parts + part)];
    offset_sum += partials[2 * (blockIdx.x * parts + part) + 1];
  }
  scale_sum = block_sum<kBackwardThreads>(scale_sum, scratch);
  __syncthreads();
  offset_sum = block_sum<kBackwardThreads>(offset_sum, scratch);
  if (threadIdx.x != 0) return;
  grad_scale[blockIdx.x] = static_cast<float>(scale_sum * factor);
  grad_offset[blockIdx.x] = static_cast<float>(offset_sum * factor);
}

/// Host: every row of every channel is whole vectors on 16-byte boundaries, and vectors have 31-bit numbers.
template <class T>
bool whole_vectors(const BackwardWork& work, const RowPlan& plan) {
  uintptr_t all = reinterpret_cast<uintptr_t>(work.x) | reinterpret_cast<uintptr_t>(work.grad) | reinterpret_cast<uintptr_t>(work.grad_x);
  return all % 16 == 0 && work.view.inner % kVector<T> == 0 && plan.narrow &&
         work.view.outer * work.view.channels * work.view.inner / kVector<T> < int64_t{1} << 30;
}

}  // namespace

void launch_backward(const BackwardWork& work, Stream stream) {
  int64_t parts = work.partition.splits;
  with_storage(work.dtype, [&](auto storage) {
    using T = decltype(storage);
    if (work.columns.columns) {
      auto vectors = is_plain(work.rule) ? backward_columns_kernel<T, kVector<T>, true> : backward_columns_kernel<T, kVector<T>, false>;
      auto kernel = work.columns.vectors ? vectors : backward_columns_kernel<T, 1, false>;
      launch_kernel(kernel, work.columns.blocks * work.columns.splits, kColumnThreads, 0, stream, work);
      parts = work.columns.splits * work.view.inner;
      return;
    }
    RowPlan plan = plan_rows<T>(work.x, work.view, work.partition, kBackwardUnits);
    auto kernel = is_plain(work.rule) && whole_vectors<T>(work, plan) ? backward_rows_kernel<T, true> : backward_rows_kernel<T, false>;
    launch_kernel(kernel, work.partition.groups * work.partition.splits, kBackwardThreads, 0, stream, work, plan);
  });
  launch_kernel(backward_sum_kernel, work.view.channels, kBackwardThreads, 0, stream, static_cast<const double*>(work.partials), parts,
                work.factor, work.grad_scale, work.grad_offset);
}

}  // namespace ppq::kernels::cuda
