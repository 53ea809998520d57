#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ppq/graph.h"
#include "ppq/tensors.h"

namespace ppq {

/// "auto" (CUDA when it works, else CPU), "cpu", "cuda", "cuda:N". An explicit cuda that cannot work throws Unsupported.
/// `option` is what errors call the place.
at::Device resolve_device(const std::string& name, const std::string& option = "device");
/// The same, and "cuda:0,1" for several devices of one machine, the first of which does what is not shared out.
std::vector<at::Device> resolve_devices(const std::string& name, const std::string& option = "device");
/// Whether products and convolutions of float32 on CUDA may use TF32, with 10 bits of mantissa: faster, but no longer the
/// float network that quantization is compared with. Off until this is called; for the whole process.
void allow_tf32(bool allowed);

enum class ExecutionMode {
  Float,      ///< quantization is ignored (baked weights stay baked)
  Simulated,  ///< every simulated slot is fake-quantized
};

/// Called with the index into `LowerOptions::watch` and the value just computed, before any fake quantization.
using Watcher = std::function<void(size_t index, const at::Tensor& value)>;

struct LowerOptions {
  ExecutionMode mode = ExecutionMode::Float;
  at::Device device = at::kCPU;
  /// Values to report while running; a fused step never hides them.
  std::vector<const Value*> watch;
  /// Report watched values after the fake quantization of their producer instead of before.
  bool watch_quantized = false;
  /// What `run` returns; empty means the graph's outputs.
  std::vector<const Value*> outputs;
  /// Parameters (weights, biases) quantized in Float mode too, as calibration wants it.
  bool quantize_parameters = false;
};

/// The lowered graph: steps in execution order, each with its kernel, input and output slots, and the slots that die
/// there. Made by `lower`, immutable afterwards. It keeps no pointer into the graph.
class Program;
std::shared_ptr<const Program> lower(const Graph& graph, const LowerOptions& options);
/// Runs the program: inputs in graph order (moved to the program's device). Throws Data on a wrong count, dtype or shape,
/// Model or Unsupported from a step, each naming the node. Thread-safe.
Tensors run(const Program& program, const Tensors& inputs, const Watcher& watcher = nullptr);
/// Bytes of the largest live set in the last measured run (activations only); for choosing a batch size.
size_t live_bytes(const Program& program, const Tensors& inputs);
/// Lets the device's allocator take `bytes` in one piece and keep them, so that the tensors to come are cut from it. Nothing is
/// taken on the CPU. Throws Resource where the device does not have them.
void reserve_memory(at::Device device, size_t bytes);

class RepeatedProgram;

/// Throws one Unsupported error that lists every node whose operator is not known, with its opset.
void check_supported(const Graph& graph);
/// Every such node: "name (domain.Type, opset 18)".
std::vector<std::string> unsupported_nodes(const Graph& graph);

/// Runs a graph; PPQ's name and workflow. Lowers on first use and after `load_graph`.
class TorchExecutor {
 public:
  TorchExecutor(Graph& graph, const std::string& device = "auto");
  TorchExecutor(Graph& graph, at::Device device);

  /// Simulated quantization where the graph has it, float elsewhere.
  Tensors forward(const Tensors& inputs);
  Tensors forward(const at::Tensor& input) { return forward(Tensors{input}); }
  Tensors operator()(const Tensors& inputs) { return forward(inputs); }
  /// Float, ignoring quantization.
  Tensors forward_float(const Tensors& inputs);
  /// Runs once and writes the shapes and dtypes seen into the graph's values (where the declared ones are unknown).
  void tracing_operation_meta(const Tensors& inputs);
  /// Forget lowered programs: the graph changed.
  void load_graph(Graph& graph);
  /// CUDA: record runs that come again with inputs of one shape as a graph, and replay it (on unless switched off).
  void set_device_graphs(bool use);

  Graph& graph() const { return *graph_; }
  at::Device device() const { return device_; }

 private:
  Graph* graph_;
  at::Device device_;
  bool device_graphs_ = true;
  std::shared_ptr<RepeatedProgram> simulated_, float_;
  Tensors run_repeatedly(std::shared_ptr<RepeatedProgram>& program, ExecutionMode mode, const Tensors& inputs);
};

}  // namespace ppq
