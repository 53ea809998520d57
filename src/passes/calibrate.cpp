#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "data/upload_ahead.h"
#include "observers/observer.h"
#include "passes/calibration_file.h"
#include "passes/passes.h"
#include "passes/quant_slots.h"
#include "ppq/error.h"

/// Runs the samples once through the network, weights rounded and activations float, lets observers see the tensors that
/// wait for calibration, and gives each its scale and offset. Memory does not grow with the number of samples.
namespace ppq::passes {
namespace {

/// One tensor under one scheme; several TensorQuants may want the same.
struct Watched {
  std::vector<std::pair<std::string, std::unique_ptr<Observer>>> observers;  ///< the first one decides for now
  std::vector<TensorQuantPtr> quants;
  std::vector<Observer*> gathering;  ///< those to show the tensor to; the others share what these gather
};

/// What "auto" tries; choose-observer decides between them by the error of the network's outputs.
const std::vector<std::string>& auto_observers() {
  static const std::vector<std::string> names = {"mse", "minmax", "percentile-global"};
  return names;
}

class Calibrate final : public Pass {
 public:
  const char* name() const override { return "calibrate"; }

  size_t run(Graph& graph, PassContext& context) override {
    collect(graph, context);
    if (watched_.empty()) return 0;
    if (!restore(context)) {
      observe(graph, context);
      finish();
      save_calibration(context.checkpoint, numbers_);
    }
    size_t changed = 0, next = 0;
    for (auto& list : watched_)
      for (Watched& watched : list) {
        std::map<std::string, QuantParams> candidates;
        for (const auto& [name, observer] : watched.observers) candidates[name] = numbers_[next++].params;
        for (const TensorQuantPtr& quant : watched.quants) {
          quant->params = candidates.at(watched.observers[0].first);
          if (candidates.size() > 1) quant->candidates = candidates;
          quant->state = QuantState::Active;
          ++changed;
        }
      }
    return changed;
  }

 private:
  void collect(const Graph& graph, const PassContext& context) {
    std::unordered_map<const Value*, size_t> index;
    std::map<const TensorQuant*, bool> seen;
    for (const Slot& slot : quant_slots(graph)) {
      const TensorQuantPtr quant = slot.quant();
      if (quant->state != QuantState::Initial || quant->fixed || quant->scheme.dynamic || seen[quant.get()]) continue;
      const Value* value = graph.find_value(quant->observed);
      if (!value) value = slot.value();
      if (value->is_constant()) continue;
      seen[quant.get()] = true;
      auto [it, fresh] = index.try_emplace(value, values_.size());
      if (fresh) values_.push_back(value), watched_.emplace_back();
      const std::string& given = context.setting->quantize_activation_setting.calib_algorithm;
      auto& list = watched_[it->second];
      auto same = std::find_if(list.begin(), list.end(), [&](const Watched& w) { return w.quants[0]->scheme == quant->scheme; });
      if (same != list.end()) {
        same->quants.push_back(quant);
        continue;
      }
      Watched watched;
      watched.quants = {quant};
      const std::string wanted = given.empty() ? quant->scheme.observer : given;
      // Above 8 bits rounding is finer than any clipping could pay for.
      for (const std::string& name : wanted != "auto" ? std::vector{wanted} : quant->scheme.bits > 8 ? std::vector<std::string>{"minmax"} : auto_observers())
        watched.observers.emplace_back(name, make_observer(name, quant->scheme, value->name()));
      std::vector<Observer*> observers;
      for (auto& [name, observer] : watched.observers) observers.push_back(observer.get());
      watched.gathering = share_statistics(observers);
      list.push_back(std::move(watched));
    }
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
    for (size_t i = 0; i < watched_.size(); ++i)
      for (const Watched& watched : watched_[i])
        for (const auto& [name, observer] : watched.observers) {
          if (next >= kept.size() || kept[next].tensor != values_[i]->name() || kept[next].observer != name) return false;
          ++next;
        }
    return next == kept.size();
  }

