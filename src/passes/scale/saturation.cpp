#include "passes/scale/saturation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "calibration/finite.h"
#include "graph/quant_slots.h"
#include "graph/readers.h"
#include "ops/op_facts.h"

namespace ppq::passes {
namespace {

/// A range of more than this times what is told apart loses two bits to what is not.
constexpr double kWide = 4;

bool saturates(const Node& node, size_t index) {
  return index == 0 && (node.is("Softmax") || node.is("Sigmoid") || node.is("HardSigmoid") || node.is("Tanh"));
}

/// Operations that take each element over, or move and cut it: what is beyond an end of the output's interval is so before.
bool keeps_order(const Node& node, size_t index) {
  if (is_passive(node)) return carries_value(node, index);
  if (node.is("Relu") || node.is("Clip") || node.is("Cast") || node.is("Identity")) return index == 0;
  if (node.is("Where")) return index > 0;
  return node.is("Max") || node.is("Min") || node.is("Concat");
}

/// The one element of a constant factor behind or before which a mask is added: a factor that does not let values grow.
double factor_of(const Node& node, size_t index) {
  if ((!node.is("Mul") && !node.is("Div")) || (node.is("Div") && index != 0)) return 0;
  const at::Tensor other = node.constant_input(1 - index);
  if (!other.defined() || other.numel() != 1 || !other.is_floating_point()) return 0;
  const double value = other.item<double>(), factor = node.is("Mul") ? value : 1 / value;
  return factor > 0 && factor <= 1 ? factor : 0;
}

bool is_sum(const Node& node) { return (node.is("Add") || node.is("Sub")) && node.inputs().size() == 2; }

/// Half a step of what is computed, and less than that for all masked elements of a row together.
double saturation_depth(const Node& node, int64_t elements) {
  double steps = 65535;
  if (const TensorQuantPtr quant = node.quant_of_output()) steps = quant->scheme.quant_max - quant->scheme.quant_min;
  return std::log(2 * steps * static_cast<double>(std::max<int64_t>(1, elements)));
}

double width(Interval range) { return std::max(range.high, 0.0) - std::min(range.low, 0.0); }

/// What of `seen` is told apart; infinities lie beyond `apart`'s end.
Interval narrowed_range(const FiniteRange& seen, const Interval& apart) {
  Interval range{seen.low, seen.high};
  if (std::isfinite(apart.low) && (seen.minus_infinity || apart.low > seen.low)) range.low = apart.low;
  if (std::isfinite(apart.high) && (seen.plus_infinity || apart.high < seen.high)) range.high = apart.high;
  if (range.low > range.high) (apart.low > seen.high ? range.low : range.high) = apart.low > seen.high ? range.high : range.low;
  return range;
}

bool must_narrow(const FiniteRange& seen, const Interval& narrow) {
  return seen.minus_infinity || seen.plus_infinity || width({seen.low, seen.high}) > kWide * width(narrow);
}

Interval hull(const Interval& a, const Interval& b) { return {std::min(a.low, b.low), std::max(a.high, b.high)}; }

bool holds_infinity(const Node& node) {
  for (const auto& [name, attribute] : node.attributes) {
    if (const auto* tensor = std::get_if<at::Tensor>(&attribute); tensor && ppq::holds_infinity(*tensor)) return true;
    if (const auto* number = std::get_if<float>(&attribute); number && std::abs(*number) >= kAsGoodAsInfinite) return true;
  }
  return false;
}

/// Which values of each tensor are told apart, from the outputs up, where scores are narrowed.
class Demands {
 public:
  Demands(const Graph& graph, const std::map<std::string, Interval>& narrowed, const std::map<std::string, Interval>& seen)
      : pinned_(graph), narrowed_(narrowed), seen_(seen) {
    const std::vector<Node*> nodes = graph.nodes();
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node)
      for (const Value* value : (*node)->outputs())
        if (value) of_[value] = of_readers(*value);
  }

