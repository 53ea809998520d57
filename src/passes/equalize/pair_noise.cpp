#include "passes/equalize/pair_noise.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace ppq::passes {
namespace {

int64_t groups_of(const Node& node) { return node.is("Gemm") ? 1 : node.attributes.get_int("group", 1); }

std::vector<double> numbers(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kCPU, at::kDouble).contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

/// Mean square of what flows into a layer, or the variance where means cost nothing; of each input channel.
at::Tensor power(const ChannelMoments& moments, bool without_mean) {
  return without_mean ? (moments.square - moments.mean.square()).clamp_min(0) : moments.square;
}

/// How much noise in each output of `layer` counts: 1, unless a layer behind it reads each of its channels alone.
at::Tensor importance(const Node* layer, const std::vector<EqualizationPair>& all, int depth = 0) {
  const int64_t channels = output_channels(*layer);
  const auto pair = std::find_if(all.begin(), all.end(), [&](const EqualizationPair& p) {
    return std::find(p.upstream.begin(), p.upstream.end(), layer) != p.upstream.end();
  });
  if (pair == all.end() || depth > 3) return at::ones({channels}, at::kDouble);
  at::Tensor sum = at::zeros({channels}, at::kDouble);
  for (const Node* next : pair->downstream) {
    const at::Tensor squares = input_rows(*next, channels).to(at::kDouble).square();
    at::Tensor row = squares.flatten(1).sum(1);
    if (groups_of(*next) == channels && output_channels(*next) == channels) row = row * importance(next, all, depth + 1);
    sum = sum + row;
  }
  return sum;
}

/// Σ over outputs and taps of w² that each input channel meets, outputs weighted: what noise in the channel becomes.
at::Tensor gain(const Node& layer, int64_t channels, const at::Tensor& weighted) {
  const int64_t groups = groups_of(layer);
  const at::Tensor rows = input_rows(layer, channels).to(at::kDouble).square().flatten(1).sum(1);
  // The mean importance of the outputs that a group's channels reach; of the one output in a depthwise layer.
  return rows * weighted.reshape({groups, -1}).mean(1).repeat_interleave(channels / groups);
}

}  // namespace

std::vector<NoiseTerm> noise_of(const EqualizationPair& pair, const std::vector<EqualizationPair>& all,
                                const std::unordered_map<std::string, ChannelMoments>& moments, const PassContext& context) {
  const bool without_mean = context.setting->bias_correct, per_channel = context.platform->weights_per_channel();
  const double weight_step = 2 / std::exp2(context.platform->scheme(SlotRole::Weight).bits),
               activation_step = 1 / std::exp2(context.platform->scheme(SlotRole::Data).bits);
  std::vector<NoiseTerm> terms;
  at::Tensor gains = at::zeros({pair.channels}, at::kDouble);
  for (const Node* node : pair.downstream) {
    const auto seen = moments.find(node->input(0)->name());
    if (seen == moments.end()) return {};
    const int64_t groups = groups_of(*node), columns = seen->second.square.numel() / pair.channels;
    const at::Tensor important = importance(node, all);
    const at::Tensor own = gain(*node, pair.channels, important);
    gains = gains + own;
    auto per_pair = [&](const at::Tensor& x) { return x.view({pair.channels, columns}); };
    terms.push_back({numbers(per_pair(seen->second.magnitude).amax(1) * activation_step), numbers(own)});
    if (per_channel && groups == pair.channels) continue;
    const at::Tensor rows = input_rows(*node, pair.channels);
    const double taps = static_cast<double>(rows.numel() / rows.size(0) / columns);  // weights that read one column
    at::Tensor arriving = per_pair(power(seen->second, without_mean)).sum(1) * taps;
    arriving = arriving * important.reshape({groups, -1}).mean(1).repeat_interleave(pair.channels / groups);
    // A channel that no sample woke still has weights.
    arriving = arriving + 1e-3 * arriving.mean();
    terms.push_back({numbers(rows.abs().amax(1).to(at::kDouble) * weight_step), numbers(arriving), true});
  }
  if (per_channel) return terms;
  for (const Node* node : pair.upstream) {
    const auto seen = moments.find(node->input(0)->name());
    if (seen == moments.end()) return {};
    const at::Tensor rows = output_rows(*node);
    const int64_t groups = groups_of(*node), inputs = input_channels(*node);
    const double taps =
        static_cast<double>(rows.size(1)) / static_cast<double>(std::max<int64_t>(1, node->is("Gemm") ? inputs : inputs / groups));
    const at::Tensor in = power(seen->second, without_mean);
    if (in.numel() != inputs) return {};
    const at::Tensor per_group = in.view({groups, -1}).sum(1) * taps;
    terms.push_back(
        {numbers(rows.abs().amax(1).to(at::kDouble) * weight_step), numbers(per_group.repeat_interleave(pair.channels / groups) * gains)});
  }
  return terms;
}

}  // namespace ppq::passes
