#pragma once

#include <atomic>
#include <limits>
#include <mutex>
#include <optional>
#include <vector>

#include "ppq/dataset.h"

namespace ppq {

/// Which of some samples: some of four quarters, of these at most `most`, the first ones or spread over all. Quarters are runs of
/// neighbours: folders hold frames of a film, crops of a photograph or images of a class side by side, and what is fitted on one of
/// them and judged by its neighbour would look better than it is.
struct Part {
  unsigned quarters = 0b1111;  ///< bit q: quarter q, 0 to 3
  size_t most = std::numeric_limits<size_t>::max();
  bool spread_out = false;

  static Part all() { return {}; }
  /// Halves, to fit by the one what is judged by the other: the first and third quarter, and the second and fourth. A single sample
  /// is in both.
  static Part fitting() { return {0b0101}; }
  static Part held_back() { return {0b1010}; }
  static Part quarter(size_t number) { return {1u << number}; }
  Part first(size_t count) const { return {quarters, count, false}; }
  Part spread(size_t count) const { return {quarters, count, true}; }
  bool operator==(const Part&) const = default;

  /// Of `size` samples, ascending. Fewer than four fill the first quarters.
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
