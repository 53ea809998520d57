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
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// The bin of zero where the grid has it, else the first: values there are often frequent (padding, ReLU).
int64_t hot_bin(const HistogramRow& row) { return row.first <= 0 && -row.first < row.bins ? -row.first : 0; }

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
    : level_(level), counters_(2 * (bins + 16)), low_(kInfinity), high_(-kInfinity) {}

void BinFiller::add(HistogramRow& row, const void* x, Type type, int64_t n) {
  int64_t size = type == Type::Float ? 4 : 2;
  const char* data = static_cast<const char*>(x);
  for (int64_t i = 0; i < n; i += kChunk) add_chunk(row, data + i * size, type, std::min(kChunk, n - i));
}

void BinFiller::add_chunk(HistogramRow& row, const void* x, Type type, int64_t n) {
  if (row.empty()) {
    float low = kInfinity, high = -kInfinity;
    int64_t nonfinite = 0;
    level_.range(x, type, n, &low, &high, &nonfinite);
    if (low > high) {
      row.nonfinite += nonfinite;
      return;
    }
    row.grow(low, high, scratch_);
  }
  if (pending_ > 0x7fff0000u) finish(row);
  BinTask task{row.exponent, row.first, row.bins, counters_.data(), hot_bin(row), hot_count_, low_, high_, false};
  level_.count_bins(task, x, type, n);
  hot_count_ = task.hot_count;
  pending_ += static_cast<uint64_t>(n);
  if (task.outside) {
    add_outsiders(row, x, type, n);
    return;
  }
  low_ = task.minimum;
  high_ = task.maximum;
  if (low_ < row.minimum || high_ > row.maximum) grow(row, std::min(low_, row.minimum), std::max(high_, row.maximum));
}

void BinFiller::add_outsiders(HistogramRow& row, const void* x, Type type, int64_t n) {
  float low = kInfinity, high = -kInfinity;
  level_.range(x, type, n, &low, &high, &row.nonfinite);
  if (low > high) return;
  everywhere_ = true;
  int old_exponent = row.exponent;
  int64_t old_first = row.first;
  grow(row, std::min(low, row.minimum), std::max(high, row.maximum));
  values_.resize(n);
  level_.transpose(x, type, 0, n, 1, 0, 1, values_.data(), n);
  for (float value : values_) {
    if (!numerics::is_finite(value)) continue;
    // In double: on the old grid the index of a far value does not fit an integer.
    double bin = numerics::floor_of(static_cast<double>(value) * numerics::pow2d(-old_exponent)) - static_cast<double>(old_first);
    if (bin < 0 || bin >= static_cast<double>(row.bins)) ++row.counts[grid_index(value, row.exponent) - row.first];
  }
}

void BinFiller::grow(HistogramRow& row, float low, float high) {
  int exponent = grid_exponent(low, high, row.bins);
  if (exponent == row.exponent && grid_index(low, exponent) == row.first) {
    row.minimum = numerics::canonical_zero(low);
    row.maximum = numerics::canonical_zero(high);
    return;
  }
  finish(row);
  row.grow(low, high, scratch_);
}

void BinFiller::finish(HistogramRow& row) {
  if (pending_ == 0) return;
  int64_t begin = 0, end = everywhere_ ? row.bins : 0;
  if (!everywhere_ && low_ <= high_) {
    begin = grid_index(low_, row.exponent) - row.first;
    end = grid_index(high_, row.exponent) - row.first + 1;
  }
  uint32_t* counters = counters_.data();
  int64_t* counts = row.counts;
  for (int64_t i = begin; i < end; ++i) {
    counts[i] += static_cast<int64_t>(counters[2 * i]) + counters[2 * i + 1];
  }
  std::fill(counters + 2 * begin, counters + 2 * end, 0u);
  row.counts[hot_bin(row)] += static_cast<int64_t>(hot_count_);
  hot_count_ = pending_ = 0;
  everywhere_ = false;
  low_ = kInfinity;
  high_ = -kInfinity;
}

}  // namespace ppq::kernels::cpu
