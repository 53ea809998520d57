#include "passes/equalize/statistics.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "calibration/channel_statistics.h"
#include "ops/op_facts.h"
#include "passes/equalize/pairs.h"

namespace ppq::passes {
namespace {

constexpr double kMargin = 0.7;    ///< the largest value seen, as a share of what is expected
constexpr double kDeviations = 8;  ///< above the mean, what is expected
constexpr double kMostGrowth = 64;
constexpr double kQuantile = 0.99;       ///< of the channels keep what half of the samples expect of the other
constexpr double kLittleClipped = 1e-3;  ///< share of a channel's power that a bound takes without mattering

std::vector<BoundedValue> clipped_values(const Graph& graph) {
  std::vector<BoundedValue> values;
  for (const Node* node : graph.nodes())
    if (const auto bound = clip_bound(*node); bound && std::isfinite(*bound) && !node->input(0)->is_constant())
      values.push_back({node->input(0), *bound});
  return values;
}

std::vector<const Value*> layer_inputs(const Graph& graph) {
  std::vector<const Value*> values;
  for (const Node* node : graph.nodes())
    if (takes_bias(*node) && node->constant_input(1).defined() && !node->input(0)->is_constant() &&
        std::find(values.begin(), values.end(), node->input(0)) == values.end())
      values.push_back(node->input(0));
  return values;
}

struct Half {
  std::unordered_map<std::string, ChannelStatistics> clips;
  std::unordered_map<std::string, ChannelMoments> moments;
};

at::Tensor expected(const Half& half, const std::string& name, double bound) {
  const ChannelMoments& moments = half.moments.at(name);
  const at::Tensor deviation = (moments.square - moments.mean.square()).clamp_min(0).sqrt();
  return at::maximum(half.clips.at(name).high / kMargin, moments.mean + kDeviations * deviation).clamp_min(bound / kMostGrowth);
}

/// Both halves count alike.
ChannelMoments both(const ChannelMoments& a, const ChannelMoments& b) {
  return {at::maximum(a.magnitude, b.magnitude), (a.mean + b.mean) / 2, (a.square + b.square) / 2};
}

}  // namespace

EqualizationStatistics equalization_statistics(const Graph& graph, const PassContext& context) {
  const auto clips = clipped_values(graph);
  std::vector<const Value*> values = layer_inputs(graph);
  for (const BoundedValue& value : clips)
    if (std::find(values.begin(), values.end(), value.value) == values.end()) values.push_back(value.value);
  Half halves[2];
  for (size_t half : {0u, 1u}) {
    PassContext part = context;
    std::vector<size_t> indices;
    for (size_t i = half; i < context.calibration->size(); i += 2) indices.push_back(i);
    if (indices.empty()) indices.push_back(0);
    part.calibration = subset(context.calibration, indices);
    halves[half] = {channel_statistics(graph, clips, part), channel_moments(graph, values, part)};
  }
  EqualizationStatistics result;
  for (const auto& [name, moments] : halves[0].moments)
    if (const auto other = halves[1].moments.find(name); other != halves[1].moments.end())
      result.moments[name] = both(moments, other->second);
  for (const auto& [value, bound] : clips) {
    const std::string& name = value->name();
    if (!halves[0].clips.count(name) || !halves[1].clips.count(name) || !result.moments.count(name)) continue;
    const ChannelStatistics &a = halves[0].clips.at(name), &b = halves[1].clips.at(name);
    const at::Tensor first = expected(halves[0], name, bound), second = expected(halves[1], name, bound);
    ClipReach reach{bound, at::maximum(first, second), at::maximum(a.clipped, b.clipped) > kLittleClipped};
    const at::Tensor excess = at::maximum(b.high / first, a.high / second).masked_select(reach.cut.logical_not());
    if (excess.numel() > 0) reach.most = reach.most * std::max(1.0, at::quantile(excess, kQuantile).item<double>());
    result.clips[name] = reach;
  }
  return result;
}

}  // namespace ppq::passes
