#include <map>

#include "calibration/output_error.h"
#include "graph/quant_slots.h"
#include "passes/passes.h"

/// Chooses between the observers that calibrate tried ("auto"): for each, the rest of the pipeline runs on a copy of the
/// graph, and the one with the least error at the network's outputs, on calibration samples, gives all activations their
/// scales. Does not fire where calibrate tried only one.
namespace ppq::passes {
namespace {

constexpr size_t kMostSamples = 64;

class ChooseObserver final : public Pass {
 public:
  const char* name() const override { return "choose-observer"; }

  size_t run(Graph& graph, PassContext& context) override {
    std::map<std::string, double> errors;
    for (const Slot& slot : quant_slots(graph))
      for (const auto& [observer, params] : slot.quant()->candidates) errors[observer] = 0;
    if (errors.size() < 2) return 0;
    std::string best;
    const OutputReference reference(graph, context, kMostSamples);
    for (auto& [observer, error] : errors) {
      auto trial = graph.clone();
      use(*trial, observer);
      PassContext quiet = context;
      quiet.progress = nullptr;
      quiet.warnings = nullptr;
      run_passes(*trial, rest_of(*context.platform, *context.setting), quiet);
      error = reference.error(*trial);
      if (best.empty() || error < errors.at(best)) best = observer;
    }
    size_t changed = use(graph, best);
    for (const Slot& slot : quant_slots(graph)) slot.quant()->candidates.clear();
    return changed;
  }

 private:
  /// Passes between calibration and baking.
  std::vector<std::string> rest_of(const PlatformSpec& platform, const QuantizationSetting& setting) const {
    std::vector<std::string> rest;
    bool after = false;
    for (const std::string& pass : quantization_pipeline(platform, setting)) {
      if (pass == "bake-parameters") break;
      if (after) rest.push_back(pass);
      after |= pass == name();
    }
    return rest;
  }

  static size_t use(Graph& graph, const std::string& observer) {
    size_t changed = 0;
    for (const Slot& slot : quant_slots(graph)) {
      auto found = slot.quant()->candidates.find(observer);
      if (found == slot.quant()->candidates.end()) continue;
      slot.quant()->params = found->second;
      slot.quant()->scheme.observer = observer;
      ++changed;
    }
    return changed;
  }
};

}  // namespace

std::unique_ptr<Pass> make_choose_observer() { return std::make_unique<ChooseObserver>(); }

}  // namespace ppq::passes
