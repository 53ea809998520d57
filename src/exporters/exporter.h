#pragma once

#include <map>
#include <string>
#include <vector>

#include "exporters/export_options.h"
#include "ppq/graph.h"
#include "ppq/platform.h"

namespace ppq {

struct ExportSummary {
  size_t written = 0;                          ///< encodings in the table
  std::vector<std::string> missing;            ///< tensors of the exported graph (activations and parameters) that have none
  std::map<std::string, std::string> reasons;  ///< why, of those of them where it is known
  std::vector<std::string> files;
};

/// A file that an exporter writes.
struct ExportFile {
  enum class Kind {
    Graph,   ///< at the graph's path
    Table,   ///< at the table's path
    Beside,  ///< in the table's folder: under the table's name with another ending, or under its own
  };
  Kind kind;
  std::string name;  ///< in an output folder: "quantized.table"
  std::string what;
};

struct ExporterRow {
  const char* name;  ///< "encodings", "onnx"
  const char* summary;
  std::vector<ExportFile> files;
  void (*options)(OptionVisitor& visitor);  ///< visits its options; null: it has none
  /// Writes the files whose paths are not empty.
  ExportSummary (*write)(const Graph& graph, const PlatformSpec& platform, const std::string& graph_path, const std::string& table_path,
                         const ExportOptions& options);
  /// What to do with the files, as Markdown with the exact commands; null: nothing to say.
  std::string (*guide)(const Graph& graph, const PlatformSpec& platform, const ExportOptions& options);
  /// Throws Unsupported, before any work, for a target whose usual data the format cannot say; null: it takes any.
  void (*require)(const PlatformSpec& platform) = nullptr;
  /// Says each input and output of a node by itself; others hold one quantization a tensor.
  bool every_slot = false;
  bool writes(ExportFile::Kind kind) const;
};
const std::vector<ExporterRow>& exporter_table();
/// Of the platform's own or of the table. Throws Usage with candidates; `option` is what the error calls the place.
const ExporterRow& find_exporter(const std::string& name, const PlatformSpec* platform = nullptr, const std::string& option = "export");

/// Throws Usage with candidates for options that no exporter has, and for values that an option cannot have.
void check_options(const ExportOptions& options, const PlatformSpec* platform = nullptr);

/// The text of DEPLOY.md: what the exporters have to say of the files in the output folder.
std::string deployment_guide(const Graph& graph, const PlatformSpec& platform, const std::vector<std::string>& exporters,
                             const ExportOptions& options);

/// Reads a table into the graph's quantization: encodings JSON of any version, PPQ's configuration JSON, TensorRT's ranges, or the pairs of
/// a network with QuantizeLinear and DequantizeLinear (.onnx). Throws Data when it is malformed or names no tensor of this graph (with the
/// nearest names). `fixed` marks them as given by the user.
struct EncodingsRead {
  size_t applied = 0;
  std::vector<std::string> unknown;  ///< names in the file that the graph does not have
};
EncodingsRead read_encodings(Graph& graph, const PlatformSpec& platform, const std::string& path, bool fixed);
/// Names of the formats that it reads, and the one that a file is in.
const std::vector<std::string>& table_formats();
std::string table_format(const std::string& path);

}  // namespace ppq
