#pragma once

#include <string>
#include <vector>

#include "analysis/error_analysis.h"

namespace ppq {

/// What the quantization of one layer costs: of an operation with the activation that is computed in one go with it.
struct LayerSensitivity {
  std::string name, type;             ///< of the operation
  std::vector<std::string> patterns;  ///< for options: of it, and of the activation behind it
  double error = 0;                   ///< noise over signal when it alone is quantized, summed over the outputs
  double activations = 0;             ///< the same with its parameters in float: what wider activations take away
  double macs_share = 0;              ///< its part of the network's multiply-accumulates
};

/// Every layer of a quantized network, the worst first. Operations that only
/// move elements make no error of their own and are left out.
std::vector<LayerSensitivity> rank_layers(const Graph& quantized, const Graph& reference, const DatasetPtr& samples,
                                          const AnalysisOptions& options);

/// Options that take the larger part of its error away: more bits where its activations make it, else float.
std::string advice(const LayerSensitivity& layer);

/// The ranking as a table, at most `most` rows.
std::string to_text(const std::vector<LayerSensitivity>& layers, size_t most = 20);

}  // namespace ppq
