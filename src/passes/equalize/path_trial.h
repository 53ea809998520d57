#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "passes/equalize/pairs.h"
#include "ppq/pass.h"

namespace ppq::passes {

/// A pair of layers cut out of a float network with the relays between them and the activations behind them, what flows into
/// it on a few calibration samples, and what comes out: for measuring what a scaling does without running the whole network.
class PathTrial {
 public:
  PathTrial(const Graph& graph, const EqualizationPair& pair, const PassContext& context);

  /// What flows in, in the order of graph().inputs(), and out. One entry a batch.
  std::vector<Tensors> inputs, outputs;

  const Graph& graph() const { return *graph_; }
  const PassContext& context() const { return context_; }
  /// Values of the whole network that flow in and out.
  const std::vector<const Value*>& sources() const { return sources_; }
  const std::vector<const Value*>& results() const { return results_; }

  /// Noise over signal of what comes out when `path` (graph() with other weights) is quantized as the setting wants it, with
  /// min-max observers, its outputs left in float. With bias correction in the setting, the mean error of each output channel
  /// is not counted.
  double error(const Graph& path) const;

 private:
  const PassContext& context_;
  std::unique_ptr<Graph> graph_;
  std::vector<const Value*> sources_, results_;
};

/// Calls `visit` with the trial of each pair, its samples filled in from at most `samples` calibration samples. Pairs share a
/// run of the float network as far as their samples fit into 256 MB.
void visit_paths(const Graph& graph, const std::vector<EqualizationPair>& pairs, size_t samples, const PassContext& context,
                 const std::function<void(size_t index, const PathTrial& trial)>& visit);

/// `pair`'s layers in a copy or part of its graph, found by name.
EqualizationPair pair_in(const Graph& graph, const EqualizationPair& pair);

}  // namespace ppq::passes
