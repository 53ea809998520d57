#include "job/mixed_precision.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "analysis/macs.h"
#include "calibration/reference.h"
#include "calibration/samples.h"
#include "graph/quant_slots.h"
#include "observers/observer.h"
#include "passes/trial.h"
#include "ppq/error.h"

namespace ppq {
namespace {

constexpr size_t kTrialSamples = 64;              ///< that a trial calibrates with
constexpr size_t kFewRanking = 4;                 ///< samples of the ranking, at least
constexpr size_t kMostAttempts = 3;               ///< networks that are quantized from the start
constexpr size_t kKeptBytes = size_t{256} << 20;  ///< of decoded samples
constexpr const char* kAllAtSixteen = "activation:.*";

/// Runs passes of the pipeline from configure-quantization on, `before_numbers` in front of the first that finds numbers.
void run_quantization(Graph& graph, const PassContext& outer, const std::function<void()>& before_numbers) {
  PassContext context = outer;  // a pass may lower the batch size
  bool numbers = false, quantizes = false;
  for (const std::string& name : quantization_pipeline(*context.platform, *context.setting)) {
    const PassRow* row = find_pass(name);
    quantizes |= row && row->phase == Phase::Quantize;
    if (!quantizes || name == "choose-observer" || name == "bake-parameters") continue;
    if (!numbers && (name == "quantize-parameters" || name == "calibrate")) {
      if (!before_numbers) return;
      before_numbers(), numbers = true;
    }
    run_passes(graph, {name}, context);
  }
}

bool is_observer(const std::string& name) {
  const auto& rows = observer_table();
  return std::any_of(rows.begin(), rows.end(), [&](const auto& row) { return name == row.name; });
}

/// What was found for `known` is not searched again: the scales of constants, and by which observer activations got theirs. Above 8 bits
/// that is the extremes, as calibrate has it.
void take_choices(const Graph& graph, const Graph& known) {
  for (const Slot& slot : quant_slots(graph)) {
    TensorQuant& quant = *slot.quant();
    const Node* node = known.find_node(slot.node->name);
    const TensorQuantPtr found = !node ? nullptr : slot.output ? node->quant_of_output(slot.index) : node->quant_of_input(slot.index);
    if (quant.state != QuantState::Initial || quant.fixed || !found || !found->params.defined()) continue;
    if (slot.is_constant()) {
      if (found->scheme == quant.scheme) quant.params = found->params, quant.state = QuantState::Active;
    } else if (quant.scheme.bits > 8) {
      quant.scheme.observer = "minmax";
    } else if (is_observer(found->scheme.observer)) {
      quant.scheme.observer = found->scheme.observer;
    }
  }
}

}  // namespace

struct MixedSearch::Candidate {
  LayerSensitivity layer;
  bool to_float = false;
  std::unordered_set<const Node*> widened;  ///< layers of the first network whose data leaves its width
  double macs_share = 0, cost = 1;
  double gain() const { return to_float ? layer.error : layer.activations; }
};

MixedSearch::MixedSearch(MixedBudget budget, const Graph& quantized, const Quantizer& quantizer, Job job)
    : budget_(std::move(budget)), plain_(quantized), quantizer_(quantizer), job_(std::move(job)) {
  job_.evaluation = std::make_shared<SampleSet>(job_.evaluation, kKeptBytes);
  job_.calibration = std::make_shared<SampleSet>(job_.calibration, kKeptBytes);
  PassContext context;
  static_cast<RunContext&>(context) = quantizer.run_context();
  context.platform = &job_.platform;
  context.setting = &job_.setting;
  context.calibration = job_.calibration;
  context_ = passes::quiet_context(context, Part::all().spread(kTrialSamples));
  context_.outputs = std::make_shared<Reference>(*quantizer.original(), job_.calibration, context);
  result_.budget = budget_.text;
}

MixedSearch::~MixedSearch() = default;

MixedPoint MixedSearch::measure(const Graph& quantized) {
  AnalysisOptions options(context_);
  options.outputs_only = true;
  const Graph& original = *quantizer_.original();
  const ErrorAnalysis analysis = std::move(analyze_states({&quantized}, original, original, job_.evaluation, options)[0]);
  MixedPoint point;
  for (const auto& [name, measure] : analysis.outputs)
    if (measure.count > 0) point.noise = std::max(point.noise, measure.nsr());
  for (const auto& [name, agreement] : analysis.agreement) point.agreement = std::min(point.agreement.value_or(1), agreement);
  if (budget_.noise && std::all_of(analysis.outputs.begin(), analysis.outputs.end(), [](const auto& one) { return one.second.count == 0; }))
    throw Error(ErrorKind::Usage, "--auto-mixed", "noise cannot be measured: no output of floats has one shape in both networks");
  if (budget_.agreement && !point.agreement)
    throw Error(ErrorKind::Usage, "--auto-mixed",
                "agreement cannot be measured: no output has one row of at least " + std::to_string(kFewestClasses) + " scores a sample",
                "give noise=…");
  const int bits = job_.platform.scheme(SlotRole::Data).bits;
  point.macs_share = count_macs(quantized, bits).share() - count_macs(plain_, bits).share();
  return point;
}

bool MixedSearch::meets(const MixedPoint& point) const {
  return (!budget_.noise || point.noise <= *budget_.noise) && (!budget_.agreement || *point.agreement >= *budget_.agreement);
}

bool MixedSearch::is_better(const MixedPoint& a, const MixedPoint& b) const {
  if (!budget_.noise && budget_.agreement && *a.agreement != *b.agreement) return *a.agreement > *b.agreement;
  return a.noise < b.noise;
}

/// Whether 16 bits are wider than what a layer has, and what they would widen: read from the network configured with them everywhere.
void MixedSearch::add_costs(std::vector<Candidate>& candidates) const {
  const auto wide = quantizer_.reference()->clone();
  QuantizationSetting setting = job_.setting;
  setting.extra.bits[kAllAtSixteen] = 16;
  PassContext context = context_;
  context.setting = &setting;
  run_quantization(*wide, context, nullptr);
  std::unordered_map<const TensorQuant*, std::vector<const Node*>> readers;  // layers that compute on it
  for (const Node* node : plain_.nodes())
    if (const Node* twin = wide->find_node(node->name); twin && macs_of(*node) > 0)
      for (size_t i = 0; i < std::min<size_t>(2, node->inputs().size()); ++i)
        if (twin->quant_of_input(i) && !twin->input(i)->is_constant()) readers[twin->quant_of_input(i).get()].push_back(node);
  for (Candidate& candidate : candidates) {
    const Node *node = plain_.find_node(candidate.layer.name), *twin = wide->find_node(candidate.layer.name);
    bool wider = false;
    const auto look = [&](const TensorQuantPtr& quant, const TensorQuantPtr& now) {
      wider |= quant && now && quant->scheme.bits > now->scheme.bits;
      if (const auto found = readers.find(quant.get()); found != readers.end())
        candidate.widened.insert(found->second.begin(), found->second.end());
    };
    for (size_t i = 0; i < twin->inputs().size(); ++i)
      if (twin->input(i) && !twin->input(i)->is_constant()) look(twin->quant_of_input(i), node->quant_of_input(i));
    for (size_t i = 0; i < twin->outputs().size(); ++i) look(twin->quant_of_output(i), node->quant_of_output(i));
    candidate.to_float = budget_.to_float || !wider;
    if (candidate.to_float) candidate.widened = {node};
    candidate.cost = std::max(1.0, static_cast<double>(elements_of(node->output())));
    for (const Node* layer : candidate.widened) candidate.cost += static_cast<double>(std::max<int64_t>(0, macs_of(*layer)));
  }
}

/// The order in which layers move: by what each gains, where MACs are short by what it gains for them (an operation without any costs
/// its elements).
void MixedSearch::rank() {
  AnalysisOptions options(context_);
  options.progress = job_.progress;
  options.layerwise_samples = std::max(kFewRanking, job_.layerwise_samples);
  std::vector<Candidate> candidates;
  for (LayerSensitivity& layer : rank_layers(plain_, *quantizer_.reference(), job_.calibration, options)) {
    // What passes put in has no name that an option could know.
    if (!quantizer_.original()->find_node(layer.name)) continue;
    candidates.emplace_back();
    candidates.back().layer = std::move(layer);
  }
  add_costs(candidates);
  std::erase_if(candidates, [](const Candidate& candidate) { return !(candidate.gain() > 0); });
  std::stable_sort(candidates.begin(), candidates.end(), [&](const Candidate& a, const Candidate& b) {
    return budget_.macs ? a.gain() * b.cost > b.gain() * a.cost : a.gain() > b.gain();
  });
  fit(std::move(candidates));
}

/// Those that fit into the share of MACs beside what went before.
void MixedSearch::fit(std::vector<Candidate> candidates) {
  const int bits = job_.platform.scheme(SlotRole::Data).bits;
  const double all = static_cast<double>(std::max<int64_t>(1, count_macs(plain_, bits).all));
  std::unordered_set<const Node*> moved;
  double share = 0;
  for (Candidate& candidate : candidates) {
    double more = 0;
    for (const Node* node : candidate.widened)
      if (!moved.count(node)) more += static_cast<double>(std::max<int64_t>(0, macs_of(*node))) / all;
    if (budget_.macs && share + more > *budget_.macs) continue;
    share += more;
    moved.insert(candidate.widened.begin(), candidate.widened.end());
    candidates_.push_back(std::move(candidate));
  }
}

QuantizationSetting MixedSearch::setting_of(size_t layers) const {
  QuantizationSetting setting = job_.setting;
  for (size_t i = 0; i < layers; ++i) {
    if (!candidates_[i].to_float) setting.extra.bits[candidates_[i].layer.patterns[0]] = 16;
    if (candidates_[i].to_float)
      for (const std::string& pattern : candidates_[i].layer.patterns) setting.extra.keep_float.push_back(pattern);
  }
  return setting;
}

std::unique_ptr<Graph> MixedSearch::trial_network(const QuantizationSetting& changed) {
  auto graph = quantizer_.reference()->clone();
  QuantizationSetting setting = changed;
  // By the observers that were chosen.
  if (setting.quantize_activation_setting.calib_algorithm == "auto") setting.quantize_activation_setting.calib_algorithm.clear();
  setting.extra.weight_search = "minmax";  // of what has no scale yet
  setting.extra.compensate_rounding = false;
  setting.extra.passes.erase("compensate-rounding");
  PassContext context = context_;
  context.setting = &setting;
  context.outputs = std::make_shared<Reference>(*context_.outputs);
  run_quantization(*graph, context, [&] { take_choices(*graph, plain_); });
  context_.outputs->means = context.outputs->means;
  return graph;
}

/// Whether the network with the first `layers` moved meets the budget.
bool MixedSearch::try_layers(size_t layers) {
  MixedPoint point = measure(*trial_network(setting_of(layers)));
  point.layers = layers;
  char text[128];
  std::snprintf(text, sizeof text, "mixed precision: %zu layer(s) moved, noise/signal %.3g", layers, point.noise);
  job_.say(text);
  result_.curve.push_back(point);
  return meets(point);
}

/// The fewest layers, of those in order, with which a trial meets the budget; where none does, those of the best one.
size_t MixedSearch::fewest() {
  size_t low = 1, high = candidates_.size(), steps = 0;
  const auto most = static_cast<size_t>(std::ceil(std::log2(static_cast<double>(high + 1))));
  bool met = false;
  while (low < high || (low == high && !met)) {
    if (job_.progress) job_.progress("mixed precision", steps++, most);
    const size_t middle = low + (high - low) / 2;
    if (try_layers(middle)) {
      high = middle, met = true;
    } else {
      low = middle + 1;
    }
  }
  if (met) return high;
  const auto best = std::min_element(result_.curve.begin(), result_.curve.end(),
                                     [&](const MixedPoint& a, const MixedPoint& b) { return is_better(a, b); });
  return best->layers;
}

std::optional<QuantizationSetting> MixedSearch::choose() {
  result_.before = result_.after = measure(plain_);
  result_.curve = {result_.before};
  const bool has_aim = budget_.noise || budget_.agreement;
  result_.met = has_aim ? meets(result_.before) : true;
  if (has_aim && result_.met) return std::nullopt;
  rank();
  if (candidates_.empty()) return std::nullopt;
  chosen_ = has_aim ? fewest() : candidates_.size();
  if (chosen_ == 0) {
    describe();
    return std::nullopt;
  }
  return setting_of(chosen_);
}

std::optional<QuantizationSetting> MixedSearch::judge(const Graph& quantized) {
  result_.after = measure(quantized);
  result_.after.layers = chosen_;
  result_.met = meets(result_.after);
  const bool promised = std::any_of(result_.curve.begin(), result_.curve.end(),
                                    [&](const MixedPoint& point) { return point.layers <= chosen_ && meets(point); });
  ++attempts_;
  // The whole search for scales may end elsewhere than the trial did.
  if (!result_.met && promised && attempts_ < kMostAttempts && chosen_ < candidates_.size()) {
    chosen_ = std::min(candidates_.size(), chosen_ + std::max<size_t>(1, chosen_ / 4));
    return setting_of(chosen_);
  }
  describe();
  return std::nullopt;
}

/// The layers that were moved, and the options that move them.
void MixedSearch::describe() {
  for (size_t i = 0; i < chosen_; ++i) {
    const Candidate& candidate = candidates_[i];
    result_.layers.push_back({candidate.layer, candidate.to_float});
    const auto add = [&](const std::string& words) { result_.options += (result_.options.empty() ? "" : " ") + words; };
    if (!candidate.to_float) add("--bits '" + candidate.layer.patterns[0] + "=16'");
    if (candidate.to_float)
      for (const std::string& pattern : candidate.layer.patterns) add("--keep-float '" + pattern + "'");
  }
  std::stable_sort(result_.curve.begin(), result_.curve.end(),
                   [](const MixedPoint& a, const MixedPoint& b) { return a.layers < b.layers; });
}

std::optional<Warning> MixedSearch::warning() const {
  if (result_.met) return std::nullopt;
  const MixedPoint& best = result_.after;
  char text[256];
  std::snprintf(text, sizeof text, " was not met: the best network that was found has noise/signal %.4g", best.noise);
  std::string said = "--auto-mixed " + budget_.text + text;
  Warning warning{"budget-missed",
                  "",
                  {},
                  {{"noise", best.noise}, {"layers", static_cast<double>(result_.layers.size())}, {"macs_share", best.macs_share}},
                  ""};
  if (best.agreement) {
    std::snprintf(text, sizeof text, ", top-1 agreement %.4g", *best.agreement);
    said += text, warning.figures["agreement"] = *best.agreement;
  }
  warning.text = said + ", with " + std::to_string(result_.layers.size()) + " layer(s) moved";
  if (!budget_.to_float) warning.remedy = "--auto-mixed '" + budget_.text + ",to=float'";
  return warning;
}

}  // namespace ppq
