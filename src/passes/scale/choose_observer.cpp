#include <cmath>
#include <cstdio>
#include <map>
#include <set>

#include "graph/quant_slots.h"
#include "passes/passes.h"
#include "passes/trial.h"

/// Chooses between the observers that calibrate tried ("auto"): for each, what follows in the pipeline runs on a copy of the
/// graph, and the one with the least error at the network's outputs, on samples that the copies' passes did not see, gives all
/// activations their scales. Does not fire where calibrate tried only one.
namespace ppq::passes {
namespace {

/// A later observer must be better than those before it by more than 16 samples leave to chance (another device's roundings move errors
/// by some percent).
constexpr double kClearly = 0.95;

class ChooseObserver final : public Pass {
 public:
  const char* name() const override { return "choose-observer"; }

  size_t run(Graph& graph, PassContext& context) override {
    std::set<std::string> observers;
    for (const Slot& slot : quant_slots(graph))
      for (const auto& [observer, params] : slot.quant()->candidates) observers.insert(observer);
    if (observers.size() < 2) return 0;
    Trial trial(graph, context, {});
    // Baking stores what is simulated already.
    const auto rest = trial.pipeline(name(), "bake-parameters");
    std::string best, said;
    Reference::Course least;
    for (const std::string& observer : observers) {
      auto copy = graph.clone();
      use(*copy, observer);
      trial.run(*copy, rest);
      Reference::Course course = trial.judge(*copy, least, best.empty() ? 1 : kClearly);
      char text[64];
      std::snprintf(text, sizeof text, std::isinf(course.error) ? "%s%s more" : "%s%s %.3g", said.empty() ? "" : ", ", observer.c_str(),
                    course.error);
      said += text;
      if (best.empty() || course.error < kClearly * least.error) best = observer, least = std::move(course);
    }
    if (context.record) context.record->decision = best + ", by the error at the outputs on samples held back: " + said;
    const size_t changed = use(graph, best);
    for (const Slot& slot : quant_slots(graph)) slot.quant()->candidates.clear();
    return changed;
  }

 private:
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
