#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>

#include "calibration/channel_moments.h"
#include "calibration/reference.h"
#include "passes/equalize/pairs.h"
#include "passes/passes.h"

/// Channels with large weights on both sides become two, side by side, each with both sides' weights times 1/√2, so that what they
/// contribute stays and the largest weights shrink (after OCS, arXiv 1901.09504). Pairs of layers as in equalization, without groups
/// (`opt_level` 2: through Add, where all arms get the same channels); ranges with biases and activations as the setting has it.
/// Of the channels beyond `value_threshold` those with the largest product of ranges are split first, at most `channel_split_ratio` of a
/// layer's channels in all iterations: PPQ splits the same ones again and again. Slopes of PRelu and declared shapes follow.
namespace ppq::passes {
namespace {

class Splitter {
 public:
  Splitter(Graph& graph, const PassContext& context)
      : graph_(graph),
        setting_(context.setting->channel_split_setting),
        most_(context.setting->extra.channel_split_ratio),
        pinned_(graph) {}

  size_t run(const PassContext& context) {
    pairs_ = find_equalization_pairs(graph_, {setting_.opt_level >= 2, false, false});
    std::erase_if(pairs_, [this](const EqualizationPair& pair) { return !is_plain(pair); });
    if (setting_.including_act && context.calibration && context.calibration->size() > 0) observe(context);
    size_t changed = 0;
    for (const EqualizationPair& pair : pairs_) changed += split(pair);
    return changed;
  }

 private:
  bool is_plain(const EqualizationPair& pair) const {
    for (const auto* layers : {&pair.upstream, &pair.downstream})
      for (const Node* node : *layers)
        if (node->attributes.get_int("group", 1) != 1) return false;
    return std::all_of(pair.relays.begin(), pair.relays.end(),
                       [&](const Node* node) { return !node->is("PRelu") || slope_axis(*node, pair.channels) != kUnknown; });
  }

  static constexpr int64_t kUnknown = -2, kOneForAll = -1;
  /// The axis of channels in a PRelu's slope.
  static int64_t slope_axis(const Node& node, int64_t channels) {
    const at::Tensor slope = node.constant_input(1);
    const Value* data = node.input(0);
    if (!slope.defined()) return kUnknown;
    if (slope.numel() == 1) return kOneForAll;
    if (!data->shape) return kUnknown;
    const int64_t axis = 1 - (std::ssize(*data->shape) - slope.dim());
    // Broadcast over channels: nothing to follow.
    if (axis < 0 || (axis < slope.dim() && slope.size(axis) == 1)) return kOneForAll;
    return axis < slope.dim() && slope.size(axis) == channels ? axis : kUnknown;
  }

  /// Largest magnitudes of what the upstream layers give.
  void observe(const PassContext& context) {
    std::vector<const Value*> values;
    for (const EqualizationPair& pair : pairs_)
      for (const Node* node : pair.upstream) values.push_back(node->output());
    for (auto& [name, moments] : channel_moments(graph_, values, context.calibration, context)) reach_[name] = moments.magnitude;
  }

  /// What each channel of the pair reaches on either side, float64.
  std::pair<at::Tensor, at::Tensor> ranges(const EqualizationPair& pair, int64_t channels) const {
    at::Tensor up = at::zeros({channels}, at::kDouble), down = up;
    for (const Node* node : pair.upstream) {
      up = at::maximum(up, output_rows(*node).abs().amax(1).to(at::kDouble));
      if (const at::Tensor bias = node->constant_input(2); setting_.including_bias && bias.defined())
        up = at::maximum(up, bias.reshape({-1}).abs().to(at::kDouble) * setting_.bias_multiplier);
      const auto seen = reach_.find(node->output()->name());
      if (seen != reach_.end() && seen->second.numel() == channels) up = at::maximum(up, seen->second * setting_.act_multiplier);
    }
    for (const Node* node : pair.downstream) down = at::maximum(down, input_rows(*node, channels).abs().amax(1).to(at::kDouble));
    return {up, down};
  }

