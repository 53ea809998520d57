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

/// What is watched: inputs of layers, what flows into bounds, and what layers give where the setting has activations count.
struct Watched {
  std::vector<const Value*> values;
  std::vector<BoundedValue> clips;

  Watched(const Graph& graph, bool outputs) : values(layer_inputs(graph)), clips(clipped_values(graph)) {
    if (outputs)
      for (const Node* node : graph.nodes())
        if (takes_bias(*node) && node->constant_input(1).defined() &&
            std::find(values.begin(), values.end(), node->output()) == values.end())
          values.push_back(node->output());
    for (const BoundedValue& clip : clips)
      if (std::find(values.begin(), values.end(), clip.value) == values.end()) values.push_back(clip.value);
  }
  double bound(const Value* value) const {
    const auto clip = std::find_if(clips.begin(), clips.end(), [&](const BoundedValue& one) { return one.value == value; });
    return clip == clips.end() ? kUnbounded : clip->bound;
  }
};

/// One sweep over all samples, each quarter on its own.
class Quarters {
 public:
  Quarters(const Graph& graph, const Watched& watched, const PassContext& context)
      : watched_(watched), sweep_(graph, {}, context, "channel moments") {
    for (size_t quarter = 0; quarter < 4; ++quarter)
      for (const Value* value : watched.values) sweep_.want<MomentStatistic>(value, Part::quarter(quarter), watched.bound(value));
    if (sweep_.empty()) return;
    sweep_.run(context.calibration);
    if (context.work && !context.trial) ++context.work->float_visits;
  }
  /// Of the samples of these quarters together.
  Half joined(std::initializer_list<size_t> quarters) const {
    Half half;
    for (size_t i = 0; i < watched_.values.size(); ++i) {
      MomentStatistic all;
      for (const size_t quarter : quarters) all.merge(sweep_.found<MomentStatistic>(quarter * watched_.values.size() + i));
      if (!all.seen()) continue;
      half.moments[watched_.values[i]->name()] = all.moments();
      half.clips[watched_.values[i]->name()] = all.reach();
    }
    return half;
  }

 private:
  const Watched& watched_;
  Sweep sweep_;
};

/// Both halves count alike.
ChannelMoments both(const ChannelMoments& a, const ChannelMoments& b) {
  return {at::maximum(a.magnitude, b.magnitude), (a.mean + b.mean) / 2, (a.square + b.square) / 2};
}

/// Two halves, which foretell each other; a half of which nothing was seen is as the other.
EqualizationStatistics statistics_of(const Half& seen, const Half& other, const std::vector<BoundedValue>& clips) {
  const std::array<Half, 2> halves{seen, other.moments.empty() ? seen : other};
  EqualizationStatistics result;
  for (const auto& [name, moments] : halves[0].moments)
    if (const auto found = halves[1].moments.find(name); found != halves[1].moments.end())
      result.moments[name] = both(moments, found->second);
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

}  // namespace

EqualizationStatistics equalization_statistics(const Graph& graph, const PassContext& context) {
  return equalization_statistics_of_halves(graph, context).all;
}

StatisticsOfHalves equalization_statistics_of_halves(const Graph& graph, const PassContext& context) {
  const Watched watched(graph, context.setting && context.setting->equalization_setting.including_act);
  const Quarters quarters(graph, watched, context);
  return {statistics_of(quarters.joined({0}), quarters.joined({2}), watched.clips),
          statistics_of(quarters.joined({0, 2}), quarters.joined({1, 3}), watched.clips)};
}

}  // namespace ppq::passes
