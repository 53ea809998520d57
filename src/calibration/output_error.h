#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "ppq/pass.h"

namespace ppq::passes {

/// The float outputs of a network on the first `most` calibration samples, to compare several quantizations with. They are
/// computed once and kept, with their inputs, as far as they fit into 256 MB; the rest is computed anew each time.
class OutputReference {
 public:
  OutputReference(const Graph& plain, const PassContext& context, size_t most);
  /// Noise over signal of the simulated network, each output weighted alike (their sum).
  double error(const Graph& quantized) const;

 private:
  const PassContext& context_;
  std::shared_ptr<const Program> plain_;
  DatasetPtr rest_;  ///< samples that are not kept; null when all are
  std::vector<std::pair<Tensors, Tensors>> kept_;
};

/// Noise over signal at the float outputs of the simulated `quantized` network against `plain` run in float, over the
/// first `most` calibration samples (pooled over outputs, each weighted alike).
double output_error(const Graph& quantized, const Graph& plain, const PassContext& context, size_t most);
/// The same of two float networks, over all calibration samples.
double float_change(const Graph& changed, const Graph& plain, const PassContext& context);

}  // namespace ppq::passes
