#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "executor/repeated_work.h"
#include "observers/statistic.h"
#include "ppq/dataset.h"
#include "ppq/graph.h"

namespace ppq {

/// What is gathered of one value: all statistics, and those of them that must be shown the value (the others read what these
/// gather).
struct Gathering {
  std::vector<std::unique_ptr<Statistic>> statistics;
  std::vector<Statistic*> shown;
};

/// A value, and how to make what watches it: each device has its own.
struct Wish {
  const Value* value = nullptr;
  std::function<Gathering()> make;
};

/// One device's share of a sweep: the network lowered for it, and statistics of its own. Each element of the network's tensors
/// is read once; memory does not grow with the number of samples; the loop does not wait for the device.
class SweepShard {
 public:
  SweepShard(const std::vector<Wish>& wishes, at::Device device);

  struct Options {
    size_t batch_size = 1;
    RepeatedWork::Capture capture;  ///< records a batch so that it can be replayed; null: every batch runs as it comes
    std::vector<bool> asleep;       ///< wishes that these samples are not for; empty: all are awake
  };
  /// Called after each batch with its number of samples; false ends the run.
  using Tick = std::function<bool(size_t samples)>;
  /// Called when something should be said to the user.
  using Warn = std::function<void(std::string)>;
  /// Shows all samples to the statistics that are awake. When memory does not suffice batches are halved, from then on; what
  /// statistics took in before stays. May be called again with other samples. `graph` and `lowering` (whose watched values and
  /// device are set here) are read in the first call.
  void run(const Graph& graph, LowerOptions lowering, const DatasetPtr& samples, const Options& options, const Tick& tick,
           const Warn& warn);
  /// Lowers the network for the device, now instead of in the first `run`; or takes the program of a shard on the same device.
  void prepare(const Graph& graph, LowerOptions lowering);
  void share_program(const SweepShard& other) { program_ = other.program_; }
  /// Takes in what the statistics of another share have seen, one by one.
  void merge(const SweepShard& other);

  /// Of wish i, in the order they were made.
  const std::vector<std::unique_ptr<Statistic>>& statistics(size_t i) const { return gatherings_[i].statistics; }
  at::Device device() const { return device_; }
  /// What it ended with.
  size_t batch_size() const { return batch_size_; }
  /// How many batches a recorded graph ran, and why none was recorded ("" where one was, or the device has none).
  size_t replays() const { return replays_; }
  const std::string& obstacle() const { return obstacle_; }

 private:
  void choose_awake(const std::vector<bool>& asleep);
  void reserve(size_t sample_bytes, RepeatedWork::Capture& capture, const Warn& warn);
  void show(const Tensors& inputs, size_t samples, const Warn& warn);
  void observe(const Tensors& inputs);
  void halve(size_t samples, const Warn& warn);
  bool all_steady() const;

  at::Device device_;
  std::vector<Gathering> gatherings_;           ///< of each wish
  std::vector<const Value*> values_;            ///< watched, each once
  std::vector<std::vector<size_t>> wishes_of_;  ///< of each value: whose it is
  std::vector<std::vector<Statistic*>> shown_;  ///< of each value: those to show it to now
  std::shared_ptr<const Program> program_;
  std::unique_ptr<RepeatedWork> work_;
  size_t batch_size_ = 0;                      ///< 0: did not run yet
  size_t samples_ = 0;                         ///< of the batch that is shown
  std::unordered_set<const Statistic*> seen_;  ///< took that batch in, before memory ran out
  bool broken_ = false;                        ///< some took it in and nobody knows which
  size_t replays_ = 0;
  std::string obstacle_;
};

}  // namespace ppq