  void finish() {
    std::vector<const Observer*> observers;
    for (size_t i = 0; i < watched_.size(); ++i)
      for (const Watched& watched : watched_[i])
        for (const auto& [name, observer] : watched.observers) {
          numbers_.push_back({values_[i]->name(), name, {}});
          observers.push_back(observer.get());
        }
    std::vector<QuantParams> params = finish_all(observers);
    for (size_t i = 0; i < params.size(); ++i) numbers_[i].params = std::move(params[i]);
  }

  void observe(const Graph& graph, PassContext& context) {
    if (!context.calibration || context.calibration->size() == 0)
      throw Error(ErrorKind::Data, "calibration", "no samples: got 0, expected at least 1");
    LowerOptions options;
    options.device = context.device;
    options.watch = values_;
    options.quantize_parameters = true;
    const auto program = lower(graph, options);
    BatchLoader loader(context.calibration, context.batch_size);
    UploadedBatches batches(loader, context.device);
    const size_t total = context.calibration->size();
    size_t done = 0;
    while (auto batch = batches.next()) {
      show(*program, batch->tensors, batch->count, {}, context);
      done += batch->count;
      if (context.progress) context.progress("calibrate", done, total);
    }
  }

  /// Runs a batch for all observers but those that have `seen` it. When memory does not suffice the batch is halved, here
  /// and from now on; what observers took in before stays.
  void show(const Program& program, const Tensors& inputs, size_t samples, std::unordered_set<const Observer*> seen, PassContext& context) {
    if (samples > context.batch_size) {
      for (size_t first = 0; first < samples;) {
        const size_t count = std::min(context.batch_size, samples - first);  // which may shrink on the way
        show(program, part(inputs, samples, first, count), count, seen, context);
        first += count;
      }
      return;
    }
    ObservationQueue queue;
    try {
      ppq::run(program, inputs, [&](size_t which, const at::Tensor& tensor) {
        if (!tensor.defined() || !tensor.is_floating_point()) return;
        for (Watched& watched : watched_[which])
          for (Observer* observer : watched.gathering) {
            if (seen.contains(observer)) continue;
            queue.observe(*observer, tensor, static_cast<int64_t>(samples));
            seen.insert(observer);
          }
      });
      queue.flush();
      return;
    } catch (...) {
      if (queue.broken() || samples < 2 || !divides(inputs, samples) || !out_of_memory()) throw;
    }
    queue.flush();
    context.batch_size = (samples + 1) / 2;
    context.warn("out of memory with batches of " + std::to_string(samples) + " samples; going on with batches of " + std::to_string(context.batch_size));
    show(program, inputs, samples, std::move(seen), context);
  }

  /// Whether the exception in flight says so.
  static bool out_of_memory() {
    try {
      rethrow_with_context(ErrorKind::Internal, "calibration");
    } catch (const Error& error) {
      return error.kind() == ErrorKind::Resource;
    }
  }
  static bool divides(const Tensors& inputs, size_t samples) {
    return std::all_of(inputs.begin(), inputs.end(), [&](const at::Tensor& x) { return x.dim() > 0 && x.size(0) % static_cast<int64_t>(samples) == 0; });
  }
  static Tensors part(const Tensors& inputs, size_t samples, size_t first, size_t count) {
    Tensors result;
    for (const at::Tensor& x : inputs) {
      const int64_t rows = x.size(0) / static_cast<int64_t>(samples);
      result.push_back(x.narrow(0, static_cast<int64_t>(first) * rows, static_cast<int64_t>(count) * rows));
    }
    return result;
  }

  std::vector<const Value*> values_;
  std::vector<std::vector<Watched>> watched_;
  std::vector<CalibratedTensor> numbers_;  ///< of each tensor and observer, in the order of watched_
};

}  // namespace

std::unique_ptr<Pass> make_calibrate() { return std::make_unique<Calibrate>(); }

}  // namespace ppq::passes
