// The exporter of Qualcomm's targets: the float graph after the passes, and its encodings beside it.
#include "core/file.h"
#include "exporters/qualcomm/encoding.h"
#include "ppq/onnx.h"

namespace ppq {

ExportSummary write_encodings_table(const Graph& graph, const PlatformSpec& platform, const std::string& graph_path,
                                    const std::string& table_path, const ExportOptions& options) {
  ExportSummary summary;
  EncodingFile file{options.encodings, {}, float_nodes(graph)};
  file.encodings = collect_encodings(graph, options, summary.missing);
  for (const Encoding& entry : file.encodings) summary.written += !entry.floating || file.version != "2.0.0";
  const std::string text = encodings_to_json(file, platform);
  if (!graph_path.empty()) {
    write_onnx(graph, graph_path);
    summary.files.push_back(graph_path);
  }
  if (!table_path.empty()) {
    write_file(table_path, text);
    summary.files.push_back(table_path);
  }
  return summary;
}

}  // namespace ppq
