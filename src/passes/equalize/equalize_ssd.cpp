#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "calibration/reference.h"
#include "passes/equalize/path_trial.h"
#include "passes/passes.h"
#include "ppq/error.h"

/// SSD equalization, PPQ's: for each pair of one layer and its one reader, with scale-free operations between, four ways to
/// move scale from one to the other are tried on the pair alone, with what the samples send through it, and the best one is
/// kept where the pair's error falls below `loss_threshold` of what it was. Several iterations over all pairs.
/// Ways 2 to 4 look for channels whose weights and activations are small against their tensor's largest: K and N say how
/// much smaller weights of the one and the other layer are, A activations.
/// Does not fire where equalize-layers does not, nor for pairs with several layers on a side. The float result is unchanged
/// but for rounding.
namespace ppq::passes {
namespace {

constexpr double kEps = 1e-8, kLeastActivation = 0.01;
constexpr size_t kSamples = 32;

at::Tensor floored(const at::Tensor& x, double share) { return x.clamp_min(share * x.max().item<double>()); }

class EqualizeSsd final : public Pass {
 public:
  const char* name() const override { return "equalize-ssd"; }

  size_t run(Graph& graph, PassContext& context) override {
    const SSDSetting& setting = context.setting->ssd_setting;
    EqualizationSearch search;
    search.through_flatten = true;
    auto pairs = find_equalization_pairs(graph, search);
    std::erase_if(pairs, [](const EqualizationPair& pair) { return pair.upstream.size() != 1 || pair.downstream.size() != 1; });
    if (pairs.empty() || setting.iteration <= 0) return 0;
    if (!context.calibration || context.calibration->size() == 0)
      throw Error(ErrorKind::Data, "SSD equalization", "no samples: got 0, expected at least 1");
    const Pinned pinned(graph);
    for (const EqualizationPair& pair : pairs) {
      own_parameters(graph, *pair.upstream[0], pinned);
      own_parameters(graph, *pair.downstream[0], pinned);
      if (setting.layer_norm) level(pair);
    }
    std::vector<bool> moved(pairs.size(), false);
    for (int iteration = 0; iteration < setting.iteration; ++iteration)
      visit_paths(graph, pairs, kSamples, context, [&](size_t i, const PathTrial& trial) {
        const at::Tensor scale = best_scale(pairs[i], trial, setting);
        if (context.progress) context.progress("equalize pairs", iteration * pairs.size() + i + 1, setting.iteration * pairs.size());
        if (!scale.defined()) return;
        scale_outputs(*pairs[i].upstream[0], scale);
        scale_inputs(*pairs[i].downstream[0], scale);
        moved[i] = true;
      });
    if (context.outputs) context.outputs->means.forget();
    const size_t changes = static_cast<size_t>(std::count(moved.begin(), moved.end(), true));
    if (context.record)
      context.record->decision =
          std::to_string(changes) + " of " + std::to_string(pairs.size()) + " pairs are clearly better with other scales, each run alone";
    return changes;
  }

 private:
  /// Both layers' largest weights become the same.
  static void level(const EqualizationPair& pair) {
    const double up = pair.upstream[0]->constant_input(1).abs().max().item<double>(),
                 down = pair.downstream[0]->constant_input(1).abs().max().item<double>();
    if (up == 0 || down == 0) return;
    const at::Tensor scale = at::full({pair.channels}, std::sqrt(down / up), at::kFloat);
    scale_outputs(*pair.upstream[0], scale);
    scale_inputs(*pair.downstream[0], scale);
  }

  /// Mean over batches of each channel's largest positive output of the upstream layer.
  static at::Tensor activation(const PathTrial& trial, const Node& upstream, const PassContext& context) {
    LowerOptions options;
    options.device = context.device;
    options.watch = {upstream.output()};
    const auto program = lower(trial.graph(), options);
    at::Tensor sum;
    for (const Tensors& inputs : trial.inputs)
      ppq::run(*program, inputs, [&](size_t, const at::Tensor& out) {
        const at::Tensor most = out.transpose(0, out.dim() > 1 ? 1 : 0).flatten(1).amax(1).clamp_min(0).to(at::kCPU, at::kFloat);
        sum = sum.defined() ? sum + most : most;
      });
    return sum / static_cast<double>(trial.inputs.size());
  }

  /// Undefined where nothing is clearly better than the pair as it is.
  at::Tensor best_scale(const EqualizationPair& pair, const PathTrial& trial, const SSDSetting& setting) const {
    const EqualizationPair inside = pair_in(trial.graph(), pair);
    const at::Tensor up = output_rows(*inside.upstream[0]).abs().amax(1),
                     down = input_rows(*inside.downstream[0], pair.channels).abs().amax(1);
    const at::Tensor u = floored(up, setting.channel_ratio), d = floored(down, setting.channel_ratio);
    const at::Tensor a =
        floored(activation(trial, *inside.upstream[0], trial.context()), setting.channel_ratio).clamp_min(kLeastActivation);
    const at::Tensor K = u.max() / (u + kEps), N = d.max() / (d + kEps), A = a.max() / (a + kEps);
    at::Tensor third = at::minimum(K / N, A / N).clamp_max(8);
    third = (third / third.min()).clamp(1, 2);
    const at::Tensor ways[] = {at::sqrt(down / (up + kEps)).clamp(0.1, 10), at::minimum(K, A), third,
                               at::sqrt(A * at::sqrt(K / N)).clamp(1, 2)};
    at::Tensor best;
    double least = setting.loss_threshold * trial.error(trial.graph());
    for (const at::Tensor& scale : ways) {
      const auto copy = trial.graph().clone();
      const EqualizationPair twin = pair_in(*copy, pair);
      scale_outputs(*twin.upstream[0], scale);
      scale_inputs(*twin.downstream[0], scale);
      const double error = trial.error(*copy);
      if (error < least) least = error, best = scale;
    }
    return best;
  }
};

}  // namespace

std::unique_ptr<Pass> make_equalize_ssd() { return std::make_unique<EqualizeSsd>(); }

}  // namespace ppq::passes
