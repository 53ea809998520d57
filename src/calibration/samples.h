#pragma once

#include <atomic>
#include <limits>
#include <mutex>
#include <optional>
#include <vector>

#include "ppq/dataset.h"

namespace ppq {

/// Which of some samples: every `step`-th from `start`, of these at most `most`, the first ones or spread over all.
struct Part {
  size_t start = 0, step = 1;
  size_t most = std::numeric_limits<size_t>::max();
  bool spread_out = false;

  static Part all() { return {}; }
  /// Halves, to choose by the one what is judged by the other. A single sample is in both.
  static Part even() { return {0, 2}; }
  static Part odd() { return {1, 2}; }
  /// Every fourth one from `number` on, 0 to 3.
  static Part quarter(size_t number) { return {number, 4}; }
  Part first(size_t count) const { return {start, step, count, false}; }
  Part spread(size_t count) const { return {start, step, count, true}; }
  bool operator==(const Part&) const = default;

  /// Of `size` samples, ascending.
  std::vector<size_t> indices(size_t size) const;
};

/// The samples of a part; `all` itself for Part::all().
DatasetPtr part_of(const DatasetPtr& all, const Part& part);
/// Where the samples of a part (of a part, …) stand in the whole that it was first taken of.
std::vector<size_t> places_of(const DatasetPtr& samples);

/// Samples decoded once: kept in host memory as far as `budget` bytes go, decoded again beyond it.
class SampleSet final : public Dataset {
 public:
  SampleSet(DatasetPtr source, size_t budget) : source_(std::move(source)), budget_(budget), kept_(source_->size()) {}
  size_t size() const override { return kept_.size(); }
  Tensors sample(size_t index) const override;
  std::string name(size_t index) const override { return source_->name(index); }
  /// How often a sample was read and decoded.
  size_t decoded() const { return decoded_; }

 private:
  DatasetPtr source_;
  size_t budget_;
  mutable std::mutex mutex_;
  mutable size_t bytes_ = 0;
  mutable std::vector<std::optional<Tensors>> kept_;
  mutable std::atomic<size_t> decoded_ = 0;
};

}  // namespace ppq
