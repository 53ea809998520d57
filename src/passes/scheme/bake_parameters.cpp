#include <algorithm>
#include <map>

#include "graph/quant_slots.h"
#include "graph/readers.h"
#include "ops/op_facts.h"
#include "passes/passes.h"

/// Replaces weights, constant operands and biases by their rounded values, so the graph that is written computes what was
/// simulated. The simulation's output does not change. Bounds of Clip and values of Pad keep what the model says.
/// A constant that is read under different quantizations, or also in float (by a sub-graph, say), is copied for the reader that
/// rounds it.
namespace ppq::passes {
namespace {

class BakeParameters final : public Pass {
 public:
  const char* name() const override { return "bake-parameters"; }

  size_t run(Graph& graph, PassContext&) override {
    const Pinned pinned(graph);
    std::map<const TensorQuant*, Value*> done;
    std::vector<TensorQuantPtr> baked;
    for (const Slot& slot : quant_slots(graph)) {
      const TensorQuantPtr quant = slot.quant();
      Value* value = slot.value();
      if (slot.output || !value->constant().defined() || !quant->simulated()) continue;
      if (quant->state == QuantState::Passive && !is_computing(*slot.node)) continue;
      auto it = done.find(quant.get());
      if (it != done.end()) {
        graph.set_input(slot.node, slot.index, it->second);
        continue;
      }
      Value* target = value;
      const bool alone = !pinned(value) && std::all_of(value->uses().begin(), value->uses().end(),
                                                       [&](const Use& use) { return use.node->quant_of_input(use.index) == quant; });
      if (!alone) {
        target = graph.add_constant(graph.unique_name(value->name()), value->constant());
        graph.set_input(slot.node, slot.index, target);
      }
      target->set_constant(fake_quantize(value->constant(), *quant));
      done[quant.get()] = target;
      baked.push_back(quant);
    }
    for (const TensorQuantPtr& quant : baked)
      quant->state = quant->state == QuantState::Passive ? QuantState::PassiveBaked : QuantState::Baked;
    return baked.size();
  }
};

}  // namespace

std::unique_ptr<Pass> make_bake_parameters() { return std::make_unique<BakeParameters>(); }

}  // namespace ppq::passes
