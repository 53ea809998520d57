#include "passes/equalize/choice.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <unordered_map>

#include "analysis/error_analysis.h"
#include "executor/at_once.h"
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
  without_moving_scale(setting);
  if (setting.quantize_activation_setting.calib_algorithm == "auto")
    setting.quantize_activation_setting.calib_algorithm = "minmax-extended";
  if (setting.extra.weight_search == "auto") setting.extra.weight_search = "grid";
  setting.extra.compensate_rounding = false;
  setting.extra.passes.erase("compensate-rounding");
}

class Choice {
 public:
  Choice(const Graph& graph, const PassContext& context)
      : graph_(graph),
        context_(context),
        trial_(graph, context, {Part::fitting().spread(kFewFitSamples), Part::held_back().spread(kJudgeSamples)}, simplify),
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
    statistics_ = std::move(statistics.fitting);
    std::vector<EqualizationVariant> variants = {best_, plain};
    if (clips) variants.push_back(least_noise_equalization(*context_.setting));
    variants.push_back(variants.back());
    variants.back().search.through_add = true;
    variants.back().name += " and Add";
    const auto candidates = equalize(variants);
    least_ = attempt(candidates[0], {}, 1);
    const double untouched = least_.error();
    const Attempt before = least_;
    said_ = "none " + short_number(untouched);
    for (size_t i = 1; i < candidates.size(); ++i)
      // What was asked for need only not hurt; what goes further must be worth it.
      offer(candidates[i], candidates[i]->variant.name == plain.name ? 1 : kClearly);
    if (best_.setting.iterations > 0) undo_pairs();
    if (context_.record) {
      context_.record->error_before = untouched;
      context_.record->error_after = least_.error();
      context_.record->decision = best_.name + ", by the error at the outputs on samples held back: " + said_;
      if (best_.setting.iterations > 0) record_effects(before);
    }
    if (context_.outputs) context_.outputs->means = means_;
    return {best_, std::move(statistics.all)};
  }

 private:
  /// The network with one equalization.
  struct Equalized {
    EqualizationVariant variant;
    std::unique_ptr<Graph> graph;
    std::unique_ptr<Equalizer> equalizer;
  };
  /// An equalization's network before and after the rest of the pipeline, and its error.
  struct Attempt {
    Reference::Course course;
    std::shared_ptr<const Equalized> plain;
    std::shared_ptr<const Graph> quantized;
    double error() const { return course.error; }
  };

  /// One for each variant that moves other layers than the one before it, all at once: each search is a chain of small steps.
  std::vector<std::shared_ptr<Equalized>> equalize(const std::vector<EqualizationVariant>& variants) const {
    std::vector<std::shared_ptr<Equalized>> all;
    for (const EqualizationVariant& variant : variants) {
      if (!all.empty() && same_pairs(graph_, variant, all.back()->variant)) continue;
      all.push_back(std::make_shared<Equalized>(Equalized{variant, graph_.clone(), nullptr}));
      all.back()->equalizer = std::make_unique<Equalizer>(*all.back()->graph, all.back()->variant, statistics_, context_);
    }
    for_each_at_once(at::kCPU, all.size(), [&](size_t i) { all[i]->equalizer->run(); });
    return all;
  }

  /// The error is infinite where it was given up as far above `share` of the rival's.
  Attempt attempt(std::shared_ptr<const Equalized> candidate, const Reference::Course& rival, double share) {
    const std::shared_ptr<Graph> copy = candidate->graph->clone();
    trial_.set_means(candidate->equalizer->scaled(means_));
    trial_.run(*copy, rest_);
    if (context_.progress) context_.progress("choose equalization", ++tried_, 5);
    Attempt attempt{trial_.judge(*copy, rival, share), std::move(candidate), copy};
    // The float network's own, for the trials to come.
    if (attempt.plain->variant.setting.iterations == 0) means_ = trial_.context().outputs->means;
    return attempt;
  }

  void offer(const std::shared_ptr<const Equalized>& candidate, double share) {
    Attempt attempt = this->attempt(candidate, least_.course, share);
    said_ += ", " + candidate->variant.name + " " + short_number(attempt.error());
    if (attempt.error() < share * least_.error()) best_ = candidate->variant, least_ = std::move(attempt);
  }

  /// Each pair is run alone, on what flows into it, with its scales and without. Those that are clearly better without are
  /// left as they came, if the whole network is then better too.
  void undo_pairs() {
    const std::shared_ptr<const Equalized> equalized = least_.plain;
    const Equalizer& equalizer = *equalized->equalizer;
    EqualizationVariant without = best_;
    std::string names;
    PassContext quiet = trial_.context();
    quiet.setting = context_.setting;
    visit_paths(*equalized->graph, equalizer.pairs(), kPathSamples, quiet, [&](size_t i, const PathTrial& trial) {
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
    Attempt trial = attempt(equalize({without}).front(), least_.course, 1);
    said_ += ", without the " + std::to_string(without.undone.size()) + " of " + std::to_string(equalizer.pairs().size()) +
             " pairs that are better alone (" + names + ") " + short_number(trial.error());
    if (trial.error() >= least_.error()) return;
    without.name += " in part";
    best_ = without, least_ = std::move(trial);
  }

  /// Tensor by tensor, each against its own float network: equalization changes what the tensors hold.
  void record_effects(const Attempt& untouched) {
    AnalysisOptions options(context_);
    options.layerwise_samples = 0;
    const DatasetPtr samples = part_of(context_.calibration, Part::held_back().spread(kEffectSamples));
    auto analyze = [&](const Attempt& trial) {
      return analyze_errors(*trial.quantized, *trial.plain->graph, *trial.plain->graph, samples, options);
    };
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
  EqualizationVariant best_;
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
