#include <algorithm>
#include <map>
#include <unordered_map>

#include "graph/patterns.h"
#include "ops/op_facts.h"
#include "passes/passes.h"
#include "ppq/error.h"

/// Decides which nodes are computed in integers and gives every input and output of theirs a TensorQuant by the target's
/// schemes. Shapes, indices, conditions and non-float tensors get none. Nothing is shared yet: fusion and simplification
/// join what must agree. A quantization that the user fixed before (an encodings file) stays in its slots.
namespace ppq::passes {
namespace {

class ConfigureQuantization final : public Pass {
 public:
  const char* name() const override { return "configure-quantization"; }

  size_t run(Graph& graph, PassContext& context) override {
    platform_ = context.platform;
    setting_ = context.setting;
    choose_nodes(graph, context);
    read_bits(graph);
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
                       : number == static_cast<int>(TargetPlatform::UNSPECIFIED) ? Dispatch::Unspecified
                                                                                 : Dispatch::Quantized;
    }
    for (const std::string& pattern : setting_->extra.keep_float)
      for (Node* node : match_nodes(graph, pattern, "--keep-float")) node->dispatch = Dispatch::Float;
    for (Node* node : graph.nodes())
      node->quantized = node->dispatch == Dispatch::Quantized ||
                        (node->dispatch == Dispatch::Unspecified && platform_->quant_types.count(node->op_type) > 0);
  }

  /// `--bits PATTERN=N`: 16 for the activations a node reads and writes, 4 for its weights, 8 for both; "activation:PATTERN"
  /// and "weight:PATTERN" say which.
  void read_bits(const Graph& graph) {
    for (const auto& [key, bits] : setting_->extra.bits) {
      if (bits != 4 && bits != 8 && bits != 16)
        throw Error(ErrorKind::Usage, "--bits", "bits of '" + key + "': got " + std::to_string(bits) + ", expected 4, 8 or 16");
      bool activations = bits >= 8, weights = bits <= 8;
      std::string pattern = key;
      for (const auto& [prefix, act] : {std::pair{std::string("activation:"), true}, std::pair{std::string("weight:"), false}})
        if (key.rfind(prefix, 0) == 0) pattern = key.substr(prefix.size()), activations = act, weights = !act;
      for (const Node* node : match_nodes(graph, pattern, "--bits")) {
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

  TensorQuantPtr make(const QuantScheme& scheme, const Value& value) const {
    auto quant = std::make_shared<TensorQuant>();
    quant->scheme = scheme;
    quant->observed = value.name();
    return quant;
  }

  QuantScheme activation_scheme(const Value& value) const {
    auto it = activation_bits_.find(&value);
    return it == activation_bits_.end() ? platform_->activation : with_bits(platform_->activation, it->second);
  }

  TensorQuantPtr input_quant(const Node& node, size_t index, const Value& value) const {
    // Rounded with the data's scale, and never written.
    if (is_limit(node, index) && value.constant().defined()) return passive(activation_scheme(*node.input(0)), value);
    if (input_socket(node, index) != Socket::Quantizable || !may_be_float(value)) return nullptr;
    if (is_bias(node, index)) {
      if (platform_->bias == BiasRule::Float || !value.constant().defined()) return nullptr;
      return passive(platform_->bias_scheme, value);
    }
    if (is_computing(node) && value.constant().defined()) return make(weight_scheme(node, index, value), value);
    QuantScheme scheme = activation_scheme(value);
    if (value.is_constant()) {
      if (!value.constant().defined()) return nullptr;
      // A constant operand: exact range, and the width of what it meets.
      scheme.observer = "minmax";
      for (const Value* other : node.inputs())
        if (other && !other->is_constant()) scheme = with_bits(scheme, activation_scheme(*other).bits);
    }
    return make(scheme, value);
  }

  QuantScheme weight_scheme(const Node& node, size_t index, const Value& value) const {
    QuantScheme scheme = platform_->weight;
    auto bits = weight_bits_.find(&node);
    if (bits != weight_bits_.end()) scheme = with_bits(scheme, bits->second);
    const bool per_channel = platform_->weight_per_channel && index == 1 && value.constant().dim() > 1;
    scheme.granularity = per_channel ? Granularity::PerChannel : Granularity::PerTensor;
    scheme.axis = per_channel ? weight_channel_axis(node) : 0;
    return scheme;
  }

  TensorQuantPtr passive(const QuantScheme& scheme, const Value& value) const {
    TensorQuantPtr quant = make(scheme, value);
    quant->state = QuantState::Passive;
    quant->exported = false;
    return quant;
  }

  TensorQuantPtr output_quant(const Node& node, size_t index, const Value& value) const {
    if (output_socket(node, index) != Socket::Quantizable || !may_be_float(value)) return nullptr;
    TensorQuantPtr quant = make(activation_scheme(value), value);
    auto range = platform_->fixed_output_ranges.find(node.op_type);
    if (range != platform_->fixed_output_ranges.end()) {
      quant->params = params_from_range(range->second.first, range->second.second, quant->scheme);
      quant->state = QuantState::Active;
      quant->fixed = true;
    }
    return quant;
  }

  const PlatformSpec* platform_ = nullptr;
  const QuantizationSetting* setting_ = nullptr;
  std::unordered_map<const Value*, int> activation_bits_;
  std::unordered_map<const Node*, int> weight_bits_;
};

}  // namespace

std::unique_ptr<Pass> make_configure_quantization() { return std::make_unique<ConfigureQuantization>(); }

}  // namespace ppq::passes
