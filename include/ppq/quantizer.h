#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ppq/dataset.h"
#include "ppq/executor.h"
#include "ppq/graph.h"
#include "ppq/pass.h"
#include "ppq/platform.h"
#include "ppq/setting.h"

namespace ppq {

using CollateFn = std::function<at::Tensor(const at::Tensor&)>;

/// Quantizes a graph for a platform: PPQ's workflow, name for name.
class Quantizer {
 public:
  Quantizer(Graph& graph, TargetPlatform platform);
  /// For a target that need not be in the table.
  Quantizer(Graph& graph, const PlatformSpec& platform);

  /// Configures quantization, runs the pipeline of passes with the samples, and returns the graph. `inputs` are used
  /// once to trace shapes (zeros are fine). calib_steps outside 8..512 warns with the reason. Throws Data, Unsupported, …
  Graph& quantize(const Tensors& inputs, DatasetPtr calib_dataloader, TorchExecutor& executor, const QuantizationSetting& setting,
                  size_t calib_steps = 32, CollateFn collate_fn = nullptr);
  Graph& quantize(const at::Tensor& inputs, const std::vector<at::Tensor>& calib_dataloader, TorchExecutor& executor,
                  const QuantizationSetting& setting, size_t calib_steps = 32, CollateFn collate_fn = nullptr);

  /// 0 chooses the batch size (and proves that the graph allows it).
  void set_batch_size(size_t batch) { batch_size_ = batch; }
  /// Check the graph after every pass.
  void set_verify(bool verify) { verify_ = verify; }
  void set_progress(Progress progress) { progress_ = std::move(progress); }
  const std::vector<PassRecord>& passes() const { return records_; }
  const std::vector<Warning>& warnings() const { return warnings_; }
  /// Memory for the activations of one batch when the batch size is chosen; 0: a default.
  void set_max_memory(size_t bytes) { max_memory_ = bytes; }
  /// Devices that share the samples of a calibration; the executor's own does the rest. Empty: the executor's alone.
  void set_devices(std::vector<at::Device> devices) { devices_ = std::move(devices); }
  /// CUDA: record a batch of a calibration as a graph and replay it (on unless switched off).
  void set_device_graphs(bool use) { device_graphs_ = use; }
  /// Keep the calibration in a file, and read it from there (see Checkpoint).
  void set_checkpoint(Checkpoint checkpoint) { checkpoint_ = std::move(checkpoint); }
  /// How often samples went through networks in the last `quantize`; null before.
  const std::shared_ptr<Work>& work() const { return run_.work; }
  /// How the last `quantize` ran networks: device, batch size, memory, work.
  const RunContext& run_context() const { return run_; }
  size_t batch_size() const { return batch_size_; }
  size_t samples() const { return samples_; }

  /// The float network the quantized one is measured against: after clean-up and structural passes (equalization),
  /// before anything was rounded. Its intermediate tensors are comparable name by name. Null before `quantize`.
  const Graph* reference() const { return reference_.get(); }
  /// The network as it was handed in.
  const Graph* original() const { return original_.get(); }

  /// PPQ's "Network Snapshot" text.
  std::string report() const;

 private:
  Graph* graph_;
  std::shared_ptr<const PlatformSpec> platform_;
  size_t batch_size_ = 0, samples_ = 0, max_memory_ = 0;
  std::unique_ptr<Graph> original_, reference_;
  bool verify_ = false, device_graphs_ = true;
  std::vector<at::Device> devices_;
  Checkpoint checkpoint_;
  Progress progress_;
  RunContext run_;
  std::vector<PassRecord> records_;
  std::vector<Warning> warnings_;
};

/// Writes the deployment for a platform by its exporters: the graph to `graph_save_to` (".onnx" is added when no suffix is
/// there) and the parameter table to `config_save_to`; without the latter the graph alone. Files are written beside and renamed
/// when whole.
void export_ppq_graph(const Graph& graph, const PlatformSpec& platform, const std::string& graph_save_to,
                      const std::string& config_save_to = "");
void export_ppq_graph(const Graph& graph, TargetPlatform platform, const std::string& graph_save_to,
                      const std::string& config_save_to = "");

}  // namespace ppq
