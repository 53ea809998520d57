#pragma once

#include <string>

#include "ppq/graph.h"
#include "ppq/job.h"

namespace ppq {

/// What of a job is known beside its options.
struct JobContents {
  const Graph& graph;  ///< after clean-up
  const Dataset& samples;
  std::string setting;  ///< the effective one, as JSON
  std::string devices;  ///< resolved: "cuda:0,cuda:1"
};

/// Everything that the numbers of a calibration depend on, part by part, as JSON: --resume goes on only where all are equal.
std::string fingerprint(const JobOptions& options, const JobContents& contents);

}  // namespace ppq
