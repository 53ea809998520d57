#include "kernels/cpu/observe_interleaved.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/cpu/parallel.h"

namespace ppq::kernels::cpu {
namespace {

constexpr int64_t kTile = SlotTask::kChannels;
constexpr int64_t kRows = 4096;         ///< rows whose slots stay in the second-level cache
constexpr int64_t kPitch = kRows + 16;  ///< not a power of two: lines would share a cache set

const void* advance(const void* data, int64_t elements, Type type) {
  return static_cast<const char*>(data) + elements * (type == Type::Float ? 4 : 2);
}

/// Increments the bins of two of the channels of a tile; an increment waits for the one before it in the same bin.
void count_two(const uint16_t* slots, int64_t rows, int64_t* counts, int64_t* others, int64_t other) {
#pragma GCC unroll 4
  for (int64_t i = 0; i < rows * kTile; i += kTile) {
    ++counts[slots[i]];
    ++others[slots[i + other]];
  }
}
void count_one(const uint16_t* slots, int64_t rows, int64_t* counts) {
  for (int64_t i = 0; i < rows * kTile; i += kTile) ++counts[slots[i]];
}

/// Fills the histograms of a tile of 16 channels from kRows rows at a time. Where all values of a channel lie in the window
/// of its histogram, which is the rule after the first batches, they are counted straight in the histogram: no counters are
/// emptied, and nothing is transposed, as vectors along the channels give the slots. Other channels, and all where the
/// histograms are new, are transposed in cache and counted by fillers.
class Tile {
 public:
  Tile(const Level& level, int64_t bins) : level_(level), bins_(bins), slots_(std::make_unique_for_overwrite<uint16_t[]>(kRows * kTile)) {}

  /// Begins channels [first, first + own.size()) of a tensor of `outer` rows. Fillers of long tensors are emptied at the end.
  void start(std::vector<HistogramRow> own, int64_t first, int64_t outer) {
    own_ = std::move(own);
    first_ = first;
    direct_ = level_.slots && std::any_of(own_.begin(), own_.end(), [](const HistogramRow& row) { return counts_directly(row); });
    apart_ = !direct_ && outer > 4 * kRows;
  }
  /// `rows` <= kRows rows; x points at the first one.
  void add(const void* x, Type type, int64_t rows, int64_t channels) {
    // Sixteen channels are read, in the last tile with some of the tile before.
    const int64_t count = static_cast<int64_t>(own_.size()), start = std::min(first_, channels - kTile), shift = first_ - start;
    std::vector<int64_t> inside, others;
    SlotTask task;
    if (direct_ && start >= 0) {
      for (int64_t k = 0; k < kTile; ++k) {
        const HistogramRow& row = own_[std::clamp<int64_t>(k - shift, 0, count - 1)];
        task.set(k, counts_directly(row) ? row.exponent : 0, counts_directly(row) ? row.first : 0);
      }
      level_.slots(task, advance(x, start, type), type, rows, channels, slots_.get());
    }
    for (int64_t c = 0; c < count; ++c) {
      const bool all = direct_ && start >= 0 && counts_directly(own_[c]) && task.top[c + shift] < own_[c].bins;
      (all ? inside : others).push_back(c);
    }
    for (size_t i = 0; i + 1 < inside.size(); i += 2) {
      const int64_t c = inside[i], other = inside[i + 1];
      count_two(slots_.get() + c + shift, rows, own_[c].counts, own_[other].counts, other - c);
    }
    if (inside.size() % 2) count_one(slots_.get() + inside.back() + shift, rows, own_[inside.back()].counts);
    for (int64_t c : inside) extend(own_[c], task.minimum[c + shift], task.maximum[c + shift]);
    if (others.empty()) return;
    values_.resize(kTile * kPitch);
    while (fillers_.size() < (apart_ ? own_.size() : 1)) fillers_.emplace_back(level_, bins_);
    if (others.size() > 3) {
      level_.transpose(x, type, 0, rows, channels, first_, count, values_.data(), kPitch);
      for (int64_t c : others) fill(c, values_.data() + c * kPitch, rows);
      return;
    }
    for (int64_t c : others) {
      level_.transpose(x, type, 0, rows, channels, first_ + c, 1, values_.data(), kPitch);
      fill(c, values_.data(), rows);
    }
  }
  /// The histograms, complete.
  const std::vector<HistogramRow>& finish() {
    for (size_t c = 0; apart_ && c < own_.size(); ++c) fillers_[c].finish(own_[c]);
    return own_;
  }

 private:
  static bool counts_directly(const HistogramRow& row) { return row.bins <= 0x10000 && row.exponent <= 0 && row.exponent >= -127; }
  void fill(int64_t channel, const float* values, int64_t n) {
    BinFiller& filler = fillers_[apart_ ? channel : 0];
    filler.add(own_[channel], values, Type::Float, n);
    if (!apart_) filler.finish(own_[channel]);
  }
  void extend(HistogramRow& row, float low, float high) {
    if (low < row.minimum || high > row.maximum) row.grow(std::min(row.minimum, low), std::max(row.maximum, high), scratch_);
  }

  const Level& level_;
  int64_t bins_, first_ = 0;
  bool direct_ = false, apart_ = false;
  std::vector<HistogramRow> own_;
  std::vector<BinFiller> fillers_;
  std::unique_ptr<uint16_t[]> slots_;
  std::vector<float> values_;
  std::vector<int64_t> scratch_;
};

}  // namespace

void observe_interleaved(const Level& level, const void* data, Type type, int64_t outer, int64_t channels, const Rows& rows) {
  const int64_t tiles = (channels + kTile - 1) / kTile;
  parallel_for(tiles, 1, [&](int64_t begin, int64_t end) {
    Tile tile(level, rows.bins());
    for (int64_t t = begin; t < end; ++t) {
      const int64_t first = t * kTile, count = std::min(kTile, channels - first);
      std::vector<HistogramRow> own;
      for (int64_t c = 0; c < count; ++c) own.push_back(rows.load(first + c));
      tile.start(std::move(own), first, outer);
      for (int64_t r = 0; r < outer; r += kRows) tile.add(advance(data, r * channels, type), type, std::min(kRows, outer - r), channels);
      for (int64_t c = 0; const HistogramRow& row : tile.finish()) rows.store(first + c++, row);
    }
  });
}

}  // namespace ppq::kernels::cpu
