// The exporter of Qualcomm's targets: the float graph after the passes, and its encodings beside it.
#include "core/file.h"
#include "exporters/exported_tensors.h"
#include "exporters/exporters.h"
#include "exporters/qualcomm/deploy.h"
#include "exporters/qualcomm/encoding.h"
#include "ppq/onnx.h"

namespace ppq::exporters {
namespace {

ExportSummary write(const Graph& graph, const PlatformSpec& platform, const std::string& graph_path, const std::string& table_path,
                    const ExportOptions& given) {
  const auto options = read_options<EncodingsOptions>(given);
  ExportSummary summary;
  std::string text;  // before any file: what cannot be said in encodings leaves none
  if (!table_path.empty()) {
    EncodingFile file{options.encodings, {}, float_nodes(graph)};
    file.encodings = collect_encodings(graph, options, summary);
    for (const Encoding& entry : file.encodings) summary.written += !entry.floating || !is_version_2(file.version);
    text = encodings_to_json(file, platform);
  }
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

}  // namespace

ExporterRow encodings() {
  return {"encodings",
          "float ONNX graph and Qualcomm encodings JSON (0.6.1, 1.0.0, 2.0.0, 2.1.0) for SNPE, QNN and QAIRT",
          {{ExportFile::Kind::Graph, "quantized.onnx", "the network in float, with the weights that the passes left"},
           {ExportFile::Kind::Table, "quantized.table", "encodings JSON for --quantization_overrides"}},
          visit_options<EncodingsOptions>,
          write,
          deploy_guide};
}

}  // namespace ppq::exporters
