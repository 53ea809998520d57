#include <algorithm>

#include "graph/composites.h"
#include "graph/quant_slots.h"
#include "graph/readers.h"
#include "ops/op_facts.h"
#include "passes/passes.h"
#include "passes/scheme/fusion.h"

/// Joins the quantization of tensors that the target computes in one go.
/// - Computing operation (or any operation) and the activation that alone reads it: one quantization, of the activation's
///   output.
/// - Swish, Mish, HardSwish patterns x·f(x): the inner tensors stay float, the product is quantized.
/// - Operators that the exporter wrote out (LayerNormalization, RMSNormalization, Gelu), where the target finds them: quantized as the
///   operator itself would be, which is not at all where the target computes it in float. A square of a difference has a range that
///   8 bits cannot hold.
/// - Passive operations (pooling by maximum, data movement): output and input have one quantization.
/// Does not fire where the inner tensor is a graph output or has other readers (sub-graphs included), where a slot is float or fixed, or
/// where schemes differ.
namespace ppq::passes {
namespace {

class FuseQuantization final : public Pass {
 public:
  const char* name() const override { return "fuse-quantization"; }

  size_t run(Graph& graph, PassContext& context) override {
    const FusionSetting& fusion = context.setting->fusion_setting;
    const Pinned pinned(graph);
    size_t changed = 0;
    if (fusion.fuse_activation) {
      if (!context.platform->fusion.composites.empty())
        for (const Composite& composite : find_composites(graph)) changed += fuse_composite(composite, *context.platform, pinned);
      for (Node* node : graph.nodes()) changed += fuse_gate(*node, *context.platform, pinned);
      for (Node* node : graph.nodes()) changed += fuse_activation(*node, *context.platform, pinned);
    }
    if (fusion.fuse_passive_op)
      for (Node* node : graph.nodes()) changed += fuse_passive(*node);
    return changed;
  }

 private:
  static bool joinable(const TensorQuantPtr& a, const TensorQuantPtr& b) {
    return a && b && a != b && !a->fixed && a->state == QuantState::Initial && a->scheme == b->scheme;
  }

  static size_t fuse_activation(Node& activation, const PlatformSpec& platform, const Pinned& pinned) {
    if (!joins_producer(activation, platform, pinned)) return 0;
    const Value* inner = activation.input(0);
    Node* node = inner->producer();
    const TensorQuantPtr outer = activation.quant_of_output();
    TensorQuantPtr &produced = node->output_quant[inner->producer_index()], &read = activation.input_quant[0];
    if (!joinable(produced, outer) || !joinable(read, outer)) return 0;
    produced = read = outer;
    return 1;
  }

  /// x → Sigmoid → Mul(x, ·), x → HardSigmoid → Mul, x → Softplus → Tanh → Mul. Everything but the product stays float.
  static size_t fuse_gate(Node& product, const PlatformSpec& platform, const Pinned& pinned) {
    if (!product.is("Mul") || !product.quantized || product.inputs().size() != 2 || !product.quant_of_output()) return 0;
    for (size_t side : {0u, 1u}) {
      Value *x = product.input(side), *gate = product.input(1 - side);
      if (!x || !gate || x == gate || !x->producer() || !gate->producer()) continue;
      std::vector<Node*> chain;
      if (gate->producer()->is("Sigmoid") || gate->producer()->is("HardSigmoid")) {
        if (!platform.fusion.activations.count(gate->producer()->is("Sigmoid") ? "Swish" : "HardSwish")) continue;
        chain = {gate->producer()};
      } else if (gate->producer()->is("Tanh") && platform.fusion.activations.count("Mish")) {
        const Value* inner = gate->producer()->input(0);
        if (!inner || !inner->producer() || !inner->producer()->is("Softplus") || !only_reader(inner, pinned)) continue;
        chain = {gate->producer(), inner->producer()};
      }
      if (chain.empty() || chain.back()->input(0) != x || !only_reader(gate, pinned)) continue;
      if (x->uses().size() != 2 || pinned(x)) continue;
      Node* source = x->producer();
      bool all = source->quantized;
      for (Node* node : chain) all &= node->quantized;
      if (!all) continue;
      source->output_quant[x->producer_index()] = nullptr;
      product.input_quant[0] = product.input_quant[1] = nullptr;
      for (Node* node : chain) node->input_quant[0] = node->output_quant[0] = nullptr;
      return 1;
    }
    return 0;
  }

  /// An encodings file has numbers for a tensor inside: the target forms it after all.
  static bool fixed_by_user(const Node& node, const TensorQuantPtr& quant, size_t index, SlotRole role, const PlatformSpec& platform) {
    const SlotRule* rule = platform.rule_for(node, index, role);
    return quant && quant->fixed && !(rule && rule->range);
  }

  static size_t fuse_composite(const Composite& composite, const PlatformSpec& platform, const Pinned& pinned) {
    if (!platform.fusion.composites.count(composite.type)) return 0;
    Value* input = composite.input;
    const auto inside = [&](const Node* node) {
      return std::find(composite.nodes.begin(), composite.nodes.end(), node) != composite.nodes.end();
    };
    for (const Node* node : composite.nodes) {
      for (size_t i = 0; i < node->inputs().size(); ++i)
        if (node->input(i) != input && fixed_by_user(*node, node->quant_of_input(i), i, SlotRole::Data, platform)) return 0;
      if (node != composite.nodes.back() && fixed_by_user(*node, node->quant_of_output(), 0, SlotRole::Output, platform)) return 0;
    }
    Node one(composite.nodes.back()->name);
    one.op_type = composite.type;
    const bool computes = platform.computes(one);
    // As an activation it is computed in one go with the layer before it.
    Node* source = input->producer();
    const bool joins = computes && platform.fusion.activations.count(composite.type) && source && source->quantized &&
                       is_computing(*source) && !pinned(input) &&
                       std::all_of(input->uses().begin(), input->uses().end(), [&](const Use& use) { return inside(use.node); });
    if (joins) source->output_quant[input->producer_index()] = nullptr;
    for (Node* node : composite.nodes) {
      for (size_t i = 0; i < node->input_quant.size(); ++i)
        if (node->input(i) != input || joins || !computes) node->input_quant[i] = nullptr;
      for (TensorQuantPtr& quant : node->output_quant)
        if (node != composite.nodes.back() || !computes) quant = nullptr;
      node->quantized &= computes;
    }
    return 1;
  }

  static size_t fuse_passive(Node& node) {
    if (!node.quantized || !is_passive(node)) return 0;
    const TensorQuantPtr data = node.quant_of_input(0);
    size_t changed = 0;
    for (TensorQuantPtr& quant : node.output_quant)
      if (joinable(quant, data)) quant = data, changed = 1;
    return changed;
  }
};

}  // namespace

std::unique_ptr<Pass> make_fuse_quantization() { return std::make_unique<FuseQuantization>(); }

}  // namespace ppq::passes
