#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>
#include <unordered_map>

#include "calibration/calibration_file.h"
#include "calibration/calibration_shard.h"
#include "graph/quant_slots.h"
#include "passes/passes.h"
#include "ppq/error.h"

/// Runs the samples once through the network, weights rounded and activations float, lets observers see the tensors that
/// wait for calibration, and gives each its scale and offset. Several devices share the samples, batch by batch.
namespace ppq::passes {
namespace {

/// What "auto" tries; choose-observer decides between them by the error of the network's outputs.
const std::vector<std::string>& auto_observers() {
  static const std::vector<std::string> names = {"mse", "minmax", "percentile-global"};
  return names;
}

/// Every `shares`-th batch from number `share` on, so that batches are those of one device.
DatasetPtr share_of(const DatasetPtr& samples, size_t batch_size, size_t share, size_t shares) {
  if (shares == 1) return samples;
  std::vector<size_t> indices;
  for (size_t i = 0; i < samples->size(); ++i)
    if (i / batch_size % shares == share) indices.push_back(i);
  return subset(samples, std::move(indices));
}

class Calibrate final : public Pass {
 public:
  const char* name() const override { return "calibrate"; }

  size_t run(Graph& graph, PassContext& context) override {
    collect(graph, context);
    if (wanted_.empty()) return 0;
    if (!restore(context)) {
      observe(graph, context);
      finish();
      save_calibration(context.checkpoint, numbers_);
    }
    size_t changed = 0, next = 0;
    for (size_t i = 0; i < wanted_.size(); ++i) {
      const std::string& decides = wanted_[i].observers[0];
      std::map<std::string, QuantParams> candidates;
      for (const std::string& name : wanted_[i].observers) candidates[name] = numbers_[next++].params;
      for (const TensorQuantPtr& quant : quants_[i]) {
        quant->params = candidates.at(decides);
        if (candidates.size() > 1) quant->candidates = candidates;
        quant->state = QuantState::Active;
        ++changed;
      }
    }
    return changed;
  }

 private:
  void collect(const Graph& graph, const PassContext& context) {
    std::vector<const Value*> values;
    std::unordered_map<const Value*, std::vector<size_t>> of_value;
    std::vector<Wanted> found;
    std::vector<std::vector<TensorQuantPtr>> quants;
    std::map<const TensorQuant*, bool> seen;
    for (const Slot& slot : quant_slots(graph)) {
      const TensorQuantPtr quant = slot.quant();
      if (quant->state != QuantState::Initial || quant->fixed || quant->scheme.dynamic || seen[quant.get()]) continue;
      const Value* value = graph.find_value(quant->observed);
      if (!value) value = slot.value();
      if (value->is_constant()) continue;
      seen[quant.get()] = true;
      auto [it, fresh] = of_value.try_emplace(value);
      if (fresh) values.push_back(value);
      auto& list = it->second;
      const auto same = std::find_if(list.begin(), list.end(), [&](size_t i) {
        return found[i].scheme == quant->scheme && found[i].scheme.observer == quant->scheme.observer;
      });
      if (same != list.end()) {
        quants[*same].push_back(quant);
        continue;
      }
      const std::string& given = context.setting->quantize_activation_setting.calib_algorithm;
      const std::string wanted = given.empty() ? quant->scheme.observer : given;
      list.push_back(found.size());
      // Above 8 bits rounding is finer than any clipping could pay for.
      found.push_back({value, quant->scheme,
                       wanted != "auto"         ? std::vector{wanted}
                       : quant->scheme.bits > 8 ? std::vector<std::string>{"minmax"}
                                                : auto_observers()});
      quants.push_back({quant});
    }
    for (const Value* value : values)
      for (const size_t i : of_value[value]) {
        wanted_.push_back(std::move(found[i]));
        quants_.push_back(std::move(quants[i]));
      }
    shards_.push_back(std::make_unique<CalibrationShard>(wanted_, context.devices.empty() ? context.device : context.devices[0]));
  }

  /// Takes the numbers of an earlier run that was cut short, where they belong to the same tensors and observers.
  bool restore(const PassContext& context) {
    std::string why;
    auto kept = load_calibration(context.checkpoint, why);
    if (kept && !fits(*kept)) kept.reset(), why = "the kept calibration has other tensors";
    if (!why.empty()) context.warn("--resume: " + why + "; calibrating anew");
    if (kept) numbers_ = std::move(*kept);
    return !numbers_.empty();
  }

