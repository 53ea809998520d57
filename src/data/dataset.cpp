#include "ppq/dataset.h"

#include <ATen/ATen.h>

#include <cstdio>

#include "ppq/error.h"

namespace ppq {
namespace {

std::string numbered(size_t index) {
  char text[32];
  std::snprintf(text, sizeof text, "%06zu", index);
  return text;
}

class MemoryDataset : public Dataset {
 public:
  explicit MemoryDataset(std::vector<Tensors> samples) : samples_(std::move(samples)) {}
  size_t size() const override { return samples_.size(); }
  Tensors sample(size_t index) const override { return samples_.at(index); }
  std::string name(size_t index) const override { return numbered(index); }

 private:
  std::vector<Tensors> samples_;
};

class Subset : public Dataset {
 public:
  Subset(DatasetPtr base, std::vector<size_t> indices) : base_(std::move(base)), indices_(std::move(indices)) {}
  size_t size() const override { return indices_.size(); }
  Tensors sample(size_t index) const override { return base_->sample(indices_.at(index)); }
  std::string name(size_t index) const override { return base_->name(indices_.at(index)); }

 private:
  DatasetPtr base_;
  std::vector<size_t> indices_;
};

class Mapped : public Dataset {
 public:
  Mapped(DatasetPtr base, std::function<at::Tensor(const at::Tensor&)> collate) : base_(std::move(base)), collate_(std::move(collate)) {}
  size_t size() const override { return base_->size(); }
  std::string name(size_t index) const override { return base_->name(index); }
  Tensors sample(size_t index) const override {
    Tensors tensors = base_->sample(index);
    for (at::Tensor& tensor : tensors) tensor = collate_(tensor);
    return tensors;
  }

 private:
  DatasetPtr base_;
  std::function<at::Tensor(const at::Tensor&)> collate_;
};

}  // namespace

DatasetPtr make_dataset(std::vector<Tensors> samples) { return std::make_shared<MemoryDataset>(std::move(samples)); }

DatasetPtr make_dataset(std::vector<at::Tensor> samples) {
  std::vector<Tensors> wrapped;
  for (at::Tensor& sample : samples) wrapped.push_back({std::move(sample)});
  return make_dataset(std::move(wrapped));
}

DatasetPtr subset(DatasetPtr base, std::vector<size_t> indices) {
  for (size_t index : indices)
    if (index >= base->size())
      throw Error(ErrorKind::Internal, "subset",
                  "index: got " + std::to_string(index) + ", expected below " + std::to_string(base->size()));
  return std::make_shared<Subset>(std::move(base), std::move(indices));
}

DatasetPtr map_dataset(DatasetPtr base, std::function<at::Tensor(const at::Tensor&)> collate) {
  if (!collate) return base;
  return std::make_shared<Mapped>(std::move(base), std::move(collate));
}

}  // namespace ppq
