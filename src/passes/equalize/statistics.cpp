#include "passes/equalize/statistics.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "calibration/sweep.h"
#include "ops/op_facts.h"
#include "passes/equalize/pairs.h"

namespace ppq::passes {
namespace {

constexpr double kMargin = 0.7;    ///< the largest value seen, as a share of what is expected
constexpr double kDeviations = 8;  ///< above the mean, what is expected
constexpr double kMostGrowth = 64;
constexpr double kUnbounded = std::numeric_limits<double>::infinity();
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
  std::unordered_map<std::string, ChannelReach> clips;
  std::unordered_map<std::string, ChannelMoments> moments;
};

at::Tensor expected(const Half& half, const std::string& name, double bound) {
  const ChannelMoments& moments = half.moments.at(name);
  const at::Tensor deviation = (moments.square - moments.mean.square()).clamp_min(0).sqrt();
  return at::maximum(half.clips.at(name).high / kMargin, moments.mean + kDeviations * deviation).clamp_min(bound / kMostGrowth);
}

/// One sweep over all samples, each half on its own.
std::array<Half, 2> observe_halves(const Graph& graph, const std::vector<const Value*>& values, const std::vector<BoundedValue>& clips,
                                   const PassContext& context) {
  Sweep sweep(graph, {}, context, "channel moments");
  for (const Part& half : {Part::even(), Part::odd()})
    for (const Value* value : values) {
      const auto clip = std::find_if(clips.begin(), clips.end(), [&](const BoundedValue& one) { return one.value == value; });
      sweep.want<MomentStatistic>(value, half, clip == clips.end() ? kUnbounded : clip->bound);
    }
  std::array<Half, 2> halves;
  if (sweep.empty()) return halves;
  sweep.run(context.calibration);
  if (context.work && !context.trial) ++context.work->float_visits;
  for (size_t i = 0; i < 2 * values.size(); ++i) {
    const auto& one = sweep.found<MomentStatistic>(i);
    if (!one.seen()) continue;
    Half& half = halves[i / values.size()];
    const std::string& name = values[i % values.size()]->name();
    half.moments[name] = one.moments();
    half.clips[name] = one.reach();
  }
  return halves;
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
  const auto halves = observe_halves(graph, values, clips, context);
  EqualizationStatistics result;
  for (const auto& [name, moments] : halves[0].moments)
    if (const auto other = halves[1].moments.find(name); other != halves[1].moments.end())
      result.moments[name] = both(moments, other->second);
  for (const auto& [value, bound] : clips) {
    const std::string& name = value->name();
    if (!halves[0].clips.count(name) || !halves[1].clips.count(name) || !result.moments.count(name)) continue;
    const ChannelReach &a = halves[0].clips.at(name), &b = halves[1].clips.at(name);
    const at::Tensor first = expected(halves[0], name, bound), second = expected(halves[1], name, bound);
    ClipReach reach{bound, at::maximum(first, second), at::maximum(a.clipped, b.clipped) > kLittleClipped};
    const at::Tensor excess = at::maximum(b.high / first, a.high / second).masked_select(reach.cut.logical_not());
    if (excess.numel() > 0) reach.most = reach.most * std::max(1.0, at::quantile(excess, kQuantile).item<double>());
    result.clips[name] = reach;
  }
  return result;
}

}  // namespace ppq::passes
