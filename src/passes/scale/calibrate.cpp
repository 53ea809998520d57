#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "calibration/calibration_file.h"
#include "calibration/finite.h"
#include "calibration/sweep.h"
#include "graph/quant_slots.h"
#include "observers/observer.h"
#include "passes/passes.h"
#include "passes/scale/saturation.h"
#include "ppq/error.h"

/// Runs the samples once through the network, weights rounded and activations float, lets observers see the tensors that
/// wait for calibration, and gives each its scale and offset. Masked scores and infinities do not set ranges (saturation.h). A tensor
/// that has no elements in any sample stays float.
namespace ppq::passes {
namespace {

/// What "auto" tries; choose-observer decides between them by the error of the network's outputs. Above 8 bits rounding is finer than any
/// clipping could pay for. The error on few samples says little of how far others reach, so there it does not decide. What flows into the
/// network is not extended: pixels have bounds, and many of them are seen.
std::vector<std::string> auto_observers(const Value& value, const QuantScheme& scheme, size_t samples) {
  if (scheme.format == NumberFormat::Floating) return {scheme.observer};
  const bool extends = value.producer() && scheme.granularity != Granularity::PerBlock;
  if (samples < kEnoughForRanges) return {extends ? "minmax-extended" : "minmax"};
  if (scheme.bits > 8) return {"minmax"};
  return {"mse", "minmax", "percentile-global"};
}

/// A tensor that wants numbers: what observes it, under one scheme.
struct Wanted {
  const Value* value = nullptr;
  QuantScheme scheme;
  std::vector<std::string> observers;  ///< names; the first one decides for now
};

// What the checkpoint keeps of a tensor beside its observers' numbers: its narrowed range, on which sides it is infinite, its finite
// values.
constexpr char kNarrowed[] = "narrowed", kInfinite[] = "infinite", kSeen[] = "seen";

/// Whether a tensor had elements.
class Elements final : public Statistic {
 public:
  void observe(const at::Tensor& value, int64_t) override { any |= value.numel() > 0; }
  bool steady() const override { return true; }
  void merge(const Statistic& other) override { any |= static_cast<const Elements&>(other).any; }
  bool any = false;
};

/// Observers of one tensor, which share what they gather where they can; behind them its Elements, and (`finite`: they see its finite
/// values only) what hides the others.
Gathering observers_of(const Wanted& wanted, bool finite) {
  Gathering gathering;
  std::vector<Observer*> together;
  for (const std::string& name : wanted.observers) {
    auto observer = make_observer(name, wanted.scheme, wanted.value->name());
    together.push_back(observer.get());
    gathering.statistics.push_back(std::move(observer));
  }
  for (Observer* observer : share_statistics(together)) gathering.shown.push_back(observer);
  if (finite) {
    auto hiding = std::make_unique<FiniteValues>(std::move(gathering.shown));
    gathering.shown = {hiding.get()};
    gathering.statistics.push_back(std::make_unique<Elements>());
    gathering.shown.push_back(gathering.statistics.back().get());
    gathering.statistics.push_back(std::move(hiding));
    return gathering;
  }
  gathering.statistics.push_back(std::make_unique<Elements>());
  gathering.shown.push_back(gathering.statistics.back().get());
  return gathering;
}

class Calibrate final : public Pass {
 public:
  const char* name() const override { return "calibrate"; }

  size_t run(Graph& graph, PassContext& context) override {
    collect(graph, context);
    if (wanted_.empty()) return 0;
    Saturation saturation(graph);
    if (!restore(context, saturation)) {
      finish(*observe(graph, context, saturation), saturation);
      save_calibration(context.checkpoint, numbers_);
    }
    size_t changed = 0, next = 0;
    for (size_t i = 0; i < wanted_.size(); ++i) {
      const std::string& decides = wanted_[i].observers[0];
      std::map<std::string, QuantParams> candidates;
      for (const std::string& name : wanted_[i].observers) candidates[name] = numbers_[next++].params;
      if (!candidates.at(decides).defined()) continue;
      for (const TensorQuantPtr& quant : quants_[i]) {
        quant->params = candidates.at(decides);
        const bool narrowed = saturation.narrowed().count(wanted_[i].value->name()) > 0;
        if (narrowed) quant->scheme.observer = kSaturation;
        if (candidates.size() > 1 && !narrowed) quant->candidates = candidates;
        quant->state = QuantState::Active;
        ++changed;
      }
    }
    changed += saturation.narrow_operands(graph);
    if (context.record && !saturation.narrowed().empty()) {
      std::string& text = context.record->decision;
      text += (text.empty() ? "" : "; ") + std::string("masked scores do not set the range of");
      for (const auto& [tensor, range] : saturation.narrowed()) text += " " + tensor;
    }
    return changed;
  }

 private:
  void collect(const Graph& graph, const PassContext& context) {
    std::vector<const Value*> values;
    std::unordered_map<const Value*, std::vector<size_t>> of_value;
    std::vector<Wanted> found;
    std::vector<std::vector<TensorQuantPtr>> quants;
    std::map<const TensorQuant*, bool> seen;
    for (const Slot& slot : quant_slots(graph)) {
      const TensorQuantPtr quant = slot.quant();
      if (quant->state != QuantState::Initial || quant->fixed || quant->scheme.dynamic || seen[quant.get()]) continue;
      const Value* value = graph.find_value(quant->observed);
      if (!value) value = slot.value();
      if (value->is_constant()) continue;
      seen[quant.get()] = true;
      auto [it, fresh] = of_value.try_emplace(value);
      if (fresh) values.push_back(value);
      auto& list = it->second;
      const auto same = std::find_if(list.begin(), list.end(), [&](size_t i) {
        return found[i].scheme == quant->scheme && found[i].scheme.observer == quant->scheme.observer;
      });
      if (same != list.end()) {
        quants[*same].push_back(quant);
        continue;
      }
      const std::string& given = context.setting->quantize_activation_setting.calib_algorithm;
      const std::string wanted = given.empty() ? quant->scheme.observer : given;
      list.push_back(found.size());
      found.push_back({value, quant->scheme,
                       wanted == "auto" ? auto_observers(*value, quant->scheme, context.calibration->size()) : std::vector{wanted}});
      quants.push_back({quant});
    }
    for (const Value* value : values)
      for (const size_t i : of_value[value]) {
        wanted_.push_back(std::move(found[i]));
        quants_.push_back(std::move(quants[i]));
      }
  }

