#include "passes/equalize/choice.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <unordered_map>

#include "analysis/error_analysis.h"
#include "calibration/output_error.h"
#include "passes/equalize/path_trial.h"

namespace ppq::passes {
namespace {

constexpr double kClearly = 0.8;  ///< the error must fall below this share of what is less far from the model
constexpr size_t kTrialSamples = 8, kPathSamples = 4, kEffectSamples = 4, kStatisticsSamples = 64;

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

bool same_pairs(const Graph& graph, const EqualizationVariant& a, const EqualizationVariant& b) {
  const auto x = find_equalization_pairs(graph, a.search), y = find_equalization_pairs(graph, b.search);
  if (x.empty() && y.empty()) return true;
  if (a.rule != b.rule || a.setting.iterations != b.setting.iterations || x.size() != y.size()) return false;
  for (size_t i = 0; i < x.size(); ++i)
    if (x[i].upstream != y[i].upstream || x[i].downstream != y[i].downstream) return false;
  return true;
}

/// Of every `step`-th from `first`, at most `most` spread over all.
DatasetPtr samples_from(const DatasetPtr& all, size_t first, size_t step, size_t most) {
  std::vector<size_t> indices;
  for (size_t i = first; i < all->size(); i += step) indices.push_back(i);
  std::vector<size_t> few(std::min(most, indices.size()));
  for (size_t i = 0; i < few.size(); ++i) few[i] = indices[i * indices.size() / few.size()];
  return subset(all, few);
}

class Choice {
 public:
  Choice(const Graph& graph, const PassContext& context)
      : graph_(graph), context_(context), setting_(*context.setting), trial_(context), check_(context) {
    setting_.equalization = setting_.ssd_equalization = setting_.extra.absorb_high_bias = false;
    for (const char* name : {"equalize-layers", "equalize-ssd", "absorb-high-bias"}) setting_.extra.passes.erase(name);
    // One observer and one way to weights' scales for all trials: choosing would cost each trial several.
    if (setting_.quantize_activation_setting.calib_algorithm == "auto") setting_.quantize_activation_setting.calib_algorithm = "mse";
    if (setting_.extra.weight_search == "auto") setting_.extra.weight_search = "minmax";
    const size_t step = context.calibration->size() > 1 ? 2 : 1;
    trial_.setting = check_.setting = &setting_;
    trial_.progress = nullptr, trial_.warnings = nullptr, trial_.checkpoint = {};
    trial_.calibration = trial_samples(context.calibration, 0, step);
    check_.calibration = trial_samples(context.calibration, step - 1, step);
    rest_ = quantization_pipeline(*context.platform, setting_);
  }

  EqualizationVariant run() {
    const EqualizationVariant plain = plain_equalization(*context_.setting);
    best_.name = "none";
    best_.setting.iterations = 0;
    auto has_pairs = [&](bool add, bool clip) { return !find_equalization_pairs(graph_, {add, clip, clip}).empty(); };
    const bool clips = context_.setting->extra.cross_clip_equalization;
    if (!has_pairs(false, false) && !has_pairs(true, false) && !(clips && (has_pairs(false, true) || has_pairs(true, true)))) return best_;
    PassContext half = trial_;
    half.calibration = samples_from(context_.calibration, 0, context_.calibration->size() > 1 ? 2 : 1, kStatisticsSamples);
    statistics_ = equalization_statistics(graph_, half);
    outputs_ = std::make_unique<OutputReference>(graph_, check_, kTrialSamples);
    const Trial untouched = attempt(best_);
    least_ = untouched;
    said_ = "none " + short_number(untouched.error);
    last_ = best_;
    // What was asked for need only not hurt; what goes further must be worth it.
    offer(plain, 1);
    EqualizationVariant further = plain;
    if (clips) offer(further = least_noise_equalization(*context_.setting), kClearly);
    further.search.through_add = true;
    further.name += " and Add";
    offer(further, kClearly);
    if (best_.setting.iterations > 0) undo_pairs();
    if (context_.record) {
      context_.record->error_before = untouched.error;
      context_.record->error_after = least_.error;
      context_.record->decision = best_.name + ", by the error at the outputs on samples held back: " + said_;
      if (best_.setting.iterations > 0) record_effects(untouched);
    }
    return best_;
  }

 private:
  /// A copy of the network with one equalization, before and after the rest of the pipeline, and its error.
  struct Trial {
    double error = 0;
    std::shared_ptr<const Graph> plain, quantized;
  };

  Trial attempt(const EqualizationVariant& variant) {
    std::shared_ptr<Graph> copy = graph_.clone();
    Equalizer(*copy, variant, statistics_, context_).run();
    Trial trial;
    trial.plain = copy->clone();
    run_passes(*copy, rest_, trial_);
    if (context_.progress) context_.progress("choose equalization", ++tried_, 5);
    trial.error = outputs_->error(*copy);
    trial.quantized = copy;
    return trial;
  }

