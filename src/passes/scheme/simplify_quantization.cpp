#include <map>
#include <tuple>

#include "graph/quant_slots.h"
#include "ops/op_facts.h"
#include "passes/passes.h"

/// A tensor is quantized once: readers share the quantization of its producer; readers of a graph input or a constant share
/// one among themselves. Does not fire where schemes differ (a 16-bit reader of an 8-bit tensor requantizes).
namespace ppq::passes {
namespace {

class SimplifyQuantization final : public Pass {
 public:
  const char* name() const override { return "simplify-quantization"; }

  size_t run(Graph& graph, PassContext&) override {
    size_t changed = 0;
    std::map<const Value*, std::vector<TensorQuantPtr>> sourceless;
    QuantSlots slots(graph);
    // A passive output refers to its node's input quantization: joining that must carry the output along.
    for (const Slot& slot : quant_slots(graph)) {
      if (slot.output) continue;
      const TensorQuantPtr quant = slot.quant();
      const Value& value = *slot.value();
      if (!value.producer()) {
        auto& known = sourceless[&value];
        TensorQuantPtr same;
        for (const TensorQuantPtr& other : known)
          if (other->scheme == quant->scheme && other->state == quant->state && quant->state == QuantState::Initial) same = other;
        if (!same)
          known.push_back(quant);
        else if (same != quant)
          slots.replace(quant, same), ++changed;
        continue;
      }
      const TensorQuantPtr source = producer_quant(value);
      if (!source || source == quant || quant->state != QuantState::Initial || quant->fixed) continue;
      if (source->scheme != quant->scheme) continue;
      if (joined_inside(*slot.node, slot.index, quant))
        slots.replace(quant, source);
      else
        slots.set(slot, source);
      ++changed;
    }
    return changed;
  }

 private:
  /// The input's quantization is also that of the node's output because the node is passive.
  static bool joined_inside(const Node& node, size_t, const TensorQuantPtr& quant) {
    for (const TensorQuantPtr& output : node.output_quant)
      if (output == quant) return is_passive(node);
    return false;
  }
};

}  // namespace

std::unique_ptr<Pass> make_simplify_quantization() { return std::make_unique<SimplifyQuantization>(); }

}  // namespace ppq::passes
