#pragma once

#include <utility>
#include <vector>

#include "ppq/dataset.h"
#include "ppq/graph.h"
#include "ppq/run_context.h"

namespace ppq {

/// Values that differ more in magnitude do not go on one scale.
constexpr double kUnlike = 16;

/// Smallest and largest element in each sample.
using SampleRanges = std::vector<std::pair<double, double>>;

/// Ranges of `values` of the float network in each sample, in order. Samples without elements are left out.
std::vector<SampleRanges> ranges_by_sample(const Graph& graph, const std::vector<const Value*>& values, const DatasetPtr& samples,
                                           const RunContext& context);

/// Of each of `values`: how many times wider it is than what is left without the elements at one of its ends (within a sixteenth of its
/// width), where every sample has elements there: a mask. 1: there is no such end.
std::vector<double> unlike_values(const Graph& graph, const std::vector<const Value*>& values, const DatasetPtr& samples,
                                  const RunContext& context);

}  // namespace ppq
