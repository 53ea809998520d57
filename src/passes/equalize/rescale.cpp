#include "passes/equalize/rescale.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <set>

#include "passes/equalize/pair_noise.h"

namespace ppq::passes {
namespace {

constexpr double kMostInAll = 0x1p20;
constexpr double kOpen = std::numeric_limits<double>::infinity();

}  // namespace

Equalizer::Equalizer(Graph& graph, const EqualizationVariant& variant, EqualizationStatistics statistics, const PassContext& context)
    : graph_(graph),
      variant_(variant),
      statistics_(std::move(statistics)),
      context_(context),
      pairs_(find_equalization_pairs(graph, variant.search)) {
  for (const EqualizationPair& pair : pairs_) scales_.push_back(at::ones({pair.channels}));
}

size_t Equalizer::run() {
  if (variant_.setting.iterations == 0) return 0;
  const Pinned pinned(graph_);
  for (EqualizationPair& pair : pairs_) {
    for (Node* node : pair.upstream) own_parameters(graph_, *node, pinned);
    for (Node* node : pair.downstream) own_parameters(graph_, *node, pinned);
  }
  for (int sweep = 0; sweep < variant_.setting.iterations; ++sweep) {
    double octaves = 0;
    for (size_t i = 0; i < pairs_.size(); ++i) {
      if (variant_.undone.count(i)) continue;
      const at::Tensor scale =
          variant_.rule == EqualizationRule::Noise ? scale_by_noise(pairs_[i], scales_[i]) : scale_by_ranges(pairs_[i]);
      apply(pairs_[i], scale);
      scales_[i] = scales_[i] * scale;
      octaves = std::max(octaves, scale.log2().abs().max().item<double>());
    }
    if (variant_.rule == EqualizationRule::Noise && octaves < 0.05) break;
  }
  return pairs_.size() - variant_.undone.size();
}

FloatMeans Equalizer::scaled(FloatMeans means) const {
  for (size_t i = 0; i < pairs_.size(); ++i)
    for (const Node* node : pairs_[i].upstream) means.scale(node->output()->name(), scales_[i]);
  return means;
}

/// How far each channel may grow below the Clips on the way; 0 where a bound cuts it off.
at::Tensor Equalizer::room_of(const EqualizationPair& pair) const {
  at::Tensor room = at::full({pair.channels}, 1e6, at::kDouble);
  for (const Node* node : pair.relays) {
    if (!std::isfinite(clip_bound(*node).value_or(kOpen))) continue;
    const auto seen = statistics_.clips.find(node->input(0)->name());
    if (seen == statistics_.clips.end()) return at::zeros_like(room).to(at::kFloat);
    const ClipReach& reach = seen->second;
    // Behind Flatten a channel has several columns.
    const at::Tensor most = reach.most.view({pair.channels, -1}).amax(1), cut = reach.cut.view({pair.channels, -1}).any(1);
    room = at::minimum(room, (reach.bound / most).clamp_min(1)).masked_fill(cut, 0);
  }
  return room.to(at::kFloat);
}

at::Tensor Equalizer::scale_by_ranges(const EqualizationPair& pair) const {
  const EqualizationSetting& setting = variant_.setting;
  std::vector<at::Tensor> up, down;
  for (const Node* node : pair.upstream) {
    up.push_back(output_rows(*node).abs().amax(1));
    if (const at::Tensor bias = node->constant_input(2); setting.including_bias && bias.defined() && bias.numel() == pair.channels)
      up.push_back(bias.reshape({-1}).abs() * setting.bias_multiplier);
    const auto seen = statistics_.moments.find(node->output()->name());
    if (setting.including_act && seen != statistics_.moments.end() && seen->second.magnitude.numel() == pair.channels)
      up.push_back(seen->second.magnitude.to(at::kFloat) * setting.act_multiplier);
  }
  for (const Node* node : pair.downstream) down.push_back(input_rows(*node, pair.channels).abs().amax(1));
  const at::Tensor u = at::stack(up).amax(0), d = at::stack(down).amax(0);
  at::Tensor scale = 1 / at::sqrt(u / d);
  scale = at::clamp(scale, 0.1, 10);
  // Both zero: nothing to balance (0/0).
  scale = at::where((u + d < setting.value_threshold).logical_or(at::isnan(scale)), at::ones_like(scale), scale);
  return scale;
}

at::Tensor Equalizer::scale_by_noise(const EqualizationPair& pair, const at::Tensor& total) const {
  const auto terms = noise_of(pair, pairs_, statistics_.moments, context_);
  if (terms.empty()) return at::ones({pair.channels});
  const at::Tensor room = room_of(pair).to(at::kDouble).contiguous();
  const std::vector<double> scale = least_noise(terms, {room.const_data_ptr<double>(), room.const_data_ptr<double>() + room.numel()});
  // A channel without effect would shrink sweep after sweep.
  const at::Tensor done = total.to(at::kDouble), wanted = (done * at::tensor(scale, at::kDouble)).clamp(1 / kMostInAll, kMostInAll);
  return (wanted / done).to(at::kFloat);
}

void Equalizer::apply(const EqualizationPair& pair, const at::Tensor& scale) {
  for (Node* node : pair.upstream) scale_outputs(*node, scale);
  for (Node* node : pair.downstream) scale_inputs(*node, scale);
  auto spread = [&](const at::Tensor& channels) { return scale.to(at::kDouble).repeat_interleave(channels.numel() / pair.channels); };
  std::set<std::string> names;
  for (const auto* nodes : {&pair.relays, &pair.downstream})
    for (const Node* node : *nodes) names.insert(node->input(0)->name());
  for (const std::string& name : names) {
    if (const auto seen = statistics_.clips.find(name); seen != statistics_.clips.end())
      seen->second.most = seen->second.most * spread(seen->second.most);
    const auto seen = statistics_.moments.find(name);
    if (seen == statistics_.moments.end()) continue;
    ChannelMoments& moments = seen->second;
    const at::Tensor by = spread(moments.mean);
    moments.magnitude = moments.magnitude * by, moments.mean = moments.mean * by, moments.square = moments.square * by.square();
  }
}

}  // namespace ppq::passes
