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

/// Fills histogram rows. Values are read once, in chunks that stay in cache, and counted in a window of 32-bit counters: the
/// row's grid, with room on both sides, so that most growth of the range needs no move. Only where a value lies outside the
/// window is the chunk looked at again, the window moved and the value counted. The row gets the counts, on the grid of the
/// range by then, at `finish`.
class BinFiller {
 public:
  BinFiller(const Level& level, int64_t bins);
  /// Takes the window from `row`; `add` does so itself where `row` is the one to fill.
  void start(const HistogramRow& row);
  /// Counts n values. Values outside the window, and counts when counters run full, go to `row` at once, the others at
  /// `finish`.
  void add(HistogramRow& row, const void* x, Type type, int64_t n);
  /// Moves what was counted to `row`; required before another row is filled or `row` is read.
  void finish(HistogramRow& row);

 private:
  void add_chunk(HistogramRow& row, const void* x, Type type, int64_t n);
  void add_outsiders(HistogramRow& row, const void* x, Type type, int64_t n);
  bool look(const void* x, Type type, int64_t n);
  void set_window();
  void empty_counters(HistogramRow& row);

  const Level& level_;
  int64_t bins_, window_;
  std::vector<uint32_t> counters_;
  std::vector<int64_t> scratch_;
  std::vector<float> values_;
  bool started_ = false;
  int exponent_ = 0;  ///< of the window; it has no place while low_ > high_
  int64_t first_ = 0;
  float low_, high_;      ///< range of everything seen, and of the row the window was taken from
  uint64_t pending_ = 0;  ///< values counted since the counters were emptied
  bool sparse_ = false;
};

}  // namespace ppq::kernels::cpu
