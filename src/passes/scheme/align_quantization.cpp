#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <unordered_map>

#include "graph/quant_slots.h"
#include "graph/split_output.h"
#include "ops/op_facts.h"
#include "passes/passes.h"
#include "ppq/error.h"

/// Gives operands that must be on one scale one quantization: those of the target's alignment groups, as the setting has it.
/// Usually inputs of Add, Sub, Sum (one range that holds all), Concat and Resize (the output's), pooling on request. Groups are found first
/// over all operations (union-find), then each is solved once. Because slots share TensorQuants, a change reaches the producers, also
/// through passive operations. Leaves constants, fixed ranges, float slots and minifloats alone.
/// A Concat whose parts differ so much that the smallest gets few steps of the common scale is said in a warning (boxes in pixels beside
/// scores).
namespace ppq::passes {
namespace {

enum class Target { None, Input, Output, Large };

Target parse_target(const std::string& text, const char* key, std::initializer_list<Target> allowed) {
  Target target = Target::None;
  if (text == "Align to Input")
    target = Target::Input;
  else if (text == "Align to Output")
    target = Target::Output;
  else if (text == "Align to Large")
    target = Target::Large;
  else if (text != "None")
    throw Error(ErrorKind::Usage, std::string("setting fusion_setting.") + key, "got '" + text + "'",
                "choose None, Align to Input, Align to Output or Align to Large");
  if (std::find(allowed.begin(), allowed.end(), target) == allowed.end())
    throw Error(ErrorKind::Usage, std::string("setting fusion_setting.") + key, "'" + text + "' is not possible here");
  return target;
}

constexpr double kFewSteps = 16;  ///< of 8 bits: 16 times narrower than the widest part

struct ConcatPart {
  const Value* value;
  double low, high;
  double width() const { return high - low; }
};

class AlignQuantization final : public Pass {
 public:
  const char* name() const override { return "align-quantization"; }

  size_t run(Graph& graph, PassContext& context) override {
    const FusionSetting& fusion = context.setting->fusion_setting;
    const auto operands = {Target::None, Target::Output, Target::Large}, ends = {Target::None, Target::Input, Target::Output};
    const std::map<AlignmentGroup, Target> targets = {
        {AlignmentGroup::Elementwise, parse_target(fusion.align_elementwise_to, "align_elementwise_to", operands)},
        {AlignmentGroup::Concat, parse_target(fusion.align_concat_to, "align_concat_to", operands)},
        {AlignmentGroup::Pooling, parse_target(fusion.align_avgpooling_to, "align_avgpooling_to", ends)},
        {AlignmentGroup::Resize, parse_target(fusion.align_resize_to, "align_resize_to", ends)}};
    warn_of_unlike_parts(graph, context);
    for (Node* node : graph.nodes()) {
      if (!node->quantized) continue;
      const auto group = context.platform->fusion.aligned.find(node->op_type);
      if (group == context.platform->fusion.aligned.end()) continue;
      const Target target = targets.at(group->second);
      if (target != Target::None) join(*node, target, fusion.force_alignment_overlap);
    }
    return solve(graph);
  }

 private:
  /// Parts of a Concat with their ranges, constants left out, and what is not more than the target's least range: nothing is lost of it.
  static std::vector<ConcatPart> parts_of(const Node& node) {
    std::vector<ConcatPart> parts;
    for (size_t i = 0; i < node.input_quant.size(); ++i) {
      const TensorQuantPtr quant = node.quant_of_input(i);
      const Value* value = node.input(i);
      if (!value || value->is_constant() || !quant || !quant->params.defined() || quant->params.scale.numel() != 1) continue;
      const auto [low, high] = range_of(quant->params, quant->scheme);
      const ConcatPart part{value, low.item<double>(), high.item<double>()};
      const QuantScheme& scheme = quant->scheme;
      const double least = std::max(scheme.min_range, scheme.min_scale * (scheme.quant_max - scheme.quant_min));
      if (part.width() > least * 1.001) parts.push_back(part);
    }
    return parts;
  }

