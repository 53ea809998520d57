#include "kernels/cpu/bin_filler.h"

#include <algorithm>
#include <limits>

#include "kernels/kernels.h"

namespace ppq::kernels::cpu {
namespace {

using numerics::grid_exponent;
using numerics::grid_index;
using numerics::grown_index;

constexpr int64_t kChunk = 4096;
constexpr int64_t kLanes = 16;               ///< dummy slots
constexpr int64_t kNarrow = 65536 - kLanes;  ///< slots that fit 16 bits
constexpr int64_t kLargestIndex = 1 << 24;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

}  // namespace

bool HistogramRow::empty() const { return exponent == kEmptyExponent; }

void HistogramRow::grow(float low, float high, std::vector<int64_t>& scratch) {
  int new_exponent = grid_exponent(low, high, bins);
  int64_t new_first = grid_index(low, new_exponent);
  if (!empty() && (new_exponent != exponent || new_first != first)) {
    scratch.assign(bins, 0);
    for (int64_t i = 0; i < bins; ++i) {
      if (counts[i] != 0) scratch[grown_index(first + i, new_exponent - exponent) - new_first] += counts[i];
    }
    std::copy(scratch.begin(), scratch.end(), counts);
  }
  exponent = new_exponent;
  first = new_first;
  minimum = numerics::canonical_zero(low);
  maximum = numerics::canonical_zero(high);
}

void HistogramRow::add(const HistogramRow& other, std::vector<int64_t>& scratch) {
  nonfinite += other.nonfinite;
  if (other.empty()) return;
  grow(std::min(minimum, other.minimum), std::max(maximum, other.maximum), scratch);
  if (other.exponent == exponent && other.first == first) {
    for (int64_t i = 0; i < bins; ++i) counts[i] += other.counts[i];
    return;
  }
  for (int64_t i = 0; i < bins; ++i) {
    if (other.counts[i] != 0) counts[grown_index(other.first + i, exponent - other.exponent) - first] += other.counts[i];
  }
}

BinFiller::BinFiller(const Level& level, int64_t bins)
    : level_(level),
      bins_(bins),
      window_(std::min(2 * bins, std::max(bins, kNarrow))),
      counters_(2 * (window_ + kLanes)),
      low_(kInfinity),
      high_(-kInfinity) {}

void BinFiller::start(const HistogramRow& row) {
  started_ = true;
  low_ = row.empty() ? kInfinity : row.minimum;
  high_ = row.empty() ? -kInfinity : row.maximum;
  if (!row.empty()) set_window();
}

void BinFiller::set_window() {
  exponent_ = grid_exponent(low_, high_, bins_);
  int64_t low = grid_index(low_, exponent_), used = grid_index(high_, exponent_) - low + 1;
  first_ = std::max(low - (window_ - used) / 2, -kLargestIndex);
}

/// Finds the range of a sample of the first values.
bool BinFiller::look(const void* x, Type type, int64_t n) {
  constexpr int64_t kPiece = 256, kPieces = 16;
  int64_t nonfinite = 0, size = type == Type::Float ? 4 : 2, step = n / kPieces;
  const char* data = static_cast<const char*>(x);
  level_.range(data, type, std::min(kChunk, n), &low_, &high_, &nonfinite);
  for (int64_t i = 1; i < kPieces && step > kPiece; ++i) level_.range(data + i * step * size, type, kPiece, &low_, &high_, &nonfinite);
  if (low_ > high_) return false;
  set_window();
  return true;
}

void BinFiller::add(HistogramRow& row, const void* x, Type type, int64_t n) {
  if (!started_) start(row);
  int64_t size = type == Type::Float ? 4 : 2;
  const char* data = static_cast<const char*>(x);
  for (int64_t i = 0; i < n; i += kChunk) {
    int64_t count = std::min(kChunk, n - i);
    if (low_ > high_ && !look(data + i * size, type, n - i)) {
      row.nonfinite += count;
    } else {
      add_chunk(row, data + i * size, type, count);
    }
  }
}

void BinFiller::add_chunk(HistogramRow& row, const void* x, Type type, int64_t n) {
  if (pending_ > 0x7fff0000u) empty_counters(row);
  // Zero is often frequent (padding, ReLU), or all is one value.
  int64_t hot = (low_ <= 0 && high_ >= 0 ? 0 : grid_index(low_, exponent_)) - first_;
  BinTask task{exponent_, first_, window_, counters_.data(), window_ + kLanes, hot, 0, low_, high_, false, sparse_};
  level_.count_bins(task, x, type, n);
  pending_ += static_cast<uint64_t>(n);
  counters_[hot] += static_cast<uint32_t>(task.hot_count);
  sparse_ = task.sparse;
  if (task.outside) {
    add_outsiders(row, x, type, n);
    return;
  }
  low_ = task.minimum;
  high_ = task.maximum;
}

void BinFiller::add_outsiders(HistogramRow& row, const void* x, Type type, int64_t n) {
  float low = kInfinity, high = -kInfinity;
  level_.range(x, type, n, &low, &high, &row.nonfinite);
  if (low > high) return;
  low_ = std::min(low, low_);
  high_ = std::max(high, high_);
  // In double: on the old grid the index of a far value does not fit an integer.
  const double width = numerics::pow2d(exponent_), begin = static_cast<double>(first_) * width,
               end = static_cast<double>(first_ + window_) * width;
  if (static_cast<double>(low) >= begin && static_cast<double>(high) < end) return;
  empty_counters(row);
  set_window();
  values_.resize(n);
  level_.transpose(x, type, 0, n, 1, 0, 1, values_.data(), n);
  for (float value : values_) {
    const double wide = static_cast<double>(value);
    if ((wide < begin || wide >= end) && numerics::is_finite(value)) ++row.counts[grid_index(value, row.exponent) - row.first];
  }
}

/// Adds the counters to the row, on the grid of all that was seen.
void BinFiller::empty_counters(HistogramRow& row) {
  row.grow(low_, high_, scratch_);
  pending_ = 0;
  // On the window's grid, which may be finer than the row's, and lie off it where the range was extended beyond it.
  const int by = row.exponent - exponent_;
  const double scale = numerics::pow2d(-exponent_), first = static_cast<double>(first_), last = static_cast<double>(window_ - 1);
  const double low = numerics::floor_of(static_cast<double>(low_) * scale) - first;
  const double high = numerics::floor_of(static_cast<double>(high_) * scale) - first;
  const int64_t begin = static_cast<int64_t>(std::clamp(low, 0.0, last)), end = static_cast<int64_t>(std::clamp(high, 0.0, last)) + 1;
  uint32_t *counters = counters_.data(), *others = counters + window_ + kLanes;
  if (by == 0) {
    level_.fold(row.counts + (first_ + begin - row.first), counters + begin, others + begin, end - begin);
    return;
  }
  for (int64_t i = begin; i < end; ++i) {
    if (counters[i] || others[i]) row.counts[grown_index(first_ + i, by) - row.first] += static_cast<int64_t>(counters[i]) + others[i];
  }
  std::fill(counters + begin, counters + end, 0u);
  std::fill(others + begin, others + end, 0u);
}

void BinFiller::finish(HistogramRow& row) {
  if (pending_ != 0) {
    low_ = std::min(low_, row.minimum);
    high_ = std::max(high_, row.maximum);
    empty_counters(row);
  }
  started_ = false;
  low_ = kInfinity;
  high_ = -kInfinity;
}

}  // namespace ppq::kernels::cpu
