#include "passes/equalize/choice.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <unordered_map>

#include "analysis/error_analysis.h"
#include "passes/equalize/path_trial.h"
#include "passes/trial.h"

namespace ppq::passes {
namespace {

constexpr double kClearly = 0.8;  ///< the error must fall below this share of what is less far from the model
constexpr size_t kPathSamples = 4, kEffectSamples = 4;

/// "0.0123", or "more" for a trial that was given up.
std::string short_number(double value) {
  if (std::isinf(value)) return "more";
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

/// The rest of the pipeline without equalization. One observer and one way to weights' scales for all trials: choosing would
/// cost each trial several.
void simplify(QuantizationSetting& setting) {
  setting.equalization = setting.ssd_equalization = setting.extra.absorb_high_bias = false;
  for (const char* name : {"equalize-layers", "equalize-ssd", "absorb-high-bias"}) setting.extra.passes.erase(name);
  if (setting.quantize_activation_setting.calib_algorithm == "auto") setting.quantize_activation_setting.calib_algorithm = "mse";
  if (setting.extra.weight_search == "auto") setting.extra.weight_search = "minmax";
}

class Choice {
 public:
  Choice(const Graph& graph, const PassContext& context)
      : graph_(graph),
        context_(context),
        trial_(graph, context, {Part::even().spread(kFewFitSamples), Part::odd().spread(kJudgeSamples)}, simplify),
        rest_(trial_.pipeline()) {}

  EqualizationChoice run() {
    const EqualizationVariant plain = plain_equalization(*context_.setting);
    best_.name = "none";
    best_.setting.iterations = 0;
    auto has_pairs = [&](bool add, bool clip) { return !find_equalization_pairs(graph_, {add, clip, clip}).empty(); };
    const bool clips = context_.setting->extra.cross_clip_equalization;
    if (!has_pairs(false, false) && !has_pairs(true, false) && !(clips && (has_pairs(false, true) || has_pairs(true, true))))
      return {best_, {}};
    StatisticsOfHalves statistics = equalization_statistics_of_halves(graph_, context_);
    statistics_ = std::move(statistics.even);
    const Attempt untouched = attempt(best_, {}, 1);
    least_ = untouched;
    said_ = "none " + short_number(untouched.error());
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
      context_.record->error_before = untouched.error();
      context_.record->error_after = least_.error();
      context_.record->decision = best_.name + ", by the error at the outputs on samples held back: " + said_;
      if (best_.setting.iterations > 0) record_effects(untouched);
    }
    if (context_.outputs) context_.outputs->means = means_;
    return {best_, std::move(statistics.all)};
  }

 private:
  /// A copy of the network with one equalization, before and after the rest of the pipeline, and its error.
  struct Attempt {
    Reference::Course course;
    std::shared_ptr<const Graph> plain, quantized;
    double error() const { return course.error; }
  };

  /// The error is infinite where it was given up as far above `share` of the rival's.
  Attempt attempt(const EqualizationVariant& variant, const Reference::Course& rival, double share) {
    std::shared_ptr<Graph> copy = graph_.clone();
    Equalizer equalizer(*copy, variant, statistics_, context_);
    equalizer.run();
    trial_.set_means(equalizer.scaled(means_));
    Attempt attempt;
    attempt.plain = copy->clone();
    trial_.run(*copy, rest_);
    if (context_.progress) context_.progress("choose equalization", ++tried_, 5);
    attempt.course = trial_.judge(*copy, rival, share);
    attempt.quantized = copy;
    // The float network's own, for the trials to come.
    if (variant.setting.iterations == 0) means_ = trial_.context().outputs->means;
    return attempt;
  }

  void offer(const EqualizationVariant& variant, double share) {
    if (same_pairs(graph_, variant, last_)) return;
    last_ = variant;
    Attempt attempt = this->attempt(variant, least_.course, share);
    said_ += ", " + variant.name + " " + short_number(attempt.error());
    if (attempt.error() < share * least_.error()) best_ = variant, least_ = std::move(attempt);
  }

  /// Each pair is run alone, on what flows into it, with its scales and without. Those that are clearly better without are
  /// left as they came, if the whole network is then better too.
  void undo_pairs() {
    auto equalized = graph_.clone();
    Equalizer equalizer(*equalized, best_, statistics_, context_);
    equalizer.run();
    EqualizationVariant without = best_;
    std::string names;
    PassContext quiet = trial_.context();
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
    Attempt trial = attempt(without, least_.course, 1);
    said_ += ", without the " + std::to_string(without.undone.size()) + " of " + std::to_string(equalizer.pairs().size()) +
             " pairs that are better alone (" + names + ") " + short_number(trial.error());
    if (trial.error() >= least_.error()) return;
    without.name += " in part";
    best_ = without, least_ = std::move(trial);
  }

  /// Tensor by tensor, each against its own float network: equalization changes what the tensors hold.
  void record_effects(const Attempt& untouched) {
    AnalysisOptions options;
    options.device = context_.device;
    options.batch_size = context_.batch_size;
    options.layerwise_samples = 0;
    const DatasetPtr samples = part_of(context_.calibration, Part::odd().spread(kEffectSamples));
    auto analyze = [&](const Attempt& trial) { return analyze_errors(*trial.quantized, *trial.plain, *trial.plain, samples, options); };
    std::unordered_map<std::string, double> before;
    for (const TensorError& tensor : analyze(untouched).tensors) before[tensor.name] = tensor.graphwise.nsr();
    for (const TensorError& tensor : analyze(least_).tensors)
      if (const auto found = before.find(tensor.name); found != before.end())
        context_.record->effects.push_back({tensor.name, found->second, tensor.graphwise.nsr()});
  }

  const Graph& graph_;
  const PassContext& context_;
  Trial trial_;
  FloatMeans means_;  ///< of the network as it came
  std::vector<std::string> rest_;
  EqualizationStatistics statistics_;  ///< of samples that do not judge
  EqualizationVariant best_, last_;
  Attempt least_;
  std::string said_;
  size_t tried_ = 0;
};

}  // namespace

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

EqualizationChoice choose_equalization(const Graph& graph, const PassContext& context) { return Choice(graph, context).run(); }

}  // namespace ppq::passes
