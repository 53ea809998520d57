#include "job/formats.h"

#include "ppq/error.h"

namespace ppq {

ExportOptions export_options(const std::string& encodings, const std::vector<std::string>& items) {
  ExportOptions options;
  options.set("encodings", encodings, "--encodings");
  for (const std::string& item : items) {
    const size_t equals = item.find('=');
    if (equals == std::string::npos) throw Error(ErrorKind::Usage, "--export-option", "got '" + item + "', expected NAME=VALUE");
    options.set(item.substr(0, equals), item.substr(equals + 1), "--export-option " + item.substr(0, equals));
  }
  return options;
}

std::string path_of(const ExporterRow& exporter, ExportFile::Kind kind, const std::string& folder) {
  for (const ExportFile& file : exporter.files)
    if (file.kind == kind) return folder + "/" + file.name;
  return "";
}

}  // namespace ppq
