#include <filesystem>

#include "core/log.h"
#include "exporters/exporter.h"
#include "ppq/quantizer.h"

namespace ppq {
namespace {

using Kind = ExportFile::Kind;

std::string with_suffix(std::filesystem::path path) {
  const std::string suffix = path.extension().string();
  if (!path.empty() && suffix != ".onnx" && suffix != ".pb") path += ".onnx";
  return path.string();
}

}  // namespace

void export_ppq_graph(const Graph& graph, TargetPlatform platform, const std::string& graph_save_to, const std::string& config_save_to) {
  export_ppq_graph(graph, find_platform(platform), graph_save_to, config_save_to);
}

void export_ppq_graph(const Graph& graph, const PlatformSpec& platform, const std::string& graph_save_to,
                      const std::string& config_save_to) {
  std::vector<const ExporterRow*> rows;
  for (const std::string& name : platform.exporters) rows.push_back(&find_exporter(name, &platform));
  for (size_t i = 0; i < rows.size(); ++i) {
    // Of several that write the graph the last one's is kept.
    bool last = true;
    for (size_t k = i + 1; k < rows.size(); ++k) last &= !rows[k]->writes(Kind::Graph);
    const std::string graph_path = last && rows[i]->writes(Kind::Graph) ? with_suffix(graph_save_to) : "";
    const std::string table_path = rows[i]->writes(Kind::Table) ? config_save_to : "";
    if (graph_path.empty() && table_path.empty()) continue;
    const ExportSummary summary = rows[i]->write(graph, platform, graph_path, table_path, {});
    for (const std::string& file : summary.files) log_info("written: " + file);
  }
}

}  // namespace ppq