  /// Takes the numbers of an earlier run that was cut short, where they belong to the same tensors and observers.
  bool restore(const PassContext& context, Saturation& saturation) {
    std::string why;
    auto kept = load_calibration(context.checkpoint, why);
    if (kept && !fits(*kept)) kept.reset(), why = "the kept calibration has other tensors";
    if (!why.empty()) context.warn("--resume: " + why + "; calibrating anew");
    if (!kept) return false;
    numbers_ = std::move(*kept);
    for (const CalibratedTensor& one : numbers_) {
      const auto number = [](const at::Tensor& value) { return value.item<double>(); };
      if (one.observer == kNarrowed) saturation.restore(one.tensor, {number(one.params.scale), number(one.params.offset)});
      if (one.observer == kSeen) saturation.set_seen(one.tensor, {number(one.params.scale), number(one.params.offset)});
      if (one.observer == kInfinite) saturation.set_infinite(one.tensor, {number(one.params.scale) > 0, number(one.params.offset) > 0});
    }
    return !numbers_.empty();
  }

  bool fits(const std::vector<CalibratedTensor>& kept) const {
    size_t next = 0;
    for (const Wanted& wanted : wanted_)
      for (const std::string& name : wanted.observers) {
        if (next >= kept.size() || kept[next].tensor != wanted.value->name() || kept[next].observer != name) return false;
        ++next;
      }
    return std::all_of(kept.begin() + static_cast<std::ptrdiff_t>(next), kept.end(), [](const CalibratedTensor& one) {
      return one.observer == kNarrowed || one.observer == kInfinite || one.observer == kSeen;
    });
  }

  /// Everything that was observed, in the order of wanted_.
  std::unique_ptr<Sweep> observe(const Graph& graph, PassContext& context, Saturation& saturation) const {
    LowerOptions lowering;
    lowering.quantize_parameters = true;
    auto sweep = std::make_unique<Sweep>(graph, lowering, context, "calibrate");
    for (const Wanted& one : wanted_)
      sweep->want(one.value, [&one, finite = saturation.may_be_infinite(one.value)] { return observers_of(one, finite); });
    saturation.wish(*sweep);
    sweep->run(context.calibration);
    if (context.work && !context.trial) ++context.work->rounded_visits;
    if (context.record) context.record->decision = sweep->description();
    context.batch_size = sweep->batch_size();
    return sweep;
  }

  void finish(const Sweep& sweep, Saturation& saturation) {
    saturation.settle(sweep);
    std::vector<const Observer*> observers;
    std::vector<size_t> places;  // of their numbers
    for (size_t i = 0; i < wanted_.size(); ++i) {
      const std::string& name = wanted_[i].value->name();
      const auto narrow = saturation.narrowed().find(name);
      const auto& statistics = sweep.statistics(i);
      const size_t own = wanted_[i].observers.size();
      const bool any = static_cast<const Elements&>(*statistics[own]).any;
      for (size_t k = 0; k < own; ++k) {
        numbers_.push_back({name, wanted_[i].observers[k], {}});
        if (!any) continue;
        if (narrow != saturation.narrowed().end()) {
          numbers_.back().params = params_from_range(narrow->second.low, narrow->second.high, wanted_[i].scheme);
          continue;
        }
        places.push_back(numbers_.size() - 1);
        observers.push_back(static_cast<const Observer*>(statistics[k].get()));
      }
      if (statistics.size() == own + 1) continue;
      const auto ends = static_cast<const FiniteValues&>(*statistics.back()).found();
      if (ends.first || ends.second) saturation.set_infinite(name, ends);
    }
    std::vector<QuantParams> params = finish_all(observers);
    for (size_t i = 0; i < params.size(); ++i) numbers_[places[i]].params = std::move(params[i]);
    const auto pair = [](double a, double b) { return QuantParams{at::scalar_tensor(a, at::kFloat), at::scalar_tensor(b, at::kFloat)}; };
    for (const auto& [tensor, range] : saturation.narrowed()) numbers_.push_back({tensor, kNarrowed, pair(range.low, range.high)});
    for (const auto& [tensor, range] : saturation.seen()) numbers_.push_back({tensor, kSeen, pair(range.low, range.high)});
    for (const auto& [tensor, ends] : saturation.infinite()) numbers_.push_back({tensor, kInfinite, pair(ends.first, ends.second)});
  }

  std::vector<Wanted> wanted_;                       ///< tensors in the order they were met, each under each of its schemes
  std::vector<std::vector<TensorQuantPtr>> quants_;  ///< that want wanted_[i]'s numbers
  std::vector<CalibratedTensor> numbers_;            ///< of each tensor and observer, in the order of wanted_
};

}  // namespace

std::unique_ptr<Pass> make_calibrate() { return std::make_unique<Calibrate>(); }

}  // namespace ppq::passes
