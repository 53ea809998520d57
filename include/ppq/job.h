#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ppq/dataset.h"
#include "ppq/graph.h"
#include "ppq/progress.h"
#include "ppq/record.h"
#include "ppq/warning.h"

namespace ppq {

/// What a job is told. Each field is the option of `ppq_torch quantize` with that name (`calib_steps`: --calib-steps) and has its
/// default; the text of --help describes them (src/job/options.h has the list). Empty: not given.
struct JobOptions {
  std::string model, calib, platform, eval, output;
  std::string device = "auto";
  bool allow_tf32 = false, no_cuda_graphs = false;
  int64_t calib_steps = kCalibSteps, batch_size = 0;
  std::string max_memory = "0";

  std::string setting, observer;
  std::vector<std::string> passes, keep_float, bits;
  std::string auto_mixed, dispatch, overrides;
  std::vector<std::string> split_output;
  bool verify = false;
  int64_t seed = 0;

  std::vector<std::string> export_formats;  ///< --export
  std::string encodings = "0.6.1";
  std::vector<std::string> export_option;
  std::string save_graph, save_table, raw_samples;
  int64_t layerwise_samples = 2;
  bool resume = false;

  DataOptions data;  ///< how files become samples: --input-shape, --mean, …

  static constexpr int64_t kCalibSteps = 512;
};

/// What a job would do.
struct JobPlan {
  size_t nodes = 0;  ///< after clean-up
  std::string platform;
  size_t calibration_samples = 0, evaluation_samples = 0;
  std::string evaluated_on;
  std::vector<std::string> passes;
  std::string output;
};

/// What a job gave. Its files lie in `output`.
struct JobResult {
  std::unique_ptr<Graph> graph;     ///< quantized
  std::string output;               ///< folder
  std::vector<std::string> files;   ///< names in it
  std::string report;               ///< report.json
  std::string summary;              ///< the few lines that a user reads at the end
  std::vector<PassRecord> records;  ///< what each pass did
  std::vector<Warning> warnings;
};

/// Everything that `ppq_torch quantize` does: reads the model and the samples, holds some back, quantizes, measures, and writes the
/// graph, its parameter table, the setting, the guide and the report. Errors call options by the names of the command line.
class Job {
 public:
  /// Throws Usage on options that cannot be.
  explicit Job(JobOptions options);
  ~Job();
  Job(const Job&) = delete;

  /// `progress` of long steps; `say` gets lines worth reading on the way, `detail` those for the curious. Null is fine.
  void on_progress(Progress progress);
  void on_say(std::function<void(const std::string&)> say, std::function<void(const std::string&)> detail = nullptr);

  /// Reads model and samples, and computes nothing. Throws Usage, Model, Data, Unsupported.
  JobPlan plan();
  /// The whole job, once. Where it throws (Write too), no file is left half written and no new empty folder stays.
  JobResult run();

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

}  // namespace ppq
