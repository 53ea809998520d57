#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "calibration/samples.h"
#include "calibration/sweep_shard.h"
#include "ppq/run_context.h"

namespace ppq {

/// One visit of samples by one network, for everybody who wants to see its tensors: all devices share the batches, batches of
/// one shape are recorded and replayed where the device has graphs, the CPU's threads each take batches of their own, the next batch is
/// uploaded ahead, a batch that memory does not suffice for is halved, and an error on one device ends the others. Statistics of all
/// devices are merged at the end.
class Sweep {
 public:
  /// `lowering`: how the network runs (mode, quantize_parameters). `what` names the sweep in progress reports. `graph` and
  /// `context` outlive the sweep.
  Sweep(const Graph& graph, LowerOptions lowering, const RunContext& context, std::string what)
      : graph_(graph), lowering_(std::move(lowering)), context_(context), what_(std::move(what)) {}

  /// Shows `value` of the samples of `part` to what `make` makes. Returns the wish's number. Parts share no samples; beside wishes for
  /// all samples they are the halves.
  size_t want(const Value* value, std::function<Gathering()> make, const Part& part = Part::all());
  /// One statistic of a kind, made anew for each device.
  template <class S, class... Arguments>
  size_t want(const Value* value, const Part& part, Arguments... arguments) {
    return want(
        value,
        [=] {
          Gathering one;
          one.statistics.push_back(std::make_unique<S>(arguments...));
          one.shown.push_back(one.statistics.back().get());
          return one;
        },
        part);
  }
  bool empty() const { return wishes_.empty(); }
  /// Shows the batches one after the other, on one device: for statistics that depend on the order.
  void keep_order() { in_order_ = true; }

  /// Runs the network once over the samples (those of parts that nobody wants are left out). Throws Data without samples, and
  /// what networks and statistics throw.
  void run(const DatasetPtr& samples);

  /// Of wish i, after `run`.
  const std::vector<std::unique_ptr<Statistic>>& statistics(size_t i) const { return shards_.at(0)->statistics(i); }
  template <class S>
  S& found(size_t i) const {
    return static_cast<S&>(*statistics(i).at(0));
  }
  /// The smallest batch that a device ended with.
  size_t batch_size() const { return batch_size_; }
  /// How the devices worked: "cuda:0: 14 batches by a recorded graph". Empty for one CPU.
  std::string description() const;

 private:
  struct Group {
    Part part;
    std::vector<bool> asleep;
  };
  std::vector<Group> groups() const;
  std::vector<at::Device> sharing() const;
  void run_group(const DatasetPtr& samples, const Group& group, size_t& done, size_t total);

  const Graph& graph_;
  LowerOptions lowering_;
  const RunContext& context_;
  std::string what_;
  std::vector<Wish> wishes_;
  std::vector<Part> parts_;  ///< of each wish
  std::vector<std::unique_ptr<SweepShard>> shards_;
  size_t batch_size_ = 0;
  bool in_order_ = false;
};

}  // namespace ppq
