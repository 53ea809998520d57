#include "calibration/samples.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace ppq {

std::vector<size_t> Part::indices(size_t size) const {
  std::vector<size_t> members;
  for (size_t i = 0; i < size; ++i)
    if (size == 1 || quarters >> (i * 4 / std::max<size_t>(size, 4)) & 1) members.push_back(i);
  std::vector<size_t> few(std::min(most, members.size()));
  for (size_t i = 0; i < few.size(); ++i) few[i] = members[spread_out ? i * members.size() / few.size() : i];
  return few;
}

namespace {

/// A part knows its places in the whole.
class PartialSet final : public Dataset {
 public:
  PartialSet(DatasetPtr whole, std::vector<size_t> places) : whole_(std::move(whole)), places_(std::move(places)) {}
  size_t size() const override { return places_.size(); }
  Tensors sample(size_t index) const override { return whole_->sample(places_.at(index)); }
  std::string name(size_t index) const override { return whole_->name(places_.at(index)); }
  const DatasetPtr& whole() const { return whole_; }
  const std::vector<size_t>& places() const { return places_; }

 private:
  DatasetPtr whole_;
  std::vector<size_t> places_;
};

}  // namespace

DatasetPtr part_of(const DatasetPtr& all, const Part& part) {
  std::vector<size_t> indices = part.indices(all->size());
  if (indices.size() == all->size()) return all;
  const auto* partial = dynamic_cast<const PartialSet*>(all.get());
  if (!partial) return std::make_shared<PartialSet>(all, std::move(indices));
  for (size_t& index : indices) index = partial->places()[index];
  return std::make_shared<PartialSet>(partial->whole(), std::move(indices));
}

std::vector<size_t> places_of(const DatasetPtr& samples) {
  const auto* partial = dynamic_cast<const PartialSet*>(samples.get());
  return partial ? partial->places() : Part::all().indices(samples->size());
}

Tensors SampleSet::sample(size_t index) const {
  {
    const std::lock_guard lock(mutex_);
    if (kept_.at(index)) return *kept_[index];
  }
  Tensors tensors = source_->sample(index);
  ++decoded_;
  size_t bytes = 0;
  for (const at::Tensor& tensor : tensors) bytes += tensor.nbytes();
  const std::lock_guard lock(mutex_);
  if (!kept_[index] && bytes_ + bytes <= budget_) {
    bytes_ += bytes;
    kept_[index] = tensors;
  }
  return tensors;
}

}  // namespace ppq
