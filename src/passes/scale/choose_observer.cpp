#include <algorithm>
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
/// Halves of the samples disagree where another one has less than this share of the error on one of them.
constexpr double kUnsettled = 0.5;
constexpr size_t kEnough = 4;  ///< samples, for halves of them

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
    std::vector<std::pair<std::string, Reference::Course>> tried;
    for (const std::string& observer : observers) {
      auto copy = graph.clone();
      use(*copy, observer);
      trial.run(*copy, rest);
      Reference::Course course = trial.judge(*copy, least, best.empty() ? 1 : kClearly);
      char text[64];
      std::snprintf(text, sizeof text, std::isinf(course.error) ? "%s%s more" : "%s%s %.3g", said.empty() ? "" : ", ", observer.c_str(),
                    course.error);
      said += text;
      tried.emplace_back(observer, course);
      if (best.empty() || course.error < kClearly * least.error) best = observer, least = std::move(course);
    }
    warn_if_unsettled(tried, best, least, context);
    if (context.record) context.record->decision = best + ", by the error at the outputs on samples held back: " + said;
    const size_t changed = use(graph, best);
    for (const Slot& slot : quant_slots(graph)) slot.quant()->candidates.clear();
    return changed;
  }

 private:
  /// Whether half of the samples that judged would have chosen otherwise.
  static void warn_if_unsettled(const std::vector<std::pair<std::string, Reference::Course>>& tried, const std::string& best,
                                const Reference::Course& least, const PassContext& context) {
    std::string other;
    double gain = kUnsettled;
    for (const auto& [observer, course] : tried) {
      const size_t seen = std::min(course.halves.size(), least.halves.size());  // one that is far behind sees few
      if (seen < kEnough) continue;
      for (size_t half = 0; half < 2; ++half) {
        const double chosen = least.halves[seen - 1][half], instead = course.halves[seen - 1][half];
        if (instead < gain * chosen) gain = instead / chosen, other = observer;
      }
    }
    if (other.empty()) return;
    char text[256];
    std::snprintf(
        text, sizeof text,
        "too few samples to choose by: '%s' has the least error on those held back, '%s' %.0f %% less on half of them; give more, "
        "and more varied ones",
        best.c_str(), other.c_str(), 100 * (1 - gain));
    context.warn({"few-samples", text, {}, {{"samples", static_cast<double>(context.calibration->size())}, {"gain", 1 - gain}}, ""});
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