  bool fits(const std::vector<CalibratedTensor>& kept) const {
    size_t next = 0;
    for (const Wanted& wanted : wanted_)
      for (const std::string& name : wanted.observers) {
        if (next >= kept.size() || kept[next].tensor != wanted.value->name() || kept[next].observer != name) return false;
        ++next;
      }
    return next == kept.size();
  }

  void finish() {
    std::vector<const Observer*> observers;
    for (size_t i = 0; i < wanted_.size(); ++i)
      for (size_t k = 0; k < wanted_[i].observers.size(); ++k) {
        numbers_.push_back({wanted_[i].value->name(), wanted_[i].observers[k], {}});
        observers.push_back(shards_[0]->observers(i)[k].get());
      }
    std::vector<QuantParams> params = finish_all(observers);
    for (size_t i = 0; i < params.size(); ++i) numbers_[i].params = std::move(params[i]);
  }

  void observe(const Graph& graph, PassContext& context) {
    if (!context.calibration || context.calibration->size() == 0)
      throw Error(ErrorKind::Data, "calibration", "no samples: got 0, expected at least 1");
    const size_t total = context.calibration->size(), batches = (total + context.batch_size - 1) / context.batch_size;
    for (size_t k = 1; k < std::min(context.devices.size(), batches); ++k)
      shards_.push_back(std::make_unique<CalibrationShard>(wanted_, context.devices[k]));
    std::mutex mutex;  // of progress, warnings and errors
    size_t done = 0;
    std::atomic<bool> failed = false;
    std::vector<std::exception_ptr> errors(shards_.size());
    auto take_share = [&](size_t k) {
      try {
        const DatasetPtr samples = share_of(context.calibration, context.batch_size, k, shards_.size());
        auto tick = [&](size_t count) {
          const std::lock_guard lock(mutex);
          done += count;
          if (context.progress) context.progress("calibrate", done, total);
          return !failed;
        };
        auto warn = [&](std::string text) {
          const std::lock_guard lock(mutex);
          context.warn(std::move(text));
        };
        shards_[k]->run(graph, samples, {context.batch_size, context.device_graphs ? capture_on(shards_[k]->device()) : nullptr}, tick,
                        warn);
      } catch (...) {
        errors[k] = std::current_exception();
        failed = true;
      }
    };
    std::vector<std::thread> others;
    try {
      for (size_t k = 1; k < shards_.size(); ++k) others.emplace_back(take_share, k);
    } catch (const std::system_error&) {
      failed = true;
      errors[0] = std::make_exception_ptr(Error(ErrorKind::Resource, "calibration", "cannot start a thread for each device"));
    }
    if (!failed) take_share(0);
    for (std::thread& thread : others) thread.join();
    for (const std::exception_ptr& error : errors)
      if (error) std::rethrow_exception(error);
    for (size_t k = 1; k < shards_.size(); ++k) shards_[0]->merge(*shards_[k]);
    describe(context);
    for (const auto& shard : shards_) context.batch_size = std::min(context.batch_size, shard->batch_size());
  }

  /// How the devices worked, for the record: "cuda:0: 14 batches by a recorded graph".
  void describe(const PassContext& context) const {
    if (!context.record) return;
    for (const auto& shard : shards_) {
      if (shards_.size() == 1 && shard->device().is_cpu()) continue;
      std::string& text = context.record->decision;
      text += (text.empty() ? "" : "; ") + shard->device().str() + ": " + std::to_string(shard->replays()) + " batches by a recorded graph";
      if (!shard->obstacle().empty()) text += " (" + shard->obstacle() + ")";
    }
  }

  std::vector<Wanted> wanted_;                       ///< tensors in the order they were met, each under each of its schemes
  std::vector<std::vector<TensorQuantPtr>> quants_;  ///< that want wanted_[i]'s numbers
  std::vector<std::unique_ptr<CalibrationShard>> shards_;
  std::vector<CalibratedTensor> numbers_;  ///< of each tensor and observer, in the order of wanted_
};

}  // namespace

std::unique_ptr<Pass> make_calibrate() { return std::make_unique<Calibrate>(); }

}  // namespace ppq::passes
