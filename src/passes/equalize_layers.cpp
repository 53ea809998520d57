#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <set>
#include <unordered_map>

#include "passes/channel_statistics.h"
#include "passes/equalization.h"
#include "passes/output_error.h"
#include "passes/passes.h"
#include "ppq/error.h"

/// Layer-wise equalization (arXiv 1906.04721): between layers joined by scale-free operations (Relu, pooling, PRelu, …),
/// output channels of the upstream layer are multiplied by s and the downstream layer's input channels divided by it, so
/// that both have like ranges and one scale a tensor loses less. s = 1/sqrt(max|W_up| / max|W_down|), within 0.1 and 10,
/// as PPQ computes it in float32. The float result is unchanged but for rounding.
///
/// With cross_clip_equalization pairs also lead through Clip(0, b), Pad, Flatten and the like, until nothing moves. A Clip is
/// not scale-free, so the samples are run once: a channel that the bound cuts off keeps its scale (the pair's common factor
/// is free: the others are scaled relative to it), a channel below may grow to 70 % of the bound and shrink at will. What the
/// bound does to the samples then stays; on others the float result can move a little, which is measured and said.
///
/// With choose_equalization_by_data the rest of the pipeline runs on copies of the graph, calibrated on a few samples and
/// measured on a few others: as the network came, with the setting's equalization, through Clip, and through Add too. The
/// next one is taken only where it is clearly better, and then parts of it are undone where that is clearly better again.
/// Does not fire where a graph output, a shared tensor or an encoding that the user fixed lies between the layers.
namespace ppq::passes {
namespace {

using Statistics = std::unordered_map<std::string, ChannelStatistics>;

constexpr double kMargin = 0.7;           ///< how much of a bound a channel may fill by growing
constexpr double kLittleClipped = 1e-3;   ///< share of a channel's power that a bound takes without mattering
constexpr double kClearly = 0.8;          ///< the error must fall below this share of what is less far from the model
constexpr size_t kTrialSamples = 8, kParts = 4;
constexpr int kMostSweeps = 30;
constexpr double kOpen = std::numeric_limits<double>::infinity();

struct Variant {
  std::string name;
  EqualizationSearch search;
  EqualizationSetting setting;
  std::set<size_t> undone;  ///< pairs left as they are
};

class Equalizer {
 public:
  Equalizer(Graph& graph, const Variant& variant, Statistics statistics)
      : graph_(graph), variant_(variant), statistics_(std::move(statistics)), pairs_(find_equalization_pairs(graph, variant.search)) {}

  size_t run() {
    if (variant_.setting.iterations == 0) return 0;
    for (EqualizationPair& pair : pairs_) {
      for (Node* node : pair.upstream) own_parameters(graph_, *node);
      for (Node* node : pair.downstream) own_parameters(graph_, *node);
    }
    for (int sweep = 0; sweep < variant_.setting.iterations; ++sweep) {
      double moved = 0;
      for (size_t i = 0; i < pairs_.size(); ++i)
        if (!variant_.undone.count(i)) moved = std::max(moved, equalize(pairs_[i]));
      if (variant_.search.through_clip && moved < 0.05) break;
    }
    return pairs_.size() - variant_.undone.size();
  }

 private:
  /// How far each channel may grow below the Clips on the way; 0 where a bound cuts it off.
  at::Tensor room_of(const EqualizationPair& pair) const {
    at::Tensor room = at::full({pair.channels}, 1e6, at::kDouble);
    for (const Node* node : pair.relays) {
      const double bound = clip_bound(*node).value_or(kOpen);
      if (!std::isfinite(bound)) continue;
      const auto seen = statistics_.find(node->input(0)->name());
      if (seen == statistics_.end()) return at::zeros_like(room).to(at::kFloat);
      // Behind Flatten a channel has several columns.
      const at::Tensor high = seen->second.high.view({pair.channels, -1}).amax(1), clipped = seen->second.clipped.view({pair.channels, -1}).amax(1);
      // A channel that was never seen near the bound may still come there: it does not grow without limit.
      const at::Tensor may = (kMargin * bound / high.clamp_min(bound / 64)).clamp_min(1);
      room = at::minimum(room, at::where(clipped > kLittleClipped, at::zeros_like(may), may));
    }
    return room.to(at::kFloat);
  }

