#pragma once

#include <c10/core/Device.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/error_analysis.h"
#include "analysis/histograms.h"
#include "analysis/mixed.h"
#include "graph/split_output.h"
#include "ppq/record.h"
#include "ppq/warning.h"

namespace ppq {

/// Everything one run has to say; `to_json` and `to_html` only lay it out.
struct Report {
  std::string version, model, platform, device, setting_json;
  size_t calibration_samples = 0, batch_size = 1;
  double calibration_seconds = 0;
  std::map<std::string, double> timing;  ///< load, optimize, calibrate, tune, analyze, export, total (seconds)
  size_t peak_rss_bytes = 0, peak_device_bytes = 0;
  Work work;
  ErrorAnalysis errors;
  std::vector<TensorHistogram> histograms;  ///< of the worst tensors
  std::string evaluated_on;                 ///< "held-out samples", "calibration samples"
  std::vector<PassRecord> passes;
  size_t encodings_written = 0;
  std::vector<std::string> encodings_missing;
  std::map<std::string, std::string> missing_reasons;
  std::vector<Warning> warnings;
  std::vector<std::pair<std::string, std::string>> options;  ///< what the job was told; items of a list with commas
  std::vector<std::pair<std::string, std::string>> preprocessing;
  std::vector<std::string> inputs;  ///< what the first batch of each input looks like
  size_t nodes = 0, quantized_nodes = 0;
  std::vector<OutputSplit> splits;            ///< outputs that the host joins
  std::optional<MixedPrecision> mixed;        ///< with --auto-mixed
  std::vector<LayerSensitivity> sensitivity;  ///< with `analyze --sensitivity`
};

std::string to_json(const Report& report);
/// One file, readable offline: no scripts or fonts from elsewhere.
std::string to_html(const Report& report);
/// The few lines a user reads at the end: agreement, worst tensors with a flag to try, encodings.
std::string to_summary(const Report& report);

/// Largest resident set of this process so far, in bytes.
size_t peak_rss_bytes();
/// Most memory that LibTorch's allocators held on these devices, summed, in bytes; 0 for the CPU.
size_t peak_device_bytes(const std::vector<at::Device>& devices);

}  // namespace ppq
