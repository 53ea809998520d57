#include "analysis/warnings.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <set>

#include "analysis/unlike_values.h"
#include "calibration/samples.h"
#include "core/words.h"
#include "graph/extract.h"
#include "graph/patterns.h"
#include "ops/op_facts.h"
#include "ppq/executor.h"

namespace ppq {
namespace {

constexpr double kMuchNoise = 0.1;        // over signal
constexpr double kMuchMoved = 0.01;       // of the float outputs, and half of all noise at them
constexpr double kFewChanges = 0.05;      // of samples with another top-1
constexpr double kMuchWider = 4;          // a range, than without its widest sample
constexpr size_t kEnoughSamples = 4;      // to tell one from the others
constexpr double kManyLost = 0.5;         // of the channels that vary
constexpr double kFelt = 0.01;            // noise over signal at the outputs that an operation alone makes
constexpr int64_t kFewestChannels = 4;    // of which a share means something
constexpr double kRawPixels = 16;         // standard deviation of what the first layer makes of them
constexpr double kHardlyMoves = 1 / 32.;  // the same over the layer's biases
constexpr size_t kFewSamples = 4;         // to look at inputs

std::string figure(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g %%", 100 * share);
  return text;
}

/// The tensor whose operation alone disturbs the outputs most; of the noisiest tensor where that was not measured. Null: there is none.
const TensorError* worst_alone(const ErrorAnalysis& errors) {
  const TensorError* worst = nullptr;
  for (const TensorError& one : errors.tensors) {
    if (one.op.empty() || one.graphwise.count == 0) continue;
    const auto key = [](const TensorError& e) { return std::pair{e.layerwise_snr, e.graphwise.nsr()}; };
    if (!worst || key(one) > key(*worst)) worst = &one;
  }
  return worst;
}

class Findings {
 public:
  Findings(const ErrorAnalysis& errors, const Graph& quantized, const Graph& reference, const Graph& original,
           const DatasetPtr& calibration, const AnalysisOptions& options)
      : errors_(errors), quantized_(quantized), reference_(reference), original_(original), calibration_(calibration), options_(options) {}

  std::vector<Warning> all() {
    noisy_outputs();
    moved_float_outputs();
    changed_top1();
    inputs_on_another_scale();
    ranges_of_one_sample();
    ranges_of_masks();
    lost_channels();
    return std::move(found_);
  }

 private:
  void noisy_outputs() {
    Warning warning{"output-noise", "", {}, {}, ""};
    double most = 0;
    std::vector<std::string> said;
    auto look = [&](const std::string& name, const std::string& called, const Measure& measure) {
      if (measure.count == 0 || !(measure.nsr() > kMuchNoise)) return;
      if (warning.tensors.empty() || warning.tensors.back() != name) warning.tensors.push_back(name);
      said.push_back(called + " (" + (std::isinf(measure.nsr()) ? "nothing but noise" : percent(measure.nsr())) + ")");
      most = std::max(most, measure.nsr());
    };
    for (const auto& [name, measure] : errors_.outputs) {
      look(name, "'" + name + "'", measure);
      if (const auto parts = errors_.parts.find(name); parts != errors_.parts.end())
        for (const OutputPart& part : parts->second)
          if (part.measure.signal > 0) look(name, "part '" + part.name + "' of '" + name + "'", part.measure);
    }
    if (said.empty()) return;
    warning.figures = {{"noise", most}, {"bound", kMuchNoise}};
    warning.text = "noise over signal is above " + percent(kMuchNoise) + " at " + listed(said) + what_disturbs();
    // More bits do not part what one scale joins: concat-ranges has the remedy for that.
    if (output_snr(errors_) > kMuchNoise) warning.remedy = "--auto-mixed noise=" + figure(kMuchNoise);
    if (!warning.remedy.empty()) warning.text += "; try " + warning.remedy;
    found_.push_back(std::move(warning));
  }

  /// Equalization through Clip holds for what the calibration samples reach.
  void moved_float_outputs() {
    const double all = output_snr(errors_);
    if (!(errors_.moved > kMuchMoved) || errors_.moved < all / 2) return;
    Warning warning{"float-change", "", {}, {{"moved", errors_.moved}, {"noise", all}}, "--passes=-equalize-layers"};
    warning.text = "equalization moves the float outputs on these samples, which reach further than those it was made with: " +
                   percent(errors_.moved) + " of noise over signal, of " + percent(all) + " in all; try " + warning.remedy +
                   ", or calibrate with more varied samples";
    found_.push_back(std::move(warning));
  }