  /// Returns the largest step in octaves.
  double equalize(EqualizationPair& pair) {
    const EqualizationSetting& setting = variant_.setting;
    std::vector<at::Tensor> up, down;
    for (const Node* node : pair.upstream) {
      up.push_back(output_rows(*node).abs().amax(1));
      if (const at::Tensor bias = node->constant_input(2); setting.including_bias && bias.defined() && bias.numel() == pair.channels)
        up.push_back(bias.reshape({-1}).abs() * setting.bias_multiplier);
    }
    for (const Node* node : pair.downstream) down.push_back(input_rows(*node, pair.channels).abs().amax(1));
    const at::Tensor u = at::stack(up).amax(0), d = at::stack(down).amax(0);
    at::Tensor scale = 1 / at::sqrt(u / d);
    scale = at::clamp(scale, 0.1, 10);
    // Both zero: nothing to balance (0/0).
    scale = at::where((u + d < setting.value_threshold).logical_or(at::isnan(scale)), at::ones_like(scale), scale);
    if (variant_.search.through_clip) {
      // A side that is zero has nothing to win either, and a channel that only grows would meet the bound.
      scale = at::where((u == 0).logical_or(d == 0), at::ones_like(scale), scale);
      const at::Tensor room = room_of(pair), held = room == 0;
      if (held.any().item<bool>()) scale = scale / scale.masked_select(held).log().mean().exp();
      scale = at::where(held, at::ones_like(scale), at::minimum(scale, room));
    }
    for (Node* node : pair.upstream) scale_outputs(*node, scale);
    for (Node* node : pair.downstream) scale_inputs(*node, scale);
    for (const Node* node : pair.relays)
      if (const auto seen = statistics_.find(node->input(0)->name()); seen != statistics_.end())
        seen->second.high = seen->second.high * scale.to(at::kDouble).repeat_interleave(seen->second.high.numel() / pair.channels);
    return scale.log2().abs().max().item<double>();
  }

  Graph& graph_;
  const Variant& variant_;
  Statistics statistics_;  ///< in front of Clips, by name, as scaled so far
  std::vector<EqualizationPair> pairs_;
};

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

class EqualizeLayers final : public Pass {
 public:
  const char* name() const override { return "equalize-layers"; }

  size_t run(Graph& graph, PassContext& context) override {
    const QuantizationSetting& setting = *context.setting;
    const bool samples = context.calibration && context.calibration->size() > 0 && context.platform;
    Variant variant{"the setting's equalization", {}, setting.equalization_setting, {}};
    variant.search.through_add = setting.equalization_setting.opt_level >= 2;
    if (!samples) return Equalizer(graph, variant, {}).run();
    if (setting.extra.choose_equalization_by_data) {
      variant = choose(graph, context);
    } else if (setting.extra.cross_clip_equalization) {
      variant = wide(variant, "through Clip");
    }
    if (!variant.search.through_clip) return Equalizer(graph, variant, {}).run();
    const auto before = graph.clone();
    const size_t changes = Equalizer(graph, variant, seen(graph, context)).run();
    report_change(graph, *before, context);
    return changes;
  }

 private:
  static Variant wide(Variant variant, std::string name) {
    variant.name = std::move(name);
    variant.search.through_clip = variant.search.through_flatten = true;
    variant.setting.iterations = kMostSweeps;
    variant.setting.value_threshold = 0;
    return variant;
  }

  /// What each Clip gets, from all samples of the context.
  static Statistics seen(const Graph& graph, const PassContext& context) {
    std::vector<BoundedValue> values;
    for (const Node* node : graph.nodes())
      if (const auto bound = clip_bound(*node); bound && std::isfinite(*bound) && !node->input(0)->is_constant()) values.push_back({node->input(0), *bound});
    return channel_statistics(graph, values, context);
  }

  /// Samples first, first + step, …, at most kTrialSamples spread over all.
  static DatasetPtr part(const DatasetPtr& all, size_t first, size_t step) {
    std::vector<size_t> indices;
    for (size_t i = first; i < all->size(); i += step) indices.push_back(i);
    std::vector<size_t> few(std::min(kTrialSamples, indices.size()));
    for (size_t i = 0; i < few.size(); ++i) few[i] = indices[i * indices.size() / few.size()];
    return subset(all, few);
  }

  static bool same_pairs(const Graph& graph, const Variant& a, const Variant& b) {
    const auto x = find_equalization_pairs(graph, a.search), y = find_equalization_pairs(graph, b.search);
    if (x.empty() && y.empty()) return true;
    if (a.setting.iterations != b.setting.iterations || x.size() != y.size()) return false;
    for (size_t i = 0; i < x.size(); ++i)
      if (x[i].upstream != y[i].upstream || x[i].downstream != y[i].downstream) return false;
    return true;
  }

