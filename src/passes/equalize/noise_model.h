#pragma once

#include <vector>

namespace ppq::passes {

/// Rounding noise of one tensor between two layers as a function of the channels' scales s. One step serves all channels, so
/// it is max_i range_i·g_i with g = s, or 1/s for a tensor behind the scaled activation; and the noise that arrives at the
/// output is step² · Σ_i weight_i / g_i².
struct NoiseTerm {
  std::vector<double> range;   ///< of each channel, times the step of a range of 1
  std::vector<double> weight;  ///< how much of squared steps arrives at the output
  bool inverse = false;        ///< the tensor shrinks as s grows: weights that read the channel
};

/// Sum of all terms, the steps as they are.
double noise(const std::vector<NoiseTerm>& terms, const std::vector<double>& scales);

/// The scales that give the least noise, from 2^-20 to most[i]; a channel with most 0 stays at 1. Never worse than all at 1.
/// For given steps of the tensors the best scales are known channel by channel; the few steps are found by a pattern search
/// over their logarithms, in which the noise is convex.
std::vector<double> least_noise(const std::vector<NoiseTerm>& terms, const std::vector<double>& most);

}  // namespace ppq::passes