  std::string what_disturbs() const {
    const TensorError* worst = worst_alone(errors_);
    if (!worst || worst->layerwise_snr < 0) return "";
    return "; '" + worst->op + "' (" + worst->type + ") alone makes " + percent(worst->layerwise_snr) + ", more than any other";
  }

  void changed_top1() {
    for (const auto& [name, agreement] : errors_.agreement) {
      const size_t changed = errors_.samples - static_cast<size_t>(std::llround(agreement * static_cast<double>(errors_.samples)));
      if (!is_more_than_chance(changed, errors_.samples, kFewChanges)) continue;
      Warning warning{"top1-agreement", "", {name}, {{"agreement", agreement}, {"bound", 1 - kFewChanges}}, ""};
      warning.figures["samples"] = static_cast<double>(errors_.samples);
      warning.text = "'" + name + "' has its largest element elsewhere than the float network on " + std::to_string(changed) + " of " +
                     std::to_string(errors_.samples) + " samples";
      warning.remedy = "--auto-mixed agreement=" + figure(1 - kFewChanges);
      warning.text += what_disturbs() + "; try " + warning.remedy;
      found_.push_back(std::move(warning));
    }
  }

  /// A pattern for options that names this operation alone.
  std::string pattern(const std::string& op) const {
    const Node* node = quantized_.find_node(op);
    return node ? pattern_of(quantized_, *node) : op;
  }
  std::string in_float(const std::string& op) const { return "--keep-float '" + pattern(op) + "'"; }
  /// What to try for an operation that loses too much.
  std::string finer(const TensorError& one) const { return one.bits <= 8 ? "--bits '" + pattern(one.op) + "=16'" : in_float(one.op); }

  /// Layers that read a graph input before anything else computed with it: as they were trained, not as equalization left them.
  std::vector<const Node*> first_layers(const Value& input) const {
    std::vector<const Node*> layers;
    const auto is_given = [](const Value* value) { return !value || value->is_constant(); };
    for (const Use& use : input.uses()) {
      const auto& inputs = use.node->inputs();
      if (!is_computing(*use.node) || use.index != 0 || !std::all_of(inputs.begin() + 1, inputs.end(), is_given)) return {};
      layers.push_back(use.node);
    }
    return layers;
  }

  void inputs_on_another_scale() {
    size_t place = 0;
    for (const Value* input : original_.inputs()) {
      if (input->is_constant()) continue;
      const size_t index = place++;
      for (const Node* layer : first_layers(*input)) {
        const Value* bias = layer->inputs().size() > 2 && layer->input(2) && layer->input(2)->is_constant() ? layer->input(2) : nullptr;
        if (look_at_input(*input, index, *layer, bias)) break;
      }
    }
  }

  bool look_at_input(const Value& input, size_t index, const Node& layer, const Value* bias) {
    const std::vector<size_t> some = Part::all().spread(kFewSamples).indices(calibration_->size());
    std::vector<at::Tensor> values;
    for (const size_t i : some) values.push_back(calibration_->sample(i).at(index));
    if (values.empty() || !values[0].is_floating_point() || values[0].dim() < 2) return false;
    LowerOptions plain;
    plain.device = options_.device;
    const auto program = lower(*extract(original_, {&layer}, {layer.output(0)}), plain);
    double low = INFINITY, high = -INFINITY;
    // In colours: grey images are as often taken as they are.
    bool raw = values[0].dim() == 4 && values[0].size(1) == 3;
    std::vector<at::Tensor> made;
    for (const at::Tensor& value : values) {
      if (value.numel() == 0) return false;
      const at::Tensor x = value.to(at::kDouble);
      low = std::min(low, x.min().item<double>()), high = std::max(high, x.max().item<double>());
      raw = raw && x.eq(x.round()).all().item<bool>();
      const at::Tensor output = run(*program, {value})[0].to(at::kCPU, at::kDouble);
      made.push_back(output.transpose(0, output_channel_axis(layer, output.dim())).flatten(1));
    }
    const at::Tensor channels = at::cat(made, 1);
    if (channels.size(1) < 2) return false;
    const double response = channels.std(1).median().item<double>();
    const double biases = bias ? bias->constant().to(at::kDouble).square().mean().sqrt().item<double>() : 0;
    raw = raw && low >= 0 && high <= 255 && high > kRawPixels;
    const bool large = raw && response > kRawPixels, small = biases > 0 && response < kHardlyMoves * biases;
    if (!large && !small) return false;
    Warning warning{"input-scale", "", {input.name()}, {{"low", low}, {"high", high}, {"response", response}}, ""};
    if (bias) warning.figures["bias"] = biases;
    const std::string range = "'" + input.name() + "' (" + figure(low) + " to " + figure(high) + ")";
    if (large)
      warning.text = range + " looks like pixels as they are, and '" + layer.name + "' makes values of ±" + figure(response) +
                     " of it: networks that were trained on normalized images make about 1; give --mean and --std as in training, or "
                     "normalize the samples";
    else
      warning.text = range + " hardly moves the first layer: '" + layer.name + "' makes ±" + figure(response) +
                     " of it, beside biases of " + figure(biases) + "; are the samples on the scale of training (--mean, --std)?";
    found_.push_back(std::move(warning));
    return true;
  }

