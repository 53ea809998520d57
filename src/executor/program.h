#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ops/op.h"
#include "ppq/executor.h"

namespace ppq {

constexpr int kNoSlot = -1;

/// One step of a program: reads slots, writes slots, then lets the slots that nobody reads any more go.
struct Step {
  ops::Kernel kernel;
  std::vector<int> inputs, outputs;  ///< slots; kNoSlot for absent or unused ones
  std::vector<int> dies;             ///< input slots with no reader after this step
  std::vector<int> dies_unread;      ///< output slots that no step reads
  std::string where;                 ///< "conv1 (Conv)", for messages
  std::string makes;                 ///< name of its first output, or ""
};

/// A value to report: after step `after` (-1: before the first), slot `slot` goes to the watcher as `index`.
struct Watch {
  int after;
  int slot;
  size_t index;
};

struct ProgramInput {
  std::string name;
  int slot;
  DataType dtype;
  std::optional<Shape> shape;
};

class Program {
 public:
  at::Device device = at::kCPU;
  std::vector<Step> steps;
  /// What every run starts from: constants in their slots, the rest undefined.
  std::vector<at::Tensor> initial;
  std::vector<ProgramInput> inputs;
  std::vector<std::pair<std::string, int>> outputs;
  std::vector<Watch> watches;  ///< ordered by `after`
};

/// Runs steps over a frame of slots that holds the inputs already.
void run_steps(const Program& program, std::vector<at::Tensor>& frame, const Watcher& watcher);

/// A run that stops at each watched value, so that several networks can run in step with each other and nothing need be kept
/// longer than until all of them have come by. Throws as `run` does.
class SteppedRun {
 public:
  struct Watched {
    size_t index;  ///< in LowerOptions::watch
    at::Tensor value;
  };
  /// `program` outlives it.
  SteppedRun(const Program& program, const Tensors& inputs);
  /// Runs on to the next watched value; nullopt: to the end.
  std::optional<Watched> next();
  /// Runs to the end.
  Tensors outputs();

 private:
  const Program* program_;
  std::vector<at::Tensor> frame_;
  size_t step_ = 0, next_watch_ = 0;
};

/// Called with the index of a watched value and what it is in each batch.
using SideBySideWatcher = std::function<void(size_t index, const Tensors& values)>;
/// Runs several batches side by side, every step for all of them before the next one: for a watcher that looks at all samples
/// before any step reads on. Takes the memory of one batch of them all. Throws as `run` does.
void run_side_by_side(const Program& program, const std::vector<Tensors>& batches, const SideBySideWatcher& watcher);

/// As `lower`, with host and device told apart even where the device is the CPU: what a program for another device does, with
/// its copies, on any machine.
std::shared_ptr<const Program> lower_with_host_apart(const Graph& graph, const LowerOptions& options);

/// CUDA: cuDNN chooses its algorithms without trying them, and no TF32 unless `allow_tf32` said so.
void prepare_device(at::Device device);
/// Whether two-dimensional convolutions are quicker with their channels last: on CPUs, and on a GPU with TF32. In float32 proper an
/// H200 is a sixth quicker with NCHW (docs/gpu.md).
bool prefers_channels_last(at::Device device);

/// Kernel of If, Loop or Scan; null for other nodes. Its inputs are the node's own, then `captured` values by name.
ops::Kernel make_control_flow(const Node& node, int64_t opset, const std::vector<std::string>& captured, const Graph& scope,
                              at::Device device);
bool is_control_flow(const Node& node);
/// Lowers a sub-graph: inputs are its own, then `captured` outer values. `root` has the opsets.
std::shared_ptr<const Program> lower_subgraph(const Graph& body, const Graph& root, const std::vector<std::string>& captured,
                                              at::Device device);

}  // namespace ppq