  static void warn_of_unlike_parts(const Graph& graph, const PassContext& context) {
    for (const Node* node : graph.nodes()) {
      const TensorQuantPtr output = node->quant_of_output();
      if (!node->quantized || !node->is("Concat") || !output || output->scheme.format != NumberFormat::Linear) continue;
      const std::vector<ConcatPart> parts = parts_of(*node);
      if (parts.size() < 2) continue;
      const auto [least, most] =
          std::minmax_element(parts.begin(), parts.end(), [](const ConcatPart& a, const ConcatPart& b) { return a.width() < b.width(); });
      const double ratio = most->width() / least->width(), steps = output->scheme.quant_max - output->scheme.quant_min;
      if (steps / ratio >= kFewSteps) continue;
      char text[512];
      std::snprintf(
          text, sizeof text,
          "'%s' joins '%s' (%.4g to %.4g) and '%s' (%.4g to %.4g) on one scale, so that %.3g of %.0f steps are left for the latter; ",
          node->name.c_str(), most->value->name().c_str(), most->low, most->high, least->value->name().c_str(), least->low, least->high,
          steps / ratio, steps);
      const std::string wider = "--bits '" + node->name + "=16'", remedy = floating(*node);
      context.warn({"concat-ranges",
                    text + ("try " + splitting(graph, *node)) + (remedy.empty() ? wider : remedy + ", or " + wider),
                    {node->output()->name(), most->value->name(), least->value->name()},
                    {{"ratio", ratio},
                     {"steps", steps / ratio},
                     {"low", least->low},
                     {"high", least->high},
                     {"largest_low", most->low},
                     {"largest_high", most->high}},
                    remedy.empty() ? wider : remedy});
    }
  }

  /// "--split-output 'y', " for each output that the host could join in place of a Concat.
  static std::string splitting(const Graph& graph, const Node& concat) {
    std::string options;
    for (const Value* output : graph.outputs()) {
      const std::vector<const Node*> join = joined_by(*output);
      if (std::find(join.begin(), join.end(), &concat) != join.end()) options += "--split-output '" + output->name() + "', ";
    }
    return options;
  }

  /// Options that keep a Concat in float with all that only moves its elements, up to the outputs; empty where something computes with
  /// them.
  static std::string floating(const Node& concat) {
    std::string options;
    std::set<const Node*> seen = {&concat};
    for (std::vector<const Node*> open = {&concat}; !open.empty();) {
      const Node& node = *open.back();
      open.pop_back();
      options += (options.empty() ? "" : " ") + ("--keep-float '" + node.name + "'");
      for (const Value* value : node.outputs())
        for (const Use& use : value ? value->uses() : std::vector<Use>()) {
          if (!use.node->quantized) continue;
          if (!is_passive(*use.node) && !use.node->is("Concat")) return "";
          if (seen.insert(use.node).second) open.push_back(use.node);
        }
    }
    return options;
  }

  static bool aligns(const TensorQuantPtr& quant) {
    return quant && !quant->fixed && quant->state == QuantState::Active && quant->params.defined() &&
           quant->scheme.format == NumberFormat::Linear && quant->scheme.granularity == Granularity::PerTensor;
  }

  /// Of the tensor, or of one that only moved on the way to it.
  static bool has_other_readers(const Value& value, const TensorQuantPtr& quant) {
    for (const Value* at = &value; at;) {
      if (at->uses().size() > 1) return true;
      const Node* producer = at->producer();
      at = producer && is_passive(*producer) && producer->quant_of_input(0) == quant ? producer->input(0) : nullptr;
    }
    return false;
  }

