#pragma once

#include <string>
#include <vector>

#include "ppq/graph.h"

namespace ppq {

/// One tensor of a quantized graph, as a table of any format needs it.
struct ExportedTensor {
  enum class State {
    Quantized,
    Float,    ///< of a node that was kept float on request
    Missing,  ///< used by the quantized network, and without a quantization
  };
  const Value* value;
  State state;
  TensorQuantPtr quant;  ///< of quantized ones
  /// A bias that the target works out by itself: `quant` is int32 on input scale × weight scale, for formats that write it.
  bool accumulator = false;
  std::string reason = "";  ///< why one is missing
};

/// Every tensor that a table says something about, once, in graph order: inputs, then node by node its constants and outputs.
/// Where a tensor's producer and its readers disagree, the producer's quantization counts; without one (graph inputs, float
/// producers), the first reader's. Integers, shapes, indices and what nobody reads are left out.
std::vector<ExportedTensor> exported_tensors(const Graph& graph);

/// Names of nodes that were kept float on request.
std::vector<std::string> float_nodes(const Graph& graph);

}  // namespace ppq