  /// A range that samples set.
  static bool is_set_by_samples(const TensorError& one) {
    return !one.fixed && one.minimum.size() == 1 && one.survey.samples.size() >= kEnoughSamples;
  }

  /// How wide a range with 0 must be for these values.
  static double width(std::pair<double, double> range) { return std::max(range.second, 0.0) - std::min(range.first, 0.0); }

  void ranges_of_one_sample() {
    std::vector<const TensorError*> odd;
    for (const TensorError& one : errors_.tensors) {
      if (!is_set_by_samples(one)) continue;
      std::vector<double> widths;
      for (const auto& sample : one.survey.samples) widths.push_back(width(sample));
      std::nth_element(widths.begin(), widths.begin() + 1, widths.end(), std::greater<>());
      if (widths[1] > 0 && one.maximum[0] - one.minimum[0] > kMuchWider * widths[1]) odd.push_back(&one);
    }
    if (odd.empty() || calibration_->size() < kEnoughSamples) return;
    std::vector<const Value*> values;
    for (const TensorError* one : odd) values.push_back(reference_.find_value(one->name));
    const std::vector<SampleRanges> ranges = ranges_by_sample(reference_, values, calibration_, options_);
    std::map<size_t, std::vector<std::pair<const TensorError*, double>>> of_sample;
    for (size_t i = 0; i < odd.size(); ++i) {
      if (ranges[i].size() < kEnoughSamples) continue;
      size_t widest = 0;
      double next = 0;
      for (size_t k = 0; k < ranges[i].size(); ++k)
        if (width(ranges[i][k]) > width(ranges[i][widest])) widest = k;
      for (size_t k = 0; k < ranges[i].size(); ++k)
        if (k != widest) next = std::max(next, width(ranges[i][k]));
      const double own = width(ranges[i][widest]), range = odd[i]->maximum[0] - odd[i]->minimum[0];
      if (next > 0 && own > kMuchWider * next && range > kMuchWider * next)
        of_sample[widest].emplace_back(odd[i], std::min(own, range) / next);
    }
    for (const auto& [sample, tensors] : of_sample) {
      Warning warning{"one-sample-range", "", {}, {{"sample", static_cast<double>(sample)}}, "--observer percentile"};
      double most = 0;
      for (const auto& [one, ratio] : tensors) warning.tensors.push_back(one->name), most = std::max(most, ratio);
      warning.figures["ratio"] = most;
      warning.text = "sample '" + calibration_->name(sample) + "' alone makes ranges up to " + figure(most) +
                     " times as wide as all others: " + listed(warning.tensors) +
                     "; leave it out if the network will not meet its like, or try " + warning.remedy;
      found_.push_back(std::move(warning));
    }
  }

  /// Sums and selections of which one operand is much wider than another.
  bool may_be_masked(const Node& node) const {
    static const std::set<std::string> types = {"Add", "Sub", "Sum", "Where", "Min", "Max"};
    if (!types.count(node.op_type)) return false;
    double least = INFINITY, most = 0;
    for (size_t i = node.is("Where") ? 1 : 0; i < node.inputs().size(); ++i) {
      const Value* value = node.input(i);
      if (!value) continue;
      const auto surveyed = ranges_.find(value->name());
      std::pair<double, double> range{0, 0};
      if (value->is_constant()) {
        const at::Tensor constant = value->constant().to(at::kDouble);
        if (constant.numel() == 0 || !at::isfinite(constant).all().item<bool>()) return false;
        range = {constant.min().item<double>(), constant.max().item<double>()};
      } else if (surveyed != ranges_.end()) {
        range = surveyed->second;
      } else {
        return true;
      }
      least = std::min(least, width(range)), most = std::max(most, width(range));
    }
    return most > kUnlike * least;
  }