  void join(Node& node, Target target, bool force) {
    std::vector<TensorQuantPtr> members, masters;
    const TensorQuantPtr output = node.quant_of_output();
    if (target == Target::Output && !aligns(output)) return;
    for (size_t i = 0; i < node.input_quant.size(); ++i) {
      TensorQuantPtr& quant = node.input_quant[i];
      if (!aligns(quant) || node.input(i)->is_constant()) continue;
      if (!force && has_other_readers(*node.input(i), quant)) quant = std::make_shared<TensorQuant>(*quant);  // this reader alone
      members.push_back(quant);
    }
    if (members.empty()) return;
    if (target == Target::Large) masters = members;
    if (target == Target::Output) masters = {output}, slaves_.insert(members.begin(), members.end()), members.push_back(output);
    if (target == Target::Input) {
      masters = {members.front()};
      for (const TensorQuantPtr& quant : node.output_quant)
        if (aligns(quant)) slaves_.insert(quant), members.push_back(quant);
    }
    if (target == Target::Output) slaves_.erase(output);  // a passive operation's input is its output
    for (const TensorQuantPtr& member : members) {
      if (member->scheme != members.front()->scheme) continue;
      order_.push_back(member);
      unite(members.front(), member);
    }
    masters_.insert(masters_.end(), masters.begin(), masters.end());
  }

  TensorQuantPtr root(TensorQuantPtr quant) {
    for (auto place = parent_.find(quant); place != parent_.end() && place->second != quant; place = parent_.find(quant)) {
      quant = place->second;
      place->second = parent_[quant];  // halves the way for the next one
    }
    return quant;
  }
  void unite(const TensorQuantPtr& a, const TensorQuantPtr& b) {
    const TensorQuantPtr ra = root(a), rb = root(b);
    parent_.try_emplace(ra, ra), parent_.try_emplace(rb, rb);
    if (ra != rb) parent_[rb] = ra;
  }

  size_t solve(const Graph& graph) {
    std::map<TensorQuantPtr, std::vector<TensorQuantPtr>> groups;
    std::set<TensorQuantPtr> listed;
    for (const TensorQuantPtr& quant : order_)
      if (listed.insert(quant).second) groups[root(quant)].push_back(quant);
    QuantSlots slots(graph);
    size_t changed = 0;
    for (auto& [top, members] : groups) {
      if (members.size() < 2) continue;
      // Masters decide, unless they follow another operation's output themselves.
      std::vector<TensorQuantPtr> deciding;
      for (const TensorQuantPtr& master : masters_)
        if (!slaves_.count(master) && root(master) == top) deciding.push_back(master);
      if (deciding.empty()) deciding = members;
      const TensorQuantPtr merged = enclosing(deciding);
      for (const TensorQuantPtr& member : members) slots.replace(member, merged);
      ++changed;
    }
    return changed;
  }

  /// One of them when its range holds the others', else a new one over the whole.
  static TensorQuantPtr enclosing(const std::vector<TensorQuantPtr>& quants) {
    double low = 0, high = 0;
    std::vector<std::pair<double, double>> ranges;
    for (const TensorQuantPtr& quant : quants) {
      const auto [a, b] = range_of(quant->params, quant->scheme);
      ranges.emplace_back(a.item<double>(), b.item<double>());
      low = std::min(low, ranges.back().first), high = std::max(high, ranges.back().second);
    }
    size_t widest = 0;
    for (size_t i = 1; i < quants.size(); ++i)
      if (ranges[i].second - ranges[i].first > ranges[widest].second - ranges[widest].first) widest = i;
    const double slack = 1e-6 * (high - low);
    const bool holds = ranges[widest].first <= low + slack && ranges[widest].second >= high - slack;
    auto merged = std::make_shared<TensorQuant>(*quants[widest]);
    // Symmetric ranges of one format nest; asymmetric ones may overlap.
    if (!holds && !merged->scheme.symmetric) merged->params = params_from_range(low, high, merged->scheme);
    return merged;
  }

  std::map<TensorQuantPtr, TensorQuantPtr> parent_;
  std::vector<TensorQuantPtr> order_, masters_;
  std::set<TensorQuantPtr> slaves_;
};

}  // namespace

std::unique_ptr<Pass> make_align_quantization() { return std::make_unique<AlignQuantization>(); }

}  // namespace ppq::passes