  Interval of(const Slot& slot) const { return slot.output ? known(*slot.value()) : of_use(*slot.node, slot.index); }

 private:
  Interval known(const Value& value) const {
    const auto found = of_.find(&value);
    return found == of_.end() ? Interval() : found->second;
  }

  Interval of_readers(const Value& value) const {
    const Node* producer = value.producer();
    if (const TensorQuantPtr quant = producer ? producer->quant_of_output(value.producer_index()) : nullptr)
      if (const auto found = narrowed_.find(quant->observed); found != narrowed_.end() && is_saturated(*quant)) return found->second;
    if (pinned_(&value) || value.uses().empty()) return {};
    Interval all{INFINITY, -INFINITY};
    for (const Use& use : value.uses()) all = hull(all, of_use(*use.node, use.index));
    return all;
  }

  Interval of_use(const Node& node, size_t index) const {
    if (!node.output()) return {};
    Interval out = known(*node.output());
    const at::Tensor constant = node.constant_input(index);
    const bool infinite = constant.defined() && ppq::holds_infinity(constant);
    // A constant with infinities needs an end wherever it goes: that of what the result can hold.
    if (const TensorQuantPtr quant = node.quant_of_output(); infinite && is_open(out) && quant && quant->params.defined())
      out = range(*quant);
    if (is_open(out)) return {};
    if (keeps_order(node, index)) return out;
    if (const double factor = factor_of(node, index)) return {out.low / factor, out.high / factor};
    if (infinite && node.is("Mul")) {
      // The factor of a mask of zeros and ones.
      const Interval mask = range(node, 1 - index);
      return mask.low >= 0 && mask.high > 0 ? Interval{out.low / mask.high, out.high / mask.high} : Interval();
    }
    if (!is_sum(node)) return {};
    const Interval other = range(node, 1 - index);
    if (node.is("Add")) return {out.low - other.high, out.high - other.low};
    if (index == 0) return {out.low + other.low, out.high + other.high};
    return {other.low - out.high, other.high - out.low};
  }

  static bool is_open(const Interval& range) { return !std::isfinite(range.low) && !std::isfinite(range.high); }

  static Interval range(const TensorQuant& quant) {
    const auto [low, high] = range_of(quant.params, quant.scheme);
    Interval all{low.min().item<double>(), high.max().item<double>()};
    for (const auto& [name, params] : quant.candidates) {
      const auto [a, b] = range_of(params, quant.scheme);
      all = hull(all, {a.min().item<double>(), b.max().item<double>()});
    }
    return all;
  }

  /// What an operand can be; without end where that is not known.
  Interval range(const Node& node, size_t index) const {
    if (const at::Tensor constant = node.constant_input(index); constant.defined()) {
      const FiniteRange seen = finite_range(constant);
      return {seen.minus_infinity ? -INFINITY : seen.low, seen.plus_infinity ? INFINITY : seen.high};
    }
    const TensorQuantPtr quant = node.quant_of_input(index);
    if (!quant || !quant->params.defined()) return {};
    const auto found = seen_.find(quant->observed);
    return found == seen_.end() ? range(*quant) : found->second;
  }

  const Pinned pinned_;
  const std::map<std::string, Interval>&narrowed_, &seen_;
  std::unordered_map<const Value*, Interval> of_;
};

}  // namespace

Saturation::Saturation(const Graph& graph) : opset_(graph.opset()) {
  find_infinite(graph);
  find_leads(graph);
  find_scores(graph);
}

void Saturation::find_infinite(const Graph& graph) {
  for (const Value* value : graph.constants())
    if (ppq::holds_infinity(value->constant())) infinite_.insert(value);
  for (const Node* node : graph.nodes()) {
    const bool from = holds_infinity(*node) || std::any_of(node->inputs().begin(), node->inputs().end(),
                                                           [&](const Value* value) { return infinite_.count(value) > 0; });
    if (!from || saturates(*node, 0)) continue;
    for (const Value* value : node->outputs())
      if (value) infinite_.insert(value);
  }
}

