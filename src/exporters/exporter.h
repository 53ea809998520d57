#pragma once

#include <map>
#include <string>
#include <vector>

#include "ppq/graph.h"
#include "ppq/platform.h"

namespace ppq {

struct ExportOptions {
  std::string encodings = "0.6.1";  ///< 0.6.1, 1.0.0, 2.0.0
  bool int32_bias = true;           ///< int32 bias entries where the version's reader needs them (2.0.0)
};

struct ExportSummary {
  size_t written = 0;                ///< encodings in the table
  std::vector<std::string> missing;  ///< tensors of the exported graph (activations and parameters) that have none
  std::vector<std::string> files;
};

struct ExporterRow {
  const char* name;  ///< "encodings", "onnx"
  const char* summary;
  ExportSummary (*write)(const Graph& graph, const PlatformSpec& platform, const std::string& graph_path, const std::string& table_path,
                         const ExportOptions& options);
};
const std::vector<ExporterRow>& exporter_table();
/// Throws Usage with candidates.
const ExporterRow& find_exporter(const std::string& name);

/// Reads an encodings JSON of any version (0.6.1, 1.0.0, 2.0.0) into the graph's quantization. Throws Data when it is
/// malformed or names no tensor of this graph (with the nearest names). `fixed` marks them as given by the user.
struct EncodingsRead {
  size_t applied = 0;
  std::vector<std::string> unknown;  ///< names in the file that the graph does not have
};
EncodingsRead read_encodings(Graph& graph, const PlatformSpec& platform, const std::string& path, bool fixed);

}  // namespace ppq
