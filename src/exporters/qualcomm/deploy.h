#pragma once

#include <string>
#include <vector>

#include "exporters/exporter.h"
#include "ppq/dataset.h"

namespace ppq {

/// The text of DEPLOY.md: the exact commands of Qualcomm's tools for this graph, platform and encodings version, and the
/// traps that apply to this model. The commands are to be run in the output folder.
std::string deploy_guide(const Graph& graph, const PlatformSpec& platform, const ExportOptions& given);

/// Writes the first `count` samples as headerless float32 files under `folder`/raw and `folder`/input_list.txt that names
/// them (relative to `folder`; `name:=path` where there are several inputs; without # and % lines, so that calibration
/// gives every tensor an encoding). NHWC turns channels-first inputs of rank 4 and 5. Returns how many were written.
size_t write_raw_samples(const Dataset& dataset, const std::vector<InputSpec>& inputs, const std::string& folder, Layout layout,
                         size_t count);

/// Where the raw file of an input lies in the folder: "raw/000007.raw", or "raw/left_eye/000007.raw" of several inputs.
std::string raw_sample_path(const std::string& input, bool several, size_t index);

}  // namespace ppq