void Saturation::find_leads(const Graph& graph) {
  const Pinned pinned(graph);
  auto leads = [&](const Value* value) {
    return !pinned(value) && !value->uses().empty() && std::all_of(value->uses().begin(), value->uses().end(), [&](const Use& use) {
      const Node& node = *use.node;
      if (saturates(node, use.index)) return true;
      if (!keeps_order(node, use.index) && !is_sum(node) && factor_of(node, use.index) == 0) return false;
      return std::all_of(node.outputs().begin(), node.outputs().end(),
                         [&](const Value* out) { return !out || out->uses().empty() || leads_.count(out); });
    });
  };
  const std::vector<Node*> nodes = graph.nodes();
  for (auto node = nodes.rbegin(); node != nodes.rend(); ++node)
    for (const Value* value : (*node)->outputs())
      if (value && leads(value)) leads_.insert(value);
  for (const Value* value : graph.inputs())
    if (leads(value)) leads_.insert(value), masks_.insert(value);
  for (const Node* node : nodes) {
    const bool from = node->is("Log") || std::any_of(node->inputs().begin(), node->inputs().end(),
                                                     [&](const Value* value) { return masks_.count(value) > 0; });
    for (const Value* value : node->outputs())
      if (from && value && leads_.count(value)) masks_.insert(value);
  }
}

void Saturation::find_scores(const Graph& graph) {
  std::unordered_map<const TensorQuant*, size_t> place;
  std::unordered_set<const TensorQuant*> others;
  for (const Slot& slot : quant_slots(graph)) {
    const TensorQuantPtr quant = slot.quant();
    if (others.count(quant.get())) continue;
    // What the scores are is read by saturating operations, perhaps moved or cut before.
    std::vector<const Node*> readers;
    std::vector<const Value*> open{slot.value()};
    bool all = quant->state == QuantState::Initial && !quant->fixed && !quant->scheme.dynamic && leads_.count(slot.value()) &&
               quant->scheme.granularity == Granularity::PerTensor;
    while (all && !open.empty()) {
      const Value* value = open.back();
      open.pop_back();
      for (const Use& use : value->uses()) {
        if (saturates(*use.node, use.index)) {
          readers.push_back(use.node);
        } else if (is_passive(*use.node) || use.node->is("Relu") || use.node->is("Clip")) {
          for (const Value* out : use.node->outputs())
            if (out) open.push_back(out);
        } else {
          all = false;
        }
      }
    }
    if (!all) {
      others.insert(quant.get());
      continue;
    }
    const auto [at, fresh] = place.try_emplace(quant.get(), scores_.size());
    if (fresh) {
      const Value* observed = graph.find_value(quant->observed);
      scores_.push_back({quant, observed ? observed : slot.value(), {}});
    }
    std::vector<const Node*>& all_readers = scores_[at->second].readers;
    for (const Node* reader : readers)
      if (std::find(all_readers.begin(), all_readers.end(), reader) == all_readers.end()) all_readers.push_back(reader);
  }
  std::erase_if(scores_, [&](const Scores& scores) { return others.count(scores.quant.get()) > 0; });
  for (const Slot& slot : quant_slots(graph))
    if (!scores_.empty() && slot.quant()->state == QuantState::Initial && !slot.is_constant() && leads_.count(slot.value())) {
      const Value* observed = graph.find_value(slot.quant()->observed);
      range_wishes_.try_emplace(observed ? observed : slot.value(), 0);
    }
}

void Saturation::wish(Sweep& sweep) {
  const bool flattens = opset_ < 13;
  for (auto& [value, wish] : range_wishes_) wish = sweep.want<FiniteRangeStatistic>(value, Part::all());
  for (const Scores& scores : scores_)
    for (const Node* reader : scores.readers)
      if (reader->is("Softmax") && !row_wishes_.count(reader))
        row_wishes_[reader] =
            sweep.want<RowMaximum>(reader->input(0), Part::all(), reader->attributes.get_int("axis", flattens ? 1 : -1), flattens);
}

