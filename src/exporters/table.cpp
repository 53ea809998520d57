#include <filesystem>

#include "core/log.h"
#include "exporters/qualcomm/encoding.h"
#include "ppq/error.h"
#include "ppq/quantizer.h"

namespace ppq {

const std::vector<ExporterRow>& exporter_table() {
  static const std::vector<ExporterRow> rows = {
      {"encodings", "float ONNX graph and Qualcomm encodings JSON (0.6.1, 1.0.0, 2.0.0) for SNPE, QNN and QAIRT", write_encodings_table},
      {"onnx", "the ONNX graph alone, after the passes", write_graph_only},
  };
  return rows;
}

const ExporterRow& find_exporter(const std::string& name) {
  std::vector<std::string> names;
  for (const ExporterRow& row : exporter_table()) {
    if (name == row.name) return row;
    names.push_back(row.name);
  }
  throw Error(ErrorKind::Usage, "--export", "no such exporter: got '" + name + "'", did_you_mean(name, names));
}

void export_ppq_graph(const Graph& graph, TargetPlatform platform, const std::string& graph_save_to, const std::string& config_save_to) {
  const PlatformSpec& spec = find_platform(platform);
  std::filesystem::path graph_path(graph_save_to);
  const std::string suffix = graph_path.extension().string();
  if (!graph_path.empty() && suffix != ".onnx" && suffix != ".pb") graph_path += ".onnx";
  const ExporterRow& exporter = find_exporter(config_save_to.empty() ? "onnx" : "encodings");
  const ExportSummary summary = exporter.write(graph, spec, graph_path.string(), config_save_to, {});
  for (const std::string& file : summary.files) log_info("written: " + file);
}

}  // namespace ppq
