#include <map>

#include "observers/observer.h"
#include "passes/passes.h"
#include "passes/quant_slots.h"
#include "passes/sockets.h"

/// Scale and offset of constants (weights and constant operands), read once each, all channels together.
/// Does not fire for biases and bounds, which are passive.
namespace ppq::passes {
namespace {

class QuantizeParameters final : public Pass {
 public:
  const char* name() const override { return "quantize-parameters"; }

  size_t run(Graph& graph, PassContext& context) override {
    const QuantizationSetting& setting = *context.setting;
    std::map<const TensorQuant*, bool> done;
    size_t changed = 0;
    for (const Slot& slot : quant_slots(graph)) {
      TensorQuant& quant = *slot.quant();
      if (slot.output || !slot.value()->constant().defined()) continue;
      if (quant.state != QuantState::Initial || quant.fixed || done[&quant]) continue;
      done[&quant] = true;
      const at::Tensor data = slot.value()->constant();
      std::string method = setting.quantize_parameter_setting.calib_algorithm;
      if (method.empty()) {
        const bool searched = setting.extra.weight_search == "mse" && is_computing(*slot.node);
        method = searched ? "mse" : quant.scheme.observer;
      }
      auto observer = make_observer(method, quant.scheme, slot.value()->name());
      observer->observe(data.to(context.device), 1);
      quant.params = observer->finish();
      quant.state = QuantState::Active;
      ++changed;
    }
    return changed;
  }
};

}  // namespace

std::unique_ptr<Pass> make_quantize_parameters() { return std::make_unique<QuantizeParameters>(); }

}  // namespace ppq::passes
