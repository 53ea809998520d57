#pragma once

#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "calibration/float_means.h"
#include "passes/equalize/noise_model.h"
#include "passes/equalize/pairs.h"
#include "passes/equalize/statistics.h"
#include "ppq/pass.h"

namespace ppq::passes {

/// How a pair's scales are found.
enum class EqualizationRule {
  Ranges,  ///< both layers' channels get like ranges of weights (arXiv 1906.04721)
  Noise,   ///< the least rounding noise behind the downstream layer, of weights and of the activation between
};

/// A way to equalize a network.
struct EqualizationVariant {
  std::string name;
  EqualizationSearch search;
  EqualizationSetting setting;  ///< iterations 0: nothing moves
  EqualizationRule rule = EqualizationRule::Ranges;
  std::set<size_t> undone;  ///< pairs left as they are, numbered in graph order
};

/// Moves scale between the layers of each pair, sweep after sweep, as equalize_layers.cpp says.
class Equalizer {
 public:
  Equalizer(Graph& graph, const EqualizationVariant& variant, EqualizationStatistics statistics, const PassContext& context);
  /// Returns how many pairs it equalized.
  size_t run();
  const std::vector<EqualizationPair>& pairs() const { return pairs_; }
  /// Means of the float network's layers, as what `run` did changes them. (What a Clip's bound cuts is as it was meant to be.)
  FloatMeans scaled(FloatMeans means) const;
  /// By what the outputs of pair i's upstream layers were multiplied in all, float32 [C].
  const at::Tensor& scale(size_t i) const { return scales_[i]; }

 private:
  at::Tensor room_of(const EqualizationPair& pair) const;
  at::Tensor scale_by_ranges(const EqualizationPair& pair) const;
  at::Tensor scale_by_noise(const EqualizationPair& pair, const at::Tensor& total) const;
  void apply(const EqualizationPair& pair, const at::Tensor& scale);

  Graph& graph_;
  const EqualizationVariant& variant_;
  EqualizationStatistics statistics_;  ///< as scaled so far
  const PassContext& context_;
  std::vector<EqualizationPair> pairs_;
  std::vector<at::Tensor> scales_;
};

}  // namespace ppq::passes