  void offer(const EqualizationVariant& variant, double share) {
    if (same_pairs(graph_, variant, last_)) return;
    last_ = variant;
    Trial trial = attempt(variant);
    said_ += ", " + variant.name + " " + short_number(trial.error);
    if (trial.error < share * least_.error) best_ = variant, least_ = std::move(trial);
  }

  /// Each pair is run alone, on what flows into it, with its scales and without. Those that are clearly better without are
  /// left as they came, if the whole network is then better too.
  void undo_pairs() {
    auto equalized = graph_.clone();
    Equalizer equalizer(*equalized, best_, statistics_, context_);
    equalizer.run();
    EqualizationVariant without = best_;
    std::string names;
    PassContext quiet = trial_;
    quiet.setting = context_.setting;
    visit_paths(*equalized, equalizer.pairs(), kPathSamples, quiet, [&](size_t i, const PathTrial& trial) {
      const at::Tensor back = 1 / equalizer.scale(i);
      if (at::equal(back, at::ones_like(back))) return;
      const auto undone = trial.graph().clone();
      const EqualizationPair pair = pair_in(*undone, equalizer.pairs()[i]);
      const Pinned pinned(*undone);
      for (Node* node : pair.upstream) own_parameters(*undone, *node, pinned), scale_outputs(*node, back);
      for (Node* node : pair.downstream) own_parameters(*undone, *node, pinned), scale_inputs(*node, back);
      if (trial.error(*undone) >= kClearly * trial.error(trial.graph())) return;
      without.undone.insert(i);
      names += (names.empty() ? "" : " ") + equalizer.pairs()[i].upstream.front()->name;
    });
    if (without.undone.empty() || without.undone.size() == equalizer.pairs().size()) return;
    Trial trial = attempt(without);
    said_ += ", without the " + std::to_string(without.undone.size()) + " of " + std::to_string(equalizer.pairs().size()) +
             " pairs that are better alone (" + names + ") " + short_number(trial.error);
    if (trial.error >= least_.error) return;
    without.name += " in part";
    best_ = without, least_ = std::move(trial);
  }

  /// Tensor by tensor, each against its own float network: equalization changes what the tensors hold.
  void record_effects(const Trial& untouched) {
    AnalysisOptions options;
    options.device = context_.device;
    options.batch_size = context_.batch_size;
    options.layerwise_samples = 0;
    std::vector<size_t> few(std::min(kEffectSamples, check_.calibration->size()));
    for (size_t i = 0; i < few.size(); ++i) few[i] = i * check_.calibration->size() / few.size();
    const DatasetPtr samples = subset(check_.calibration, few);
    auto analyze = [&](const Trial& trial) { return analyze_errors(*trial.quantized, *trial.plain, *trial.plain, samples, options); };
    std::unordered_map<std::string, double> before;
    for (const TensorError& tensor : analyze(untouched).tensors) before[tensor.name] = tensor.graphwise.snr();
    for (const TensorError& tensor : analyze(least_).tensors)
      if (const auto found = before.find(tensor.name); found != before.end())
        context_.record->effects.push_back({tensor.name, found->second, tensor.graphwise.snr()});
  }

  const Graph& graph_;
  const PassContext& context_;
  QuantizationSetting setting_;
  PassContext trial_, check_;
  std::vector<std::string> rest_;
  EqualizationStatistics statistics_;
  std::unique_ptr<OutputReference> outputs_;
  EqualizationVariant best_, last_;
  Trial least_;
  std::string said_;
  size_t tried_ = 0;
};

}  // namespace

DatasetPtr trial_samples(const DatasetPtr& all, size_t first, size_t step) { return samples_from(all, first, step, kTrialSamples); }

EqualizationVariant plain_equalization(const QuantizationSetting& setting) {
  EqualizationVariant variant;
  variant.name = "the setting's equalization";
  variant.search.through_add = setting.equalization_setting.opt_level >= 2;
  variant.setting = setting.equalization_setting;
  return variant;
}

EqualizationVariant least_noise_equalization(const QuantizationSetting& setting) {
  constexpr int kMostSweeps = 30;
  EqualizationVariant variant = plain_equalization(setting);
  variant.name = "through Clip for least noise";
  variant.search.through_clip = variant.search.through_flatten = true;
  variant.setting.iterations = kMostSweeps;
  variant.rule = EqualizationRule::Noise;
  return variant;
}

EqualizationVariant choose_equalization(const Graph& graph, const PassContext& context) { return Choice(graph, context).run(); }

}  // namespace ppq::passes
