#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analysis/error_analysis.h"

namespace ppq {

/// How the values of a tensor lie over equal bins: in float, and simulated with everything before it quantized too. Values that are
/// not finite are in neither.
struct TensorHistogram {
  std::string tensor;
  double low = 0, high = 0;  ///< outer edges of the bins
  std::vector<int64_t> float_counts, quantized_counts;
};

/// Samples that histograms are gathered from.
constexpr size_t kHistogramSamples = 4;

/// Of these tensors, from kHistogramSamples of the samples, spread over all. Where a tensor has one scale, bins hold a power of two of
/// its quantization steps each, so that a difference between the counts is no effect of the bins. Tensors without a finite value are left
/// out.
std::vector<TensorHistogram> gather_histograms(const Graph& quantized, const Graph& reference, const DatasetPtr& samples,
                                               const std::vector<std::string>& tensors, const AnalysisOptions& options);
/// Of the worst tensors, each of which holds other values.
constexpr size_t kWorstTensors = 8;
std::vector<TensorHistogram> histograms_of_worst(const Graph& quantized, const Graph& reference, const DatasetPtr& samples,
                                                 const ErrorAnalysis& errors, const AnalysisOptions& options);

}  // namespace ppq
