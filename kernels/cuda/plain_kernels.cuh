#pragma once

#include "kernels/cuda/plain.cuh"

/// The kernels of fake quantization and of quantize_to_int for the common rule (plain.cuh), whose loop is 8 instructions a
/// value. Blocks of 256 threads take 4 vectors of 16 bytes a thread, once; all loads go before the first use. They differ in
/// where scales lie: one for all; one a vector, found by two multiplications; or the thread's own columns', in registers.
namespace ppq::kernels::cuda {

inline constexpr uint32_t kPlainTile = kElementThreads * kElementVectors;

struct OneScale {
  PlainScale scale;
  __device__ bool plain() const { return scale.plain; }
  __device__ const PlainScale& of(int, int) const { return scale; }
};
struct VectorScales {
  PlainScale scale[kElementVectors];
  bool all = true;
  __device__ bool plain() const { return all; }
  __device__ const PlainScale& of(int v, int) const { return scale[v]; }
};
template <int kCount>
struct ColumnScales {
  PlainScale scale[kCount];
  bool all = true;
  __device__ bool plain() const { return all; }
  __device__ const PlainScale& of(int, int k) const { return scale[k]; }
};

template <class T, class U>
__global__ void __launch_bounds__(kElementThreads)
    plain_tensor_kernel(const __grid_constant__ Elementwise work, U* out, uint32_t vectors, uint32_t whole) {
  uint32_t first = blockIdx.x * kPlainTile + threadIdx.x;
  auto make = [&] { return OneScale{PlainScale(work.scale[0], work.offset[0], work.rule)}; };
  auto other = [](uint32_t, int) -> int64_t { return 0; };
  if (blockIdx.x < whole) {
    plain_tile<T, U, true>(work, out, vectors, first, kElementThreads, make, other);
  } else {
    plain_tile<T, U, false>(work, out, vectors, first, kElementThreads, make, other);
  }
  // Less than a vector is left over.
  int64_t i = static_cast<int64_t>(vectors) * kVector<T> + threadIdx.x;
  if (blockIdx.x + 1 < gridDim.x || i >= work.count) return;
  out[i] = plain_other<T, U>(to_float(static_cast<const T*>(work.x)[i]), work.scale[0], work.offset[0],
                             static_cast<float>(work.rule.quant_min), static_cast<float>(work.rule.quant_max));
}

/// Vector v has scale v / row × pitch + v % row / run.
struct VectorMap {
  FastDivide by_row, by_run;
  uint32_t row = 1, pitch = 0;
};
__device__ inline uint32_t vector_scale(const VectorMap& map, uint32_t v) {
  uint32_t row = fast_divide(v, map.by_row);
  return row * map.pitch + fast_divide(v - row * map.row, map.by_run);
}

template <class T, class U>
__global__ void __launch_bounds__(kElementThreads) plain_vectors_kernel(const __grid_constant__ Elementwise work, U* out, uint32_t vectors,
                                                                        uint32_t whole, const __grid_constant__ VectorMap map) {
  uint32_t first = blockIdx.x * kPlainTile + threadIdx.x;
  auto make = [&] {
    uint32_t index[kElementVectors];
    float scale[kElementVectors], offset[kElementVectors];
    PPQ_UNROLL for (int v = 0; v < kElementVectors; ++v) {
      uint32_t at = first + v * kElementThreads;
      index[v] = vector_scale(map, at < vectors ? at : vectors - 1);
      scale[v] = work.scale[index[v]];
      offset[v] = work.offset[index[v]];
    }
    VectorScales scales;
    PPQ_UNROLL for (int v = 0; v < kElementVectors; ++v) {
      scales.scale[v] = PlainScale(scale[v], offset[v], work.rule);
      scales.all = scales.all && scales.scale[v].plain;
    }
    return scales;
  };
  auto other = [&](uint32_t at, int) -> int64_t { return vector_scale(map, at); };
  if (blockIdx.x < whole) {
    plain_tile<T, U, true>(work, out, vectors, first, kElementThreads, make, other);
  } else {
    plain_tile<T, U, false>(work, out, vectors, first, kElementThreads, make, other);
  }
}

/// The tensor as rows of `columns` vectors over which scales repeat: element e of a row has scale e / inner % channels. A
/// block is `width` vectors wide and `height` threads high; its threads take kElementVectors rows, `height` apart.
struct ColumnMap {
  FastDivide by_width, by_blocks, by_inner, by_channels;
  uint32_t columns = 1, width = 1, height = 1, blocks = 1;
  bool direct = false;  ///< element e has scale e
};
__device__ inline uint32_t column_scale(const ColumnMap& map, uint32_t e) {
  if (map.direct) return e;
  uint32_t row = fast_divide(e, map.by_inner);
  return row - fast_divide(row, map.by_channels) * map.by_channels.divisor;
}

template <class T, class U>
__global__ void __launch_bounds__(kElementThreads)
    plain_columns_kernel(const __grid_constant__ Elementwise work, U* out, uint32_t vectors, const __grid_constant__ ColumnMap map) {
  uint32_t high = fast_divide(blockIdx.x, map.by_blocks), wide = blockIdx.x - high * map.blocks;
  uint32_t row = fast_divide(threadIdx.x, map.by_width), column = wide * map.width + (threadIdx.x - row * map.width);
  uint32_t step = map.height * map.columns, first = (high * kElementVectors * map.height + row) * map.columns + column;
  if (column >= map.columns) return;
  auto make = [&] {
    float scale[kVector<T>], offset[kVector<T>];
    PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) {
      uint32_t index = column_scale(map, column * kVector<T> + k);
      scale[k] = work.scale[index];
      offset[k] = work.offset[index];
    }
    ColumnScales<kVector<T>> scales;
    PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) {
      scales.scale[k] = PlainScale(scale[k], offset[k], work.rule);
      scales.all = scales.all && scales.scale[k].plain;
    }
    return scales;
  };
  auto other = [&](uint32_t, int k) -> int64_t { return column_scale(map, column * kVector<T> + static_cast<uint32_t>(k)); };
  if (first + (kElementVectors - 1) * step < vectors) {
    plain_tile<T, U, true>(work, out, vectors, first, step, make, other);
  } else {
    plain_tile<T, U, false>(work, out, vectors, first, step, make, other);
  }
  // Less than a vector is left over: its first element lies in column vectors % columns.
  uint32_t left = static_cast<uint32_t>(work.count - static_cast<int64_t>(vectors) * kVector<T>);
  if (left == 0 || vectors < first || (vectors - first) % step != 0 || (vectors - first) / step >= kElementVectors) return;
  PPQ_ROLLED for (uint32_t k = 0; k < left; ++k) {
    size_t i = static_cast<size_t>(vectors) * kVector<T> + k;
    int64_t index = column_scale(map, column * kVector<T> + k);
    out[i] = plain_other<T, U>(to_float(static_cast<const T*>(work.x)[i]), work.scale[index], work.offset[index],
                               static_cast<float>(work.rule.quant_min), static_cast<float>(work.rule.quant_max));
  }
}

