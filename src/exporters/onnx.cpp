// The graph alone, as the passes left it.
#include "ppq/onnx.h"
#include "exporters/qualcomm/encoding.h"

namespace ppq {

ExportSummary write_graph_only(const Graph& graph, const PlatformSpec&, const std::string& graph_path, const std::string&,
                               const ExportOptions&) {
  ExportSummary summary;
  if (!graph_path.empty()) {
    write_onnx(graph, graph_path);
    summary.files.push_back(graph_path);
  }
  return summary;
}

}  // namespace ppq
