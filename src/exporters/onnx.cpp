// The graph alone, as the passes left it.
#include "ppq/onnx.h"
#include "exporters/exporters.h"

namespace ppq::exporters {
namespace {

ExportSummary write(const Graph& graph, const PlatformSpec&, const std::string& graph_path, const std::string&, const ExportOptions&) {
  ExportSummary summary;
  if (!graph_path.empty()) {
    write_onnx(graph, graph_path);
    summary.files.push_back(graph_path);
  }
  return summary;
}

}  // namespace

ExporterRow onnx() {
  return {"onnx",
          "the ONNX graph alone, after the passes",
          {{ExportFile::Kind::Graph, "quantized.onnx", "the network in float, with the weights that the passes left"}},
          /*options=*/nullptr,
          write,
          /*guide=*/nullptr,
          /*require=*/nullptr,
          /*every_slot=*/true};
}

}  // namespace ppq::exporters
