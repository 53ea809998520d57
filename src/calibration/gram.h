#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "observers/statistic.h"
#include "ppq/graph.h"

namespace ppq {

/// The second moments of what a layer multiplies its weights with: of x in y = W x, where x holds the values of one window of a Conv, or
/// one row of a matrix product.
class GramStatistic final : public Statistic {
 public:
  /// Weights that one output reads, in columns of at most kMostColumns: moments are gathered within such a block.
  static constexpr int64_t kMostColumns = 2304;
  /// Places of a Conv's output, and rows of a matrix, that are looked at in one sample, about.
  static constexpr int64_t kPlaces = 64;

  /// A Conv, or a Gemm or MatMul whose weight is a constant matrix; it outlives this.
  explicit GramStatistic(const Node* node) : node_(node) {}
  void observe(const at::Tensor& value, int64_t samples) override;
  void merge(const Statistic& other) override;

  bool seen() const { return count_ > 0; }
  int64_t count() const { return count_; }
  /// Σ x xᵀ of each block of columns: float32 [groups, columns, columns].
  const std::vector<at::Tensor>& squares() const { return squares_; }
  /// Σ x: float64 [groups, columns of all blocks].
  const at::Tensor& sums() const { return sums_; }
  /// What is kept for a node, in bytes.
  static size_t bytes_for(const Node& node);

 private:
  at::Tensor rows_of(const at::Tensor& value) const;
  void add(const at::Tensor& rows);

  const Node* node_;
  std::vector<at::Tensor> squares_;
  at::Tensor sums_;
  int64_t count_ = 0;
};

/// The weight of such a layer, or a tensor of its shape, as [groups, outputs of a group, columns]; and back.
at::Tensor weight_rows(const Node& node, const at::Tensor& weight);
at::Tensor weight_from_rows(const Node& node, const at::Tensor& rows, at::IntArrayRef shape);

}  // namespace ppq
