#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "ppq/dataset.h"
#include "ppq/run_context.h"

namespace ppq {

/// Means of the output channels of a float network's layers, sample by sample: computed once, however often a quantization of
/// the network is corrected by them.
class FloatMeans {
 public:
  /// A layer's output, and the axis of its channels (-1: the last).
  struct Layer {
    const Value* value;
    int64_t axis;
  };
  /// Makes sure that the means of these samples are known: runs the float network of `graph` over those that are not.
  void know(const Graph& graph, const std::vector<Layer>& layers, const DatasetPtr& samples, const RunContext& context);
  /// Mean over the samples at these places of the whole: float64 [C]. They are known.
  at::Tensor mean(const std::string& value, const std::vector<size_t>& places) const;
  /// The layer's channels were multiplied by `scale` [C].
  void scale(const std::string& value, const at::Tensor& scale);
  /// The network became another one.
  void forget() { means_.clear(); }

 private:
  std::unordered_map<std::string, std::unordered_map<size_t, at::Tensor>> means_;  ///< by value and place
};

/// Mean of each channel of `output` along `axis`: float64 [C].
at::Tensor channel_means(const at::Tensor& output, int64_t axis);

}  // namespace ppq
