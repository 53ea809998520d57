#pragma once

#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "executor/repeated_work.h"
#include "observers/observer.h"
#include "ppq/dataset.h"
#include "ppq/graph.h"
#include "ppq/quant.h"

namespace ppq::passes {

/// A tensor that wants numbers: what observes it, under one scheme.
struct Wanted {
  const Value* value = nullptr;
  QuantScheme scheme;
  std::vector<std::string> observers;  ///< names; the first one decides for now
};

/// One device's share of a calibration: the network lowered for it, and observers of its own. Each element of the network's
/// tensors is read once; memory does not grow with the number of samples; the loop does not wait for the device.
class CalibrationShard {
 public:
  /// `wanted` outlives this. Throws Usage for an observer that does not exist.
  CalibrationShard(const std::vector<Wanted>& wanted, at::Device device);

  struct Options {
    size_t batch_size = 1;
    RepeatedWork::Capture capture;  ///< records a batch so that it can be replayed; null: every batch runs as it comes
  };
  /// Called after each batch with its number of samples; false ends the run.
  using Tick = std::function<bool(size_t samples)>;
  /// Called when something should be said to the user.
  using Warn = std::function<void(std::string)>;
  /// Shows all samples to the observers. When memory does not suffice batches are halved, from then on; what observers took in
  /// before stays. `graph` outlives the call; it is only read.
  void run(const Graph& graph, const DatasetPtr& samples, const Options& options, const Tick& tick, const Warn& warn);
  /// Takes in what the observers of another share have seen, one by one.
  void merge(const CalibrationShard& other);

  /// Of wanted[i], in the order of its names.
  const std::vector<std::unique_ptr<Observer>>& observers(size_t i) const { return observers_[i]; }
  at::Device device() const { return device_; }
  /// What it ended with.
  size_t batch_size() const { return batch_size_; }
  /// How many batches a recorded graph ran, and why none was recorded ("" where one was, or the device has none).
  size_t replays() const { return replays_; }
  const std::string& obstacle() const { return obstacle_; }

 private:
  void reserve(size_t sample_bytes, RepeatedWork::Capture& capture, const Warn& warn);
  void show(const Tensors& inputs, size_t samples, const Warn& warn);
  void observe(const Tensors& inputs);
  void halve(size_t samples, const Warn& warn);
  bool all_steady() const;

  const std::vector<Wanted>& wanted_;
  at::Device device_;
  std::vector<std::vector<std::unique_ptr<Observer>>> observers_;
  std::vector<const Value*> values_;               ///< watched, each once
  std::vector<std::vector<Observer*>> gathering_;  ///< of each value: those to show it to; the others share what these gather
  std::shared_ptr<const Program> program_;
  std::unique_ptr<RepeatedWork> work_;
  size_t batch_size_ = 1;
  size_t samples_ = 0;                        ///< of the batch that is shown
  std::unordered_set<const Observer*> seen_;  ///< took that batch in, before memory ran out
  bool broken_ = false;                       ///< some took it in and nobody knows which
  size_t replays_ = 0;
  std::string obstacle_;
};

}  // namespace ppq::passes
