#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "analysis/output_parts.h"
#include "analysis/survey.h"
#include "calibration/measure.h"
#include "calibration/reference.h"
#include "ppq/dataset.h"
#include "ppq/graph.h"
#include "ppq/progress.h"
#include "ppq/run_context.h"

namespace ppq {

/// How far one quantized tensor is from its float counterpart.
struct TensorError {
  std::string name;  ///< tensor
  std::string op;    ///< node that computes it (or first reads it)
  std::string type;  ///< that node's operator
  int bits = 8;
  bool fixed = false;  ///< its range is not that of its own values on the samples
  std::vector<double> scale, offset, minimum, maximum;
  Measure graphwise;          ///< everything before it quantized too
  double layerwise_snr = -1;  ///< at the graph outputs, when only this node is quantized; -1: not measured
  double clipped = 0;         ///< share of float values outside the quantized range
  Survey survey;              ///< where AnalysisOptions::survey asked for it
};

/// Fewer scores a sample are no classification.
constexpr int64_t kFewestClasses = 3;

struct ErrorAnalysis {
  std::vector<std::pair<std::string, Measure>> outputs;
  std::vector<TensorError> tensors;
  /// Outputs whose float and quantized shapes differed in some batch (detections, say): their measure holds the others only.
  std::set<std::string> unlike;
  /// Share of samples whose largest element along the last axis is at the same place in both networks (top-1 agreement), for
  /// outputs of at least kFewestClasses scores a sample; absent for others.
  std::map<std::string, double> agreement;
  /// Of outputs that join several tensors: each of these alone, since the larger ones hide the errors of the smaller ones.
  std::map<std::string, std::vector<OutputPart>> parts;
  size_t samples = 0;
  /// Noise over signal of the reference's outputs against the original's: what passes changed in the float network.
  double moved = 0;
};

/// Where `sample_bytes` is not known it is measured: threads of a CPU analyze samples side by side as far as memory allows.
struct AnalysisOptions : RunContext {
  size_t layerwise_samples = 4;  ///< 0: no layerwise analysis
  bool survey = false;           ///< look at the channels and samples of each tensor
  bool outputs_only = false;     ///< leave out the tensors between
  AnalysisOptions() = default;
  /// Without a word to the user.
  explicit AnalysisOptions(const RunContext& context) : RunContext(context) { progress = nullptr, warnings = nullptr; }
};

/// Compares the simulated `quantized` network with `reference` (the same nodes in float) tensor by tensor, and its outputs
/// with those of `original`, over `samples`.
ErrorAnalysis analyze_errors(const Graph& quantized, const Graph& reference, const Graph& original, const DatasetPtr& samples,
                             const AnalysisOptions& options);

/// The same of several quantized states of one network, without the layerwise part: the reference runs once for all of them, and
/// all run in step, so that a tensor is kept only until each network has come by.
std::vector<ErrorAnalysis> analyze_states(const std::vector<const Graph*>& states, const Graph& reference, const Graph& original,
                                          const DatasetPtr& samples, const AnalysisOptions& options);

/// Fills in `layerwise_snr` of `result`'s tensors: noise over signal at the outputs when one node alone is quantized, on the first
/// `options.layerwise_samples`. What does not depend on the node is not computed again where a sample's float tensors fit into
/// 128 MB.
void analyze_layerwise(const Graph& quantized, const Graph& reference, const DatasetPtr& samples, const AnalysisOptions& options,
                       ErrorAnalysis& result);

/// At most `count` tensors, the noisiest first. `apart`: without those that have the values of another one, moved only (Flatten, Pad).
std::vector<const TensorError*> worst_tensors(const ErrorAnalysis& analysis, size_t count, bool apart = false);
/// Errors of the outputs when each of `nodes` (of the quantized network) alone is quantized, on the first `options.layerwise_samples`;
/// nullopt of nodes that the reference does not have.
std::vector<std::optional<OutputErrors>> errors_alone(const std::vector<const Node*>& nodes, const Graph& reference,
                                                      const DatasetPtr& samples, const AnalysisOptions& options);

/// Noise over signal at the graph outputs (summed over outputs of float type).
double output_snr(const ErrorAnalysis& analysis);

}  // namespace ppq