  Variant choose(const Graph& graph, const PassContext& context) const {
    QuantizationSetting setting = *context.setting;
    setting.equalization = false;
    setting.extra.passes.erase("equalize-layers");
    // One observer for all trials: choosing one would cost each trial three.
    if (setting.quantize_activation_setting.calib_algorithm == "auto") setting.quantize_activation_setting.calib_algorithm = "mse";
    const size_t step = context.calibration->size() > 1 ? 2 : 1;
    PassContext trial = context, check = context;
    trial.setting = check.setting = &setting;
    trial.progress = nullptr, trial.warnings = nullptr, trial.checkpoint = {};
    trial.calibration = part(context.calibration, 0, step);
    check.calibration = part(context.calibration, step - 1, step);
    const auto rest = quantization_pipeline(*context.platform, setting);
    Statistics statistics;
    const size_t total = 4 + kParts;
    size_t tried = 0;
    auto error_of = [&](const Variant& variant) {
      auto copy = graph.clone();
      Equalizer(*copy, variant, statistics).run();
      run_passes(*copy, rest, trial);
      if (context.progress) context.progress("choose equalization", ++tried, total);
      return output_error(*copy, graph, check, kTrialSamples);
    };

    const Variant plain{"the setting's equalization", {context.setting->equalization_setting.opt_level >= 2, false, false}, context.setting->equalization_setting, {}};
    Variant none{"none", {}, {}, {}}, best = none;
    none.setting.iterations = best.setting.iterations = 0;
    auto has_pairs = [&](bool add, bool clip) { return !find_equalization_pairs(graph, {add, clip, clip}).empty(); };
    const bool clips = context.setting->extra.cross_clip_equalization;
    if (!has_pairs(false, false) && !has_pairs(true, false) && !(clips && (has_pairs(false, true) || has_pairs(true, true)))) return none;
    statistics = seen(graph, trial);
    const double untouched = error_of(none);
    double least = untouched;
    std::string said = "none " + short_number(untouched);
    Variant last = none;
    auto offer = [&](const Variant& variant, double share) {
      if (same_pairs(graph, variant, last)) return;
      last = variant;
      const double error = error_of(variant);
      said += ", " + variant.name + " " + short_number(error);
      if (error < share * least) best = variant, least = error;
    };
    // What was asked for need only not hurt; what goes further must be worth it.
    offer(plain, 1);
    Variant further = plain;
    if (context.setting->extra.cross_clip_equalization) offer(further = wide(plain, "through Clip"), kClearly);
    further.search.through_add = true;
    further.name += " and Add";
    offer(further, kClearly);
    if (best.setting.iterations > 0) undo_parts(graph, best, least, error_of, said);
    if (context.record) {
      context.record->error_before = untouched;
      context.record->error_after = least;
      context.record->decision = best.name + ", by the error at the outputs on samples held back: " + said;
    }
    return best;
  }

  /// Leaves runs of pairs as they came where that is clearly better.
  template <class ErrorOf>
  static void undo_parts(const Graph& graph, Variant& best, double& least, ErrorOf& error_of, std::string& said) {
    const size_t pairs = find_equalization_pairs(graph, best.search).size(), parts = std::min(kParts, pairs);
    for (size_t k = 0; k < parts && parts > 1; ++k) {
      Variant variant = best;
      for (size_t i = k * pairs / parts; i < (k + 1) * pairs / parts; ++i) variant.undone.insert(i);
      if (variant.undone.size() == pairs) continue;
      const double error = error_of(variant);
      if (error >= kClearly * least) continue;
      best = variant, least = error;
      said += ", without pairs " + std::to_string(k * pairs / parts + 1) + " to " + std::to_string((k + 1) * pairs / parts) + " " + short_number(error);
    }
  }

  /// The float network moves where a bound cuts off what it did not on the samples, or no more.
  static void report_change(const Graph& graph, const Graph& before, PassContext& context) {
    PassContext check = context;
    check.calibration = part(context.calibration, context.calibration->size() > 1 ? 1 : 0, 2);
    const double change = float_change(graph, before, check);
    if (context.record) {
      std::string& text = context.record->decision;
      text += (text.empty() ? "through Clip" : "") + std::string("; the float outputs moved by ") + short_number(change) + " (noise over signal)";
    }
    if (change > 1e-2)
      context.warn("equalize-layers: equalization through Clip moves the float outputs by " + short_number(change) + " (noise over signal); switch it off with ppq_torch.cross_clip_equalization = false");
  }
};

}  // namespace

std::unique_ptr<Pass> make_equalize_layers() { return std::make_unique<EqualizeLayers>(); }

}  // namespace ppq::passes
