#include <algorithm>

#include "exporters/exporters.h"
#include "ppq/error.h"

namespace ppq {
namespace {

/// The platform's own before the table's.
std::vector<const ExporterRow*> exporters_of(const PlatformSpec* platform) {
  std::vector<const ExporterRow*> rows;
  if (platform) rows = platform->own_exporters;
  for (const ExporterRow& row : exporter_table()) rows.push_back(&row);
  return rows;
}

}  // namespace

const std::vector<ExporterRow>& exporter_table() {
  static const std::vector<ExporterRow> rows = {
      exporters::encodings(),     exporters::onnx(),     exporters::onnx_qdq(),      exporters::onnx_qoperator(), exporters::ncnn_table(),
      exporters::tensorrt_json(), exporters::ppq_json(), exporters::ppl_cuda_json(), exporters::tengine_scale(),  exporters::mnn_json(),
      exporters::ascend_record(), exporters::nxp(),      exporters::snpe_json()};
  return rows;
}

bool ExporterRow::writes(ExportFile::Kind kind) const {
  return std::any_of(files.begin(), files.end(), [&](const ExportFile& file) { return file.kind == kind; });
}

const ExporterRow& find_exporter(const std::string& name, const PlatformSpec* platform, const std::string& option) {
  std::vector<std::string> names;
  for (const ExporterRow* row : exporters_of(platform)) {
    if (name == row->name) return *row;
    names.push_back(row->name);
  }
  throw Error(ErrorKind::Usage, option, "no such exporter: got '" + name + "'", did_you_mean(name, names));
}

void check_options(const ExportOptions& options, const PlatformSpec* platform) {
  OptionReader reader(options);
  for (const ExporterRow* row : exporters_of(platform))
    if (row->options) row->options(reader);
  for (const auto& [name, given] : options.given())
    if (std::find(reader.names().begin(), reader.names().end(), name) == reader.names().end())
      throw Error(ErrorKind::Usage, given.said, "no exporter has an option '" + name + "'", did_you_mean(name, reader.names()));
}

std::string deployment_guide(const Graph& graph, const PlatformSpec& platform, const std::vector<std::string>& exporters,
                             const ExportOptions& options) {
  std::string text, files;
  for (const std::string& name : exporters) {
    const ExporterRow& row = find_exporter(name, &platform);
    if (row.guide) text += (text.empty() ? "" : "\n") + row.guide(graph, platform, options);
    for (const ExportFile& file : row.files) files += "- `" + file.name + "`: " + file.what + "\n";
  }
  if (!text.empty()) return text;
  return "# Deploying on " + platform.name + "\n\n" + files;
}

}  // namespace ppq