/// Where the scales of `work` are constant over vectors of `width` elements.
inline bool plan_vectors(const Elementwise& work, int64_t width, VectorMap& map) {
  const ScaleMap& from = work.map;
  int64_t row = from.axis * from.inner, run = from.block * from.inner;
  if (from.inner_stride != 0 || row % width != 0 || run % width != 0 || row / width >= int64_t{1} << 30) return false;
  map.by_row = make_fast_divide(row / width);
  map.by_run = make_fast_divide(run / width);
  map.row = static_cast<uint32_t>(row / width);
  map.pitch = static_cast<uint32_t>(from.outer_stride);
  return from.block_stride == 1;
}
/// Where they repeat over rows (channels).
inline bool plan_columns(const Elementwise& work, int64_t width, ColumnMap& map) {
  const ScaleMap& from = work.map;
  constexpr int64_t kMost = int64_t{1} << 26;
  if (from.outer_stride != 0 || from.inner_stride != 0 || from.block_stride != 1 || from.block != 1 || from.axis > kMost ||
      from.inner > kMost || from.axis * from.inner > kMost)
    return false;
  int64_t columns = from.axis * from.inner, shared = width;
  while (columns % shared != 0) shared /= 2;
  map.direct = from.inner == 1 && shared == width;
  columns /= shared;
  map.columns = static_cast<uint32_t>(columns);
  map.blocks = static_cast<uint32_t>((columns + kElementThreads - 1) / kElementThreads);
  map.width = (map.columns + map.blocks - 1) / map.blocks;
  map.height = kElementThreads / map.width;
  map.by_width = make_fast_divide(map.width);
  map.by_blocks = make_fast_divide(map.blocks);
  map.by_inner = make_fast_divide(from.inner);
  map.by_channels = make_fast_divide(from.axis);
  return true;
}

/// Launches one of the kernels above; false where the work is not for them.
template <class T, class U>
bool launch_plain(const Elementwise& work, U* out, Stream stream) {
  constexpr int64_t kWidth = kVector<T>;
  if constexpr (!std::is_same_v<T, U> && sizeof(U) * kWidth > 8) {
    return false;  // integers as wide as the numbers: rare, and spill a register on some architectures
  } else {
    int64_t vectors = work.count / kWidth;
    if (!is_plain(work.rule) || vectors >= int64_t{1} << 30 || reinterpret_cast<uintptr_t>(work.x) % 16 != 0 ||
        reinterpret_cast<uintptr_t>(out) % (sizeof(U) * kWidth) != 0)
      return false;
    uint32_t count = static_cast<uint32_t>(vectors), whole = count / kPlainTile;
    int64_t blocks = vectors < 1 ? 1 : (vectors + kPlainTile - 1) / kPlainTile;
    if (!work.map.mapped) {
      launch_kernel(plain_tensor_kernel<T, U>, blocks, kElementThreads, 0, stream, work, out, count, whole);
      return true;
    }
    VectorMap by_vector;
    if (plan_vectors(work, kWidth, by_vector)) {
      launch_kernel(plain_vectors_kernel<T, U>, blocks, kElementThreads, 0, stream, work, out, count, whole, by_vector);
      return true;
    }
    ColumnMap by_column;
    if (!plan_columns(work, kWidth, by_column)) return false;
    int64_t rows = (work.count + by_column.columns * kWidth - 1) / (by_column.columns * kWidth), high = by_column.height * kElementVectors;
    int64_t highs = (rows + high - 1) / high;
    if ((highs * high + high) * by_column.columns >= int64_t{1} << 31) return false;
    launch_kernel(plain_columns_kernel<T, U>, highs * by_column.blocks, static_cast<int>(by_column.width * by_column.height), 0, stream,
                  work, out, count, by_column);
    return true;
  }
}

}  // namespace ppq::kernels::cuda
