#pragma once

#include <vector>

#include "analysis/error_analysis.h"
#include "ppq/dataset.h"
#include "ppq/graph.h"
#include "ppq/warning.h"

namespace ppq {

/// What the analysis of a quantized network shows that its user should know (docs/warnings.md): noisy outputs, a top-1 that changes,
/// channels that are lost, ranges that rest on one sample or on a mask, inputs on another scale than the network's. `errors` with a
/// survey; graphs as for analyze_errors; `calibration`: the samples that ranges come from, of which a few run again, and all only where a
/// range looks odd.
std::vector<Warning> warnings_of(const ErrorAnalysis& errors, const Graph& quantized, const Graph& reference, const Graph& original,
                                 const DatasetPtr& calibration, const AnalysisOptions& options);

/// Whether `seen` of `samples` or more would be chance (less than 5 %) if each had the probability `rate`.
bool is_more_than_chance(size_t seen, size_t samples, double rate);

}  // namespace ppq
