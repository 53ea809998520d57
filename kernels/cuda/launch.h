#pragma once

#include <cstdint>

#include "kernels/numerics.h"
#include "kernels/search_rules.h"

/// The border between device code (*.cu, no ATen) and its host side (*.cpp): plain structures and launch functions. All
/// pointers are device memory; launches go to `stream` and return at once; a failed launch throws std::runtime_error.
struct CUstream_st;

namespace ppq::kernels::cuda {

using Stream = CUstream_st*;
enum class DType : int { Float32, Float16, BFloat16 };
inline constexpr int64_t element_size(DType dtype) { return dtype == DType::Float32 ? 4 : 2; }

/// Multiprocessors of the current device.
int multiprocessors();
/// Shared memory that a block of the current device may have, in bytes.
int shared_limit();

/// n / divisor for n < 2^31 by a multiplication (Granlund and Montgomery, "Division by invariant integers").
struct FastDivide {
  uint32_t divisor = 1, magic = 1, shift = 0;
};
inline FastDivide make_fast_divide(int64_t divisor) {
  FastDivide result;
  result.divisor = static_cast<uint32_t>(divisor);
  while (result.shift < 31 && (uint64_t{1} << result.shift) < result.divisor) ++result.shift;
  result.magic = static_cast<uint32_t>((uint64_t{1} << 32) * ((uint64_t{1} << result.shift) - result.divisor) / result.divisor + 1);
  return result;
}

// ---- element by element ----

/// Where the scale of an element lies. Elements are numbered in memory order and read as [outer, axis, inner]; element
/// (o, a, n) has scale o × outer_stride + a / block × block_stride + n × inner_stride. The default: one scale for all.
struct ScaleMap {
  int64_t inner = int64_t{1} << 62, axis = 1, block = 1;
  int64_t outer_stride = 0, block_stride = 0, inner_stride = 0;
  FastDivide by_inner, by_axis, by_block;  ///< by_inner is valid when inner < 2^30
  bool mapped = false;                     ///< false: one scale
};
struct Elementwise {
  const void* x;
  const float *scale, *offset;
  int64_t count;
  DType dtype;
  ScaleMap map;
  numerics::FormatRule rule;
};
/// out may be x.
void launch_fake_quantize(const Elementwise& work, void* out, Stream stream);
/// out: integers of out_bytes (1, 2 or 4) bytes.
void launch_quantize_to_int(const Elementwise& work, void* out, int out_bytes, Stream stream);

// ---- reductions by channel ----

/// Some channels of a dense tensor read as [outer, channels, inner] in memory order.
struct ChannelView {
  int64_t outer = 1, channels = 1, inner = 0;
};
inline constexpr int64_t kMaxGroup = 16;
/// How blocks share a view: a block takes `group` neighbouring channels (group × inner elements in a row of memory, `outer`
/// rows, channels × inner apart) and one of `splits` parts of them.
struct Partition {
  int64_t group = 1, groups = 1, splits = 1;
};

/// A view whose rows are short (channels-last) is reduced by columns: a thread keeps to kVector neighbouring elements of a row
/// (or one, where rows are not all aligned) and walks down the rows.
struct ColumnPlan {
  bool columns = false, vectors = false;
  int64_t blocks = 0;  ///< side by side
  int64_t splits = 1;
};

struct BackwardWork {
  const void *grad, *x;
  void* grad_x;
  const float *scale, *offset;
  ChannelView view;
  Partition partition;  ///< of rows; group 1
  ColumnPlan columns;
  DType dtype;
  numerics::FormatRule rule;
  bool masked;
  double* partials;  ///< [channels, splits, 2], by columns [channels × inner, splits, 2]
  float *grad_scale, *grad_offset;
  double factor;
};
void launch_backward(const BackwardWork& work, Stream stream);

struct RangeWork {
  const void* x;
  ChannelView view;
  Partition partition;  ///< of rows; group 1
  ColumnPlan columns;
  float *minimum, *maximum;
  int64_t* nonfinite;
};
void launch_observe_range(const RangeWork& work, DType dtype, Stream stream);

/// Blocks along the middle dimension of contiguous [outer, axis, inner]; state: [outer, axis / block, inner].
struct BlockRangeWork {
  const void* x;
  int64_t outer, axis, inner, block;
  float *minimum, *maximum;
  int64_t* nonfinite;
  FastDivide by_row, by_columns;  ///< by blocks a row of the axis, and by columns a thread's share; valid when `narrow`
  bool narrow;
};
/// About `blocks` blocks of threads, fewer for small tensors.
void launch_observe_range_blocks(const BlockRangeWork& work, DType dtype, int64_t blocks, Stream stream);

/// Contiguous [rows, length]; cells: [2, top2::kCells].
struct RowTop2Work {
  const void* x;
  int64_t rows, length;
  bool symmetric;
  double steps;
  int64_t* cells;
  float *minimum, *maximum;
  int64_t* nonfinite;
};
/// About `blocks` blocks of threads, fewer for small tensors.
void launch_row_top2(const RowTop2Work& work, DType dtype, int64_t blocks, Stream stream);

struct HistogramState {
  int64_t *counts, *first;
  int32_t* exponent;
  float *minimum, *maximum;
  int64_t* nonfinite;
};
/// What one block saw of one channel.
struct PartialHeader {
  int32_t exponent, first;
  float minimum, maximum;
  int64_t nonfinite;
};
struct ObserveWork {
  const void* x;
  ChannelView view;
  Partition partition;
  HistogramState state;
  uint32_t* partial_counts;  ///< [channels, splits, bins]
  PartialHeader* headers;    ///< [channels, splits]
  bool columns;              ///< by observe_columns_kernel: groups of kColumnGroup, partial_counts of 16 bits
};
/// Rows of one element a channel: channels a block, and what its counters need at most besides their own size.
inline constexpr int64_t kColumnGroup = 32, kColumnTile = 512, kColumnBins = 2048;
PPQ_HD inline int64_t column_bytes(int64_t bins) { return (bins + 7) / 8 * 16 * kColumnGroup; }
inline constexpr int kObserveBatch = 16;
/// The bins of a block live in shared memory. Histograms with more are counted by launch_count_bins.
inline constexpr int64_t kMaxBins = 8192;
/// Three launches for up to kObserveBatch tensors of one dtype with the same number of bins.
void launch_observe(const ObserveWork* works, int count, int64_t bins, DType dtype, Stream stream);
/// Adds the values of x to the bins of a state whose window holds them; range and non-finite count stay as they are.
struct CountWork {
  const void* x;
  ChannelView view;
  Partition partition;  ///< group 1
  HistogramState state;
  int64_t bins;
};
void launch_count_bins(const CountWork& work, DType dtype, Stream stream);
void launch_merge(const HistogramState& into, const HistogramState& from, int64_t channels, int64_t bins, Stream stream);

// ---- range search ----

/// One tensor of a search (see RangeSearch); what its kind does not need is null.
struct SearchTask {
  search::Rule rule;
  HistogramState state;
  const int64_t* zeros;
  const double* sums;
  int64_t bins;
  int64_t channels, channel_end;  ///< channel_end: channels of this task and those before it
};
/// tasks: `count` of them, in device memory; a block takes every blocks-th of `rows` channels. scratch: [blocks, pitch] with
/// pitch above every task's bins. found: [rows, 3].
void launch_search(const SearchTask* tasks, int count, int64_t rows, search::Moments* scratch, int64_t pitch, int64_t blocks, double* found,
                   Stream stream);
/// The rows of tasks that search as PPQ does; launch_search leaves them out.
void launch_ppq_search(const SearchTask* tasks, int count, int64_t rows, int64_t blocks, double* found, Stream stream);

// ---- sums ----

inline constexpr int kErrorBlocks = 1024;
/// partials: [kErrorBlocks, 4]; sums: 4.
void launch_error_sums(const void* quantized, const void* reference, int64_t count, DType dtype, double* partials, double* sums,
                       Stream stream);

}  // namespace ppq::kernels::cuda