  void ranges_of_masks() {
    for (const TensorError& one : errors_.tensors)
      if (!one.survey.samples.empty()) ranges_[one.name] = one.survey.range();
    std::vector<const TensorError*> suspects;
    std::vector<const Value*> values;
    for (const TensorError& one : errors_.tensors) {
      const Value* value = reference_.find_value(one.name);
      if (!is_set_by_samples(one) || !value || !value->producer() || !may_be_masked(*value->producer())) continue;
      suspects.push_back(&one), values.push_back(value);
    }
    if (values.empty()) return;
    const std::vector<size_t> some = Part::all().spread(kFewSamples).indices(calibration_->size());
    const std::vector<double> ratios = unlike_values(reference_, values, subset(calibration_, some), options_);
    Warning warning{"mask-range", "", {}, {}, ""};
    double most = 0;
    std::set<std::string> kept;
    for (size_t i = 0; i < values.size(); ++i) {
      if (!(ratios[i] > kUnlike)) continue;
      warning.tensors.push_back(suspects[i]->name);
      most = std::max(most, ratios[i]);
      const Value* value = quantized_.find_value(suspects[i]->name);
      kept.insert(suspects[i]->op);
      for (const Use& use : value ? value->uses() : std::vector<Use>())
        if (use.node->quantized) kept.insert(use.node->name);
    }
    if (warning.tensors.empty()) return;
    for (const std::string& op : kept) warning.remedy += (warning.remedy.empty() ? "" : " ") + in_float(op);
    warning.figures["ratio"] = most;
    warning.text = "masked values set the range, " + figure(most) + " times as wide as what is not masked: " + listed(warning.tensors) +
                   "; mask with a number nearer to the scores in the model, or try " + warning.remedy;
    found_.push_back(std::move(warning));
  }

  /// Whether it matters what a tensor loses: an output has it, or suffers from it. (Networks that do well lose most channels of some
  /// inner tensor.)
  bool is_felt(const TensorError& one) const {
    if (one.layerwise_snr > kFelt || (one.layerwise_snr < 0 && output_snr(errors_) > kMuchNoise)) return true;
    const Value* start = quantized_.find_value(one.name);
    std::set<const Value*> seen;
    for (std::vector<const Value*> open = {start}; !open.empty();) {
      const Value* value = open.back();
      open.pop_back();
      if (!value || !seen.insert(value).second) continue;
      if (value->is_graph_output()) return true;
      for (const Use& use : value->uses())
        if (is_passive(*use.node) || use.node->is("Concat"))
          open.insert(open.end(), use.node->outputs().begin(), use.node->outputs().end());
    }
    return false;
  }

  void lost_channels() {
    for (const bool saturated : {false, true}) {
      Warning warning{saturated ? "saturated-channels" : "dead-channels", "", {}, {}, ""};
      double most = 0;
      const TensorError* worst = nullptr;
      int64_t lost = 0;
      for (const TensorError& one : errors_.tensors) {
        const ChannelCounts counts = count_channels(one.survey, one.minimum, one.maximum);
        const int64_t vary = counts.all - counts.constant, these = saturated ? counts.saturated : counts.vanished;
        if (counts.all < kFewestChannels || these == 0) continue;
        const double share = static_cast<double>(these) / static_cast<double>(vary);
        if (share < kManyLost || !is_felt(one)) continue;
        warning.tensors.push_back(one.name);
        lost += these;
        if (share > most) most = share, worst = &one;
      }
      if (!worst) continue;
      warning.figures = {{"share", most}, {"channels", static_cast<double>(lost)}};
      warning.remedy = finer(*worst);
      warning.text =
          std::string(saturated ? "channels reach far beyond the range of their tensor and are clipped: "
                                : "channels vary by less than a step of their tensor's scale, so that nothing is left of them: ") +
          listed(warning.tensors) + " (up to " + percent(most) + " of the channels); try " + warning.remedy;
      found_.push_back(std::move(warning));
    }
  }

  const ErrorAnalysis& errors_;
  const Graph &quantized_, &reference_, &original_;
  const DatasetPtr& calibration_;
  const AnalysisOptions& options_;
  std::map<std::string, std::pair<double, double>> ranges_;  ///< of float values, by tensor
  std::vector<Warning> found_;
};

}  // namespace

bool is_more_than_chance(size_t seen, size_t samples, double rate) {
  // P(X >= seen) of the binomial distribution.
  double tail = 0, term = std::pow(1 - rate, static_cast<double>(samples));
  for (size_t k = 0; k <= samples; ++k) {
    if (k >= seen) tail += term;
    term *= static_cast<double>(samples - k) / static_cast<double>(k + 1) * rate / (1 - rate);
  }
  return tail < 0.05;
}

std::vector<Warning> warnings_of(const ErrorAnalysis& errors, const Graph& quantized, const Graph& reference, const Graph& original,
                                 const DatasetPtr& calibration, const AnalysisOptions& options) {
  return Findings(errors, quantized, reference, original, calibration, options).all();
}

}  // namespace ppq