  size_t split(const EqualizationPair& pair) {
    int64_t channels = pair.channels, room = static_cast<int64_t>(std::floor(static_cast<double>(channels) * most_));
    bool owned = false;
    for (int round = 0; round < setting_.iterations && room > 0; ++round) {
      const auto [up, down] = ranges(pair, channels);
      const at::Tensor large = (up >= setting_.value_threshold).logical_and(down >= setting_.value_threshold).logical_and(up * down > 0);
      const int64_t count = std::min(room, large.sum().item<int64_t>());
      if (count == 0) break;
      const at::Tensor product = at::where(large, up * down, at::full_like(up, -1));
      at::Tensor twice = at::ones({channels}, at::kLong);
      twice.index_fill_(0, std::get<1>(product.topk(count)), 2);
      if (!std::exchange(owned, true))
        for (const auto* layers : {&pair.upstream, &pair.downstream})
          for (Node* node : *layers) own_parameters(graph_, *node, pinned_);
      apply(pair, twice);
      channels += count, room -= count;
    }
    return channels > pair.channels ? 1 : 0;
  }

  /// `twice`: how often each channel stands there then.
  void apply(const EqualizationPair& pair, const at::Tensor& twice) {
    const int64_t before = twice.numel();
    const at::Tensor places = at::repeat_interleave(at::arange(before), twice);
    const at::Tensor scale = at::where(twice > 1, std::sqrt(0.5), 1.0).to(at::kFloat);
    const auto widen = [&](Node& node, size_t index, int64_t axis) {
      node.input(index)->set_constant(node.constant_input(index).index_select(axis, places).contiguous());
    };
    const auto turned = [](const Node& node) { return node.is("Gemm") && node.attributes.get_int("transB", 0) != 0; };
    for (Node* node : pair.upstream) {
      scale_outputs(*node, scale);
      widen(*node, 1, node->is("Conv") || turned(*node) ? 0 : 1);
      if (node->constant_input(2).defined()) widen(*node, 2, node->constant_input(2).dim() - 1);
    }
    for (Node* node : pair.downstream) {
      scale_inputs(*node, 1 / scale);
      widen(*node, 1, node->is("Conv") || turned(*node) ? 1 : 0);
    }
    for (Node* node : pair.relays) {
      const int64_t axis = node->is("PRelu") ? slope_axis(*node, before) : kOneForAll;
      if (axis < 0) continue;
      own_parameters(graph_, *node, pinned_);
      widen(*node, 1, axis);
    }
    for (const Node* node : pair.upstream) {
      follow(*node->output(), before, places.numel());
      const auto seen = reach_.find(node->output()->name());
      if (seen != reach_.end() && seen->second.numel() == before)
        seen->second = (seen->second * scale.to(at::kDouble)).index_select(0, places);
    }
    for (const Node* node : pair.relays) follow(*node->output(), before, places.numel());
  }

  static void follow(Value& value, int64_t before, int64_t now) {
    if (value.shape && value.shape->size() >= 2 && (*value.shape)[1].value == before) (*value.shape)[1] = Dim{now, ""};
  }

  Graph& graph_;
  const EqualizationSetting& setting_;
  double most_;
  Pinned pinned_;
  std::vector<EqualizationPair> pairs_;
  std::unordered_map<std::string, at::Tensor> reach_;
};

class ChannelSplit final : public Pass {
 public:
  const char* name() const override { return "channel-split"; }

  size_t run(Graph& graph, PassContext& context) override {
    const size_t changed = Splitter(graph, context).run(context);
    if (changed > 0 && context.outputs) context.outputs->means.forget();
    return changed;
  }
};

}  // namespace

std::unique_ptr<Pass> make_channel_split() { return std::make_unique<ChannelSplit>(); }

}  // namespace ppq::passes
