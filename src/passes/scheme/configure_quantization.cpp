#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "graph/patterns.h"
#include "ops/op_facts.h"
#include "passes/passes.h"
#include "passes/scheme/fusion.h"
#include "ppq/error.h"

/// Decides which nodes are computed in integers and gives every input and output of theirs a TensorQuant by the first of the
/// target's rules that fits. Shapes, indices, conditions, non-float tensors and those without elements get none. Nothing is shared
/// yet: fusion and simplification join what must agree. A quantization that the user fixed before (an encodings file) stays in its slots.
namespace ppq::passes {
namespace {

class ConfigureQuantization final : public Pass {
 public:
  const char* name() const override { return "configure-quantization"; }

  size_t run(Graph& graph, PassContext& context) override {
    platform_ = context.platform;
    setting_ = context.setting;
    empty_ = empty_values(graph);
    choose_nodes(graph, context);
    read_bits(graph);
    spread_bits(graph);
    size_t changed = 0;
    for (Node* node : graph.nodes()) {
      keep_fixed(node->input_quant, node->inputs().size());
      keep_fixed(node->output_quant, node->outputs().size());
      if (!node->quantized) {
        node->input_quant.assign(node->inputs().size(), nullptr);
        node->output_quant.assign(node->outputs().size(), nullptr);
        continue;
      }
      for (size_t i = 0; i < node->inputs().size(); ++i)
        if (const Value* value = node->input(i); value && !node->input_quant[i]) node->input_quant[i] = input_quant(*node, i, *value);
      for (size_t i = 0; i < node->outputs().size(); ++i)
        if (const Value* value = node->output(i); value && !node->output_quant[i]) node->output_quant[i] = output_quant(*node, i, *value);
      ++changed;
    }
    return changed;
  }

 private:
  static void keep_fixed(std::vector<TensorQuantPtr>& slots, size_t size) {
    slots.resize(size);
    for (TensorQuantPtr& slot : slots)
      if (slot && !slot->fixed) slot = nullptr;
  }

  void choose_nodes(Graph& graph, PassContext& context) const {
    for (const auto& [name, number] : setting_->dispatching_table) {
      if (name.find("OPERATION NAME") != std::string::npos || name == "YOUR OEPRATION NAME") continue;  // PPQ's example rows
      Node* node = graph.find_node(name);
      if (!node) {
        std::vector<std::string> names;
        for (const Node* n : graph.nodes()) names.push_back(n->name);
        context.warn("dispatching table: no node '" + name + "', " + did_you_mean(name, names));
        continue;
      }
      node->dispatch = number == static_cast<int>(TargetPlatform::FP32)          ? Dispatch::Float
                       : number == static_cast<int>(TargetPlatform::SOI)         ? Dispatch::ShapeOrIndex
                       : number == static_cast<int>(TargetPlatform::UNSPECIFIED) ? Dispatch::ByPlatform
                                                                                 : Dispatch::Quantized;
    }
    for (const std::string& pattern : setting_->extra.keep_float)
      for (Node* node : match_nodes(graph, pattern, "setting ppq_torch.keep_float")) node->dispatch = Dispatch::Float;
    for (Node* node : graph.nodes())
      node->quantized = node->dispatch == Dispatch::Quantized || (node->dispatch == Dispatch::ByPlatform && platform_->computes(*node));
  }

  /// The setting's `bits`: PATTERN is 16 for the activations a node reads and writes, 4 for its weights, 8 for both;
  /// "activation:PATTERN" and "weight:PATTERN" say which.
  void read_bits(const Graph& graph) {
    for (const auto& [key, bits] : setting_->extra.bits) {
      if (bits != 4 && bits != 8 && bits != 16)
        throw Error(ErrorKind::Usage, "setting ppq_torch.bits",
                    "bits of '" + key + "': got " + std::to_string(bits) + ", expected 4, 8 or 16");
      bool activations = bits >= 8, weights = bits <= 8;
      std::string pattern = key;
      for (const auto& [prefix, act] : {std::pair{std::string("activation:"), true}, std::pair{std::string("weight:"), false}})
        if (key.rfind(prefix, 0) == 0) pattern = key.substr(prefix.size()), activations = act, weights = !act;
      for (const Node* node : match_nodes(graph, pattern, "setting ppq_torch.bits")) {
        if (weights) weight_bits_[node] = bits;
        if (!activations) continue;
        // One tensor, one width: the widest that its producer or a reader asks for.
        auto widen = [&, bits = bits](const Value* value) {
          if (value && !value->is_constant()) activation_bits_[value] = std::max(activation_bits_[value], bits);
        };
        for (const Value* value : node->inputs()) widen(value);
        for (const Value* value : node->outputs()) widen(value);
      }
    }
  }

  /// What the target computes in one go has one width, and so have both sides of what only moves elements: where a wider one was asked
  /// for at one tensor, those joined to it follow, unless a pattern says otherwise.
  void spread_bits(const Graph& graph) {
    if (activation_bits_.empty() || !setting_->fusion) return;
    const Pinned pinned(graph);
    std::vector<std::pair<const Value*, const Value*>> joined;
    for (const Node* node : graph.nodes()) {
      if (!node->quantized) continue;
      const bool moves = setting_->fusion_setting.fuse_passive_op && is_passive(*node);
      const bool activates = setting_->fusion_setting.fuse_activation && joins_producer(*node, *platform_, pinned);
      if (moves || activates)
        for (const Value* output : node->outputs())
          if (output && node->input(0)) joined.emplace_back(node->input(0), output);
    }
    const int usual = platform_->scheme(SlotRole::Output).bits;
    const auto follow = [&](const Value* from, const Value* to) {
      const auto known = activation_bits_.find(from);
      return known != activation_bits_.end() && known->second > usual && activation_bits_.try_emplace(to, known->second).second;
    };
    // Down and up the chains, as often as branches want it.
    for (bool more = true; more;) {
      more = false;
      for (auto pair = joined.begin(); pair != joined.end(); ++pair) more |= follow(pair->first, pair->second);
      for (auto pair = joined.rbegin(); pair != joined.rend(); ++pair) more |= follow(pair->second, pair->first);
    }
  }

