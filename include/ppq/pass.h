#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ppq/dataset.h"
#include "ppq/executor.h"
#include "ppq/graph.h"
#include "ppq/platform.h"
#include "ppq/progress.h"
#include "ppq/record.h"
#include "ppq/setting.h"

namespace ppq {

/// Calibration kept in a file, so that a run that was cut short need not read the samples again.
struct Checkpoint {
  std::string file;         ///< empty: none is written or read
  std::string fingerprint;  ///< of everything the numbers depend on; a file with another one is not used
  bool resume = false;      ///< read it if it is there and fits
};

/// What a pass may look at. Passes that only rewrite the graph need none of it.
struct PassContext {
  const PlatformSpec* platform = nullptr;
  const QuantizationSetting* setting = nullptr;
  DatasetPtr calibration;  ///< samples for calibration, already limited to calib_steps
  size_t batch_size = 1;
  size_t max_memory = 0;  ///< bytes for the activations of one batch; 0: the pass's own limit
  at::Device device = at::kCPU;
  std::vector<at::Device> devices;  ///< that share the samples of a calibration; empty: `device` alone
  bool device_graphs = true;        ///< CUDA: record a batch of a calibration as a graph and replay it for batches of its shape
  Progress progress;
  std::vector<std::string>* warnings = nullptr;
  bool verify = false;  ///< check the graph after each pass
  /// The float network that errors are measured against; null: effects of passes are not measured.
  const Graph* reference = nullptr;
  PassRecord* record = nullptr;  ///< of the pass that runs, for what only it can say
  Checkpoint checkpoint;
  void warn(std::string text) const {
    if (warnings) warnings->push_back(std::move(text));
  }
};

/// A rewrite of the graph or of its quantization.
class Pass {
 public:
  virtual ~Pass() = default;
  /// The CLI's word: "fuse-batch-norm".
  virtual const char* name() const = 0;
  /// Returns how many places it changed.
  virtual size_t run(Graph& graph, PassContext& context) = 0;
};

struct PassRow {
  const char* name;
  const char* summary;
  std::unique_ptr<Pass> (*make)();
};
/// Every pass, in the usual order.
const std::vector<PassRow>& pass_table();
/// Throws Usage with candidates.
std::unique_ptr<Pass> make_pass(const std::string& name);

/// Runs passes in order; the one place that times them, reports progress, adds error context and verifies the graph.
std::vector<PassRecord> run_passes(Graph& graph, const std::vector<std::string>& names, PassContext& context);

/// Load-time clean-up, in order (spec/passes: constants, Identity, BatchNorm, dead code, …).
std::vector<std::string> cleanup_pipeline();
/// The same without what `graph_format_setting` or `--passes -NAME` switch off.
std::vector<std::string> cleanup_pipeline(const QuantizationSetting& setting);
/// Before and after quantization is configured, as platform and setting want it.
std::vector<std::string> quantization_pipeline(const PlatformSpec& platform, const QuantizationSetting& setting);

/// Sets every node's `dispatch`: which nodes may be quantized, which stay float, which are shape-or-index arithmetic.
/// `dispatcher`: conservative, pointwise, allin, … Throws Usage with candidates.
Graph& dispatch_graph(Graph& graph, TargetPlatform platform, const std::string& dispatcher = "conservative");

}  // namespace ppq
