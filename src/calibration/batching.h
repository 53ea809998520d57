#pragma once

#include "ppq/dataset.h"
#include "ppq/executor.h"
#include "ppq/graph.h"
#include "ppq/run_context.h"

namespace ppq {

struct BatchChoice {
  size_t batch = 1;
  std::string reason;       ///< why it is not larger, for the log
  size_t largest = 1;       ///< batches up to this size give what their samples give alone
  size_t sample_bytes = 0;  ///< live activations of one sample, on the CPU whatever the device; 0: not measured
};

/// The batch size to calibrate with: as many samples as fit into `memory_bytes` of activations (at most `most`), provided
/// that the graph treats samples independently. That is proved on real samples: every float tensor of two samples run
/// together must hold what the two runs alone hold (range, sum and leading dimension), else 1.
BatchChoice choose_batch_size(const Graph& graph, const Dataset& dataset, at::Device device, size_t memory_bytes, size_t most);

/// How many samples a step that looks at all of them at once may hold: what fits into `memory_bytes`, a power of two, at most
/// `most`. It depends on the network alone, not on the batch size or the device, so neither changes what is found.
size_t samples_at_once(size_t sample_bytes, size_t memory_bytes, size_t most);

}  // namespace ppq