  static QuantScheme with_bits(QuantScheme scheme, int bits) {
    if (bits == scheme.bits || scheme.format != NumberFormat::Linear) return scheme;
    const double levels = std::exp2(bits);
    const bool narrow = scheme.quant_min == -scheme.quant_max;
    scheme.bits = bits;
    if (scheme.quant_min < 0) {
      scheme.quant_max = levels / 2 - 1;
      scheme.quant_min = narrow ? -scheme.quant_max : -levels / 2;
    } else {
      scheme.quant_max = levels - 1;
    }
    return scheme;
  }

  /// What an input holds; nullopt for what is never quantized: shapes, indices, conditions, integers, nothing at all, and biases
  /// that are computed at run time.
  std::optional<SlotRole> role_of(const Node& node, size_t index, const Value& value) const {
    if (empty_.count(&value)) return std::nullopt;
    const bool known = value.constant().defined();
    if (known && is_limit(node, index)) return SlotRole::Bound;
    if (input_socket(node, index) != Socket::Quantizable || !may_be_float(value)) return std::nullopt;
    if (is_bias(node, index)) return known ? std::optional(SlotRole::Bias) : std::nullopt;
    if (!value.is_constant()) return SlotRole::Data;
    if (!known) return std::nullopt;
    // What a Gemm adds is an operand like that of Add where it is no bias.
    return is_computing(node) && index < 2 ? SlotRole::Weight : SlotRole::Constant;
  }

  /// `scheme` in the width that the setting asks for at a tensor.
  QuantScheme widened(const QuantScheme& scheme, const Value* value) const {
    auto bits = activation_bits_.find(value);
    return bits == activation_bits_.end() ? scheme : with_bits(scheme, bits->second);
  }

  QuantScheme scheme_of(const SlotRule& rule, const Node& node, size_t index, const Value& value) const {
    switch (rule.role) {
      case SlotRole::Bias:
        return rule.scheme;
      case SlotRole::Bound:
        return widened(rule.scheme, node.input(0));
      case SlotRole::Weight:
        return weight_scheme(rule.scheme, node, index, value);
      case SlotRole::Constant: {
        QuantScheme scheme = rule.scheme;  // as wide as what it meets
        for (const Value* other : node.inputs())
          if (other && !other->is_constant()) scheme = widened(rule.scheme, other);
        return scheme;
      }
      default:
        return widened(rule.scheme, &value);
    }
  }

  QuantScheme weight_scheme(QuantScheme scheme, const Node& node, size_t index, const Value& value) const {
    auto bits = weight_bits_.find(&node);
    if (bits != weight_bits_.end()) scheme = with_bits(scheme, bits->second);
    const bool has_channels = index == 1 && value.constant().dim() > 1;
    if (!has_channels) scheme.granularity = Granularity::PerTensor, scheme.block_size = 0;
    if (scheme.granularity == Granularity::PerTensor) scheme.axis = 0;
    if (scheme.granularity == Granularity::PerChannel) scheme.axis = weight_channel_axis(node);
    // Blocks divide what is summed over.
    if (scheme.granularity == Granularity::PerBlock)
      scheme.axis = node.is("MatMul") ? weight_channel_axis(node) - 1 : 1 - weight_channel_axis(node);
    return scheme;
  }

  TensorQuantPtr input_quant(const Node& node, size_t index, const Value& value) const {
    const auto role = role_of(node, index, value);
    return role ? quant_by_rule(*role, node, index, value) : nullptr;
  }

  TensorQuantPtr output_quant(const Node& node, size_t index, const Value& value) const {
    if (output_socket(node, index) != Socket::Quantizable || !may_be_float(value) || empty_.count(&value)) return nullptr;
    return quant_by_rule(SlotRole::Output, node, index, value);
  }

  TensorQuantPtr quant_by_rule(SlotRole role, const Node& node, size_t index, const Value& value) const {
    using Treatment = SlotRule::Treatment;
    const SlotRule* rule = platform_->rule_for(node, index, role);
    if (!rule || rule->treatment == Treatment::Float) return nullptr;
    auto quant = std::make_shared<TensorQuant>();
    quant->scheme = scheme_of(*rule, node, index, value);
    quant->observed = value.name();
    quant->exported = rule->exported;
    if (rule->treatment == Treatment::Passive) quant->state = QuantState::Passive;
    if (rule->range) {
      quant->params = params_from_range(rule->range->first, rule->range->second, quant->scheme);
      quant->state = QuantState::Active;
      quant->fixed = true;
    }
    return quant;
  }

  const PlatformSpec* platform_ = nullptr;
  const QuantizationSetting* setting_ = nullptr;
  std::unordered_set<const Value*> empty_;
  std::unordered_map<const Value*, int> activation_bits_;
  std::unordered_map<const Node*, int> weight_bits_;
};

}  // namespace

std::unique_ptr<Pass> make_configure_quantization() { return std::make_unique<ConfigureQuantization>(); }

}  // namespace ppq::passes