Interval Saturation::told_apart(const Node& reader, const Sweep& sweep) const {
  if (reader.is("Softmax")) {
    const auto& rows = static_cast<const RowMaximum&>(*sweep.statistics(row_wishes_.at(&reader)).at(0));
    if (!std::isfinite(rows.least())) return {};
    return {rows.least() - saturation_depth(reader, rows.length()), INFINITY};
  }
  if (reader.is("HardSigmoid")) {
    const double alpha = reader.attributes.get_float("alpha", 0.2f), beta = reader.attributes.get_float("beta", 0.5f);
    return alpha > 0 ? Interval{-beta / alpha, (1 - beta) / alpha} : Interval();
  }
  const double depth = saturation_depth(reader, 1) / (reader.is("Tanh") ? 2 : 1);
  return {-depth, depth};
}

void Saturation::settle(const Sweep& sweep) {
  auto range = [&](size_t wish) { return static_cast<const FiniteRangeStatistic&>(*sweep.statistics(wish).at(0)).range(); };
  for (const auto& [value, wish] : range_wishes_) {
    const FiniteRange seen = range(wish);
    if (!seen.empty) seen_[value->name()] = {seen.low, seen.high};
    if (seen.minus_infinity || seen.plus_infinity) seen_infinite_[value->name()] = {seen.minus_infinity, seen.plus_infinity};
  }
  for (const Scores& scores : scores_) {
    const FiniteRange seen = range(range_wishes_.at(scores.observed));
    if (seen.empty || seen.nan) continue;
    Interval apart{INFINITY, -INFINITY};
    for (const Node* reader : scores.readers) apart = hull(apart, told_apart(*reader, sweep));
    const Interval narrow = narrowed_range(seen, apart);
    if (must_narrow(seen, narrow)) narrowed_[scores.observed->name()] = narrow;
  }
}

size_t Saturation::narrow_operands(const Graph& graph) const {
  const bool constants = std::any_of(infinite_.begin(), infinite_.end(), [](const Value* value) { return value->is_constant(); });
  if (narrowed_.empty() && seen_infinite_.empty() && !constants) return 0;
  const Demands demands(graph, narrowed_, seen_);
  std::unordered_map<TensorQuantPtr, std::pair<Interval, const Value*>> apart;
  for (const Slot& slot : quant_slots(graph)) {
    const auto [at, fresh] = apart.try_emplace(slot.quant(), demands.of(slot), slot.value());
    if (!fresh) at->second.first = hull(at->second.first, demands.of(slot));
  }
  size_t changed = 0;
  for (const auto& [quant, found] : apart) {
    const auto& [interval, value] = found;
    const at::Tensor& constant = value->constant();
    const bool waits = quant->state == QuantState::Initial && constant.defined() && ppq::holds_infinity(constant);
    if (quant->fixed || is_saturated(*quant) || quant->scheme.granularity != Granularity::PerTensor ||
        !(waits || quant->state == QuantState::Active))
      continue;
    FiniteRange seen;
    if (constant.defined()) {
      seen = finite_range(constant);
    } else {
      const auto [low, high] = range_of(quant->params, quant->scheme);
      seen.low = low.item<double>(), seen.high = high.item<double>(), seen.empty = false;
      if (const auto at = seen_.find(quant->observed); at != seen_.end()) seen.low = at->second.low, seen.high = at->second.high;
      if (const auto ends = seen_infinite_.find(quant->observed); ends != seen_infinite_.end())
        std::tie(seen.minus_infinity, seen.plus_infinity) = ends->second;
    }
    const Interval narrow = narrowed_range(seen, interval);
    if (!waits && !must_narrow(seen, narrow)) continue;
    quant->params = params_from_range(narrow.low, narrow.high, quant->scheme);
    quant->candidates.clear();
    quant->state = QuantState::Active;
    quant->scheme.observer = kSaturation;
    ++changed;
  }
  return changed;
}

}  // namespace ppq::passes
