#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/level.h"

namespace ppq::kernels::cpu {

/// One growing histogram in plain memory: a row of ppq::kernels::Histogram, or a thread's own.
struct HistogramRow {
  int64_t* counts;
  int64_t bins;
  int64_t first;
  int32_t exponent;  ///< kEmptyExponent until a finite value was seen
  float minimum, maximum;
  int64_t nonfinite;

  bool empty() const;
  /// Moves counts to the grid of the range [low, high], which holds the row's own. `scratch` has `bins` elements.
  void grow(float low, float high, std::vector<int64_t>& scratch);
  /// Adds another row.
  void add(const HistogramRow& other, std::vector<int64_t>& scratch);
};

/// Fills histogram rows. Values are read once, in chunks that stay in the first-level cache: a chunk is counted on the grid
/// as it is, and only where a value lay outside is the chunk looked at again, the grid grown and the value counted. Counts
/// go to 32-bit counters and from there to the row.
class BinFiller {
 public:
  BinFiller(const Level& level, int64_t bins);
  /// Counts n values into `row`.
  void add(HistogramRow& row, const void* x, Type type, int64_t n);
  /// Moves what was counted to `row`; required before another row is filled or `row` is read.
  void finish(HistogramRow& row);

 private:
  void add_chunk(HistogramRow& row, const void* x, Type type, int64_t n);
  void add_outsiders(HistogramRow& row, const void* x, Type type, int64_t n);
  void grow(HistogramRow& row, float low, float high);

  const Level& level_;
  std::vector<uint32_t> counters_;
  std::vector<int64_t> scratch_;
  std::vector<float> values_;
  float low_, high_;         ///< range of what lies in the counters,
  bool everywhere_ = false;  ///< unless it may lie anywhere on the grid
  uint64_t pending_ = 0;     ///< values counted since the counters were emptied
  uint64_t hot_count_ = 0;
};

}  // namespace ppq::kernels::cpu
