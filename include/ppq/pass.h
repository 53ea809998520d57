#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ppq/dataset.h"
#include "ppq/executor.h"
#include "ppq/graph.h"
#include "ppq/platform.h"
#include "ppq/record.h"
#include "ppq/run_context.h"
#include "ppq/setting.h"

namespace ppq {

/// Calibration kept in a file, so that a run that was cut short need not read the samples again.
struct Checkpoint {
  std::string file;         ///< empty: none is written or read
  std::string fingerprint;  ///< of everything the numbers depend on; a file with another one is not used
  bool resume = false;      ///< read it if it is there and fits
};

class Reference;

/// What a pass may look at. Passes that only rewrite the graph need none of it.
struct PassContext : RunContext {
  const PlatformSpec* platform = nullptr;
  const QuantizationSetting* setting = nullptr;
  DatasetPtr calibration;  ///< samples for calibration, already limited to calib_steps
  bool verify = false;     ///< check the graph after each pass
  /// The float network that errors are measured against; null: effects of passes are not measured.
  const Graph* reference = nullptr;
  PassRecord* record = nullptr;  ///< of the pass that runs, for what only it can say
  Checkpoint checkpoint;
  /// The float outputs of the network as it was before any pass of quantization, kept once computed; null: passes that choose by
  /// error take those of the graph they are given.
  std::shared_ptr<Reference> outputs;
  /// A trial on a copy of the network: what is only for the record is left out, and candidates are judged by who tries them.
  bool trial = false;
};

/// A rewrite of the graph or of its quantization.
class Pass {
 public:
  virtual ~Pass() = default;
  /// "fuse-batch-norm".
  virtual const char* name() const = 0;
  /// Returns how many places it changed.
  virtual size_t run(Graph& graph, PassContext& context) = 0;
};

/// When a pass runs.
enum class Phase {
  CleanUp,   ///< when a model is loaded; its float outputs stay as they are
  Rewrite,   ///< before quantization is configured: what it leaves is the float network that errors are measured against
  Quantize,  ///< from configure-quantization on
};
/// What is no longer as it was observed before a pass.
enum class Changes {
  Nothing,  ///< no number that the simulated network computes
  Weights,  ///< weights and biases
  Values,   ///< what flows between the nodes of the float network
  Scheme,   ///< what is quantized, and on which scale; the float network stays
};

struct PassRow {
  std::string name, summary;
  Phase phase = Phase::Quantize;
  Changes changes = Changes::Values;
  /// Whether a job with this setting runs it, unless `ppq_torch.passes` says otherwise; null: only where that asks for it.
  std::function<bool(const QuantizationSetting&)> wanted;
  std::function<std::unique_ptr<Pass>()> make;
};
/// Every pass, in the usual order: a phase's rows, one behind the other, are its pipeline.
const std::vector<PassRow>& pass_table();
/// Null where there is none of that name.
const PassRow* find_pass(const std::string& name);
/// Puts a pass of one's own into the table, in front of the row named `before`, or (empty) at the end of its phase. From then on it
/// is a pass like the others: pipelines, `ppq_torch.passes`, `list passes` and reports know it by its name. Not while a job runs.
/// Throws Usage where the name is taken, or where `before` is unknown or of another phase.
void register_pass(PassRow row, const std::string& before = "");
/// A pass of the table, or of the platform's own. Throws Usage with candidates; `option` is what the error calls the place.
std::unique_ptr<Pass> make_pass(const std::string& name, const PlatformSpec* platform = nullptr, const std::string& option = "passes");

/// Runs passes in order; the one place that times them, reports progress, adds error context and verifies the graph.
std::vector<PassRecord> run_passes(Graph& graph, const std::vector<std::string>& names, PassContext& context);

/// Load-time clean-up, in order (spec/passes: constants, Identity, BatchNorm, dead code, …).
std::vector<std::string> cleanup_pipeline();
/// The same as `graph_format_setting` and `passes` want it.
std::vector<std::string> cleanup_pipeline(const QuantizationSetting& setting);
/// Before and after quantization is configured, as platform and setting want it, the platform's own passes among them.
std::vector<std::string> quantization_pipeline(const PlatformSpec& platform, const QuantizationSetting& setting);

/// Sets every node's `dispatch`: which nodes may be quantized, which stay float, which are shape-or-index arithmetic.
/// `dispatcher`: conservative, pointwise, allin, … Throws Usage with candidates.
Graph& dispatch_graph(Graph& graph, const PlatformSpec& platform, const std::string& dispatcher = "conservative");
Graph& dispatch_graph(Graph& graph, TargetPlatform platform, const std::string& dispatcher = "conservative");

}  // namespace ppq
