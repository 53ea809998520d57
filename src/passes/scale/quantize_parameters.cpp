#include <algorithm>
#include <cmath>
#include <cstdio>
#include <unordered_set>

#include "calibration/finite.h"
#include "graph/quant_slots.h"
#include "observers/observer.h"
#include "ops/op_facts.h"
#include "passes/passes.h"
#include "passes/scale/weight_scales.h"
#include "passes/trial.h"
#include "ppq/error.h"

/// Scale and offset of constants (weights and constant operands), all channels together. A prescribed observer serves all;
/// without one, weights take what `weight_search` says: their extremes, these or the grid that they lie on already, the least squared
/// error of the weight, or the least error of the layer's output on samples. "auto" decides between extremes and outputs: copies of the
/// network, activations in float and biases corrected on a few samples where the pipeline does that later, are measured on a few others.
/// Does not fire for biases and bounds, which are passive.
namespace ppq::passes {
namespace {

using Scales = std::unordered_map<const TensorQuant*, QuantParams>;

/// Constants that wait for their numbers. Operands with infinities (masks) go on waiting: what is computed of them says how far they
/// matter (saturation.h).
std::vector<Slot> waiting(const Graph& graph) {
  std::vector<Slot> slots;
  for (const Slot& slot : quant_slots(graph)) {
    const at::Tensor& constant = slot.value()->constant();
    if (slot.output || !constant.defined() || slot.quant()->state != QuantState::Initial || slot.quant()->fixed) continue;
    const Finiteness holds = finiteness(constant);
    const bool infinite = holds == Finiteness::Infinite, nan = holds == Finiteness::NaN;
    if (nan || (infinite && is_computing(*slot.node)))
      throw Error(ErrorKind::Model, "constant " + slot.value()->name(),
                  std::string(nan ? "got NaN" : "got infinite values in a weight") + ", expected finite values",
                  "the model holds them, not the samples: export it anew, or keep '" + slot.node->name + "' in float (--keep-float)");
    if (!infinite) slots.push_back(slot);
  }
  return slots;
}

/// Gives `slots[i]` the numbers that `scales` has for the quantization of `of[i]`.
void assign(const std::vector<Slot>& slots, const std::vector<Slot>& of, const Scales& scales) {
  for (size_t i = 0; i < slots.size(); ++i) {
    const auto found = scales.find(of[i].quant().get());
    if (found == scales.end()) continue;
    slots[i].quant()->params = found->second;
    slots[i].quant()->state = QuantState::Active;
  }
}

class QuantizeParameters final : public Pass {
 public:
  const char* name() const override { return "quantize-parameters"; }

  size_t run(Graph& graph, PassContext& context) override {
    const std::vector<Slot> slots = waiting(graph);
    const bool prescribed = !context.setting->quantize_parameter_setting.calib_algorithm.empty();
    const std::string& search = context.setting->extra.weight_search;
    if (!prescribed && (search == "output" || search == "auto")) assign(slots, slots, searched(graph, slots, context));
    return observe(slots, context);
  }

 private:
  /// Numbers by an observer for what has none yet.
  static size_t observe(const std::vector<Slot>& slots, const PassContext& context) {
    const std::string& prescribed = context.setting->quantize_parameter_setting.calib_algorithm;
    std::unordered_set<const TensorQuant*> quants;
    std::vector<TensorQuant*> observed;
    std::vector<std::unique_ptr<Observer>> observers;
    for (const Slot& slot : slots) {
      TensorQuant& quant = *slot.quant();
      if (!quants.insert(&quant).second || quant.state != QuantState::Initial) continue;
      const std::string& search = context.setting->extra.weight_search;
      const bool by_weight = search == "mse" && is_computing(*slot.node);
      if (prescribed.empty() && search == "grid" && is_computing(*slot.node)) {
        if (const auto params = own_grid(slot.value()->constant(), quant.scheme)) {
          quant.params = *params;
          quant.state = QuantState::Active;
          continue;
        }
      }
      observers.push_back(make_observer(!prescribed.empty() ? prescribed
                                        : by_weight         ? "mse"
                                                            : quant.scheme.observer,
                                        quant.scheme, slot.value()->name()));
      observers.back()->observe(slot.value()->constant().to(context.device), 1);
      if (quant.scheme.granularity == Granularity::PerBlock) {
        // Statistics of blocks outweigh the weight: one at a time.
        quant.params = observers.back()->finish();
        quant.state = QuantState::Active;
        observers.pop_back();
        continue;
      }
      observed.push_back(&quant);
    }
    std::vector<const Observer*> all;
    for (const auto& observer : observers) all.push_back(observer.get());
    const std::vector<QuantParams> numbers = finish_all(all);
    for (size_t i = 0; i < observed.size(); ++i) {
      observed[i]->params = numbers[i];
      observed[i]->state = QuantState::Active;
    }
    return quants.size();
  }

  static Scales searched(const Graph& graph, const std::vector<Slot>& slots, PassContext& context) {
    std::vector<Slot> layers;
    std::copy_if(slots.begin(), slots.end(), std::back_inserter(layers), has_searchable_scale);
    if (layers.empty()) return {};
    if (!context.calibration || context.calibration->size() == 0) {
      if (context.record) context.record->decision = "extremes of the weights: there are no samples to measure outputs on";
      return {};
    }
    const auto pipeline = quantization_pipeline(*context.platform, *context.setting);
    const bool mean_is_free = std::find(pipeline.begin(), pipeline.end(), "correct-bias") != pipeline.end();
    if (context.setting->extra.weight_search == "output") return scales_by_output(graph, layers, context, mean_is_free);
    return choose(graph, slots, layers, mean_is_free, context);
  }

  static Scales choose(const Graph& graph, const std::vector<Slot>& slots, const std::vector<Slot>& layers, bool mean_is_free,
                       PassContext& context) {
    Trial trial(graph, context, {Part::fitting().spread(kFewFitSamples), Part::held_back().spread(kJudgeSamples)},
                [](QuantizationSetting& setting) { setting.extra.weight_search = "minmax"; });
    struct Choice {
      const char* name;
      Scales scales;
      Reference::Course course;
    };
    Choice choices[] = {{"extremes", {}, {}}, {"least error of the outputs", scales_by_output(graph, layers, context, mean_is_free), {}}};
    std::string said;
    size_t best = 0, tried = 0;
    for (Choice& choice : choices) {
      auto copy = graph.clone();
      const std::vector<Slot> copied = waiting(*copy);
      assign(copied, slots, choice.scales);
      observe(copied, trial.context());
      if (mean_is_free) trial.run(*copy, {"correct-bias"});
      choice.course = trial.judge(*copy, &choice == choices ? Reference::Course() : choices[best].course);
      if (context.progress) context.progress("choose scales of weights", ++tried, std::size(choices));
      if (choice.course.error < choices[best].course.error) best = static_cast<size_t>(&choice - choices);
      char text[64];
      std::snprintf(text, sizeof text, std::isinf(choice.course.error) ? "%s%s more" : "%s%s %.3g", said.empty() ? "" : ", ", choice.name,
                    choice.course.error);
      said += text;
    }
    if (context.record)
      context.record->decision = std::string(choices[best].name) +
                                 ", by the error that rounded weights make at the network's outputs on samples held back: " + said;
    return choices[best].scales;
  }
};

}  // namespace

std::unique_ptr<Pass> make_quantize_parameters() { return std::make_unique<QuantizeParameters>(); }

}  // namespace ppq::passes
