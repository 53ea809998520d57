#pragma once

#include <string>
#include <vector>

#include "exporters/exporter.h"

namespace ppq {

/// What exporters are told by --encodings and --export-option. Throws Usage on what is not NAME=VALUE.
ExportOptions export_options(const std::string& encodings, const std::vector<std::string>& items);

/// The path of an exporter's file in an output folder; empty where it has none of the kind.
std::string path_of(const ExporterRow& exporter, ExportFile::Kind kind, const std::string& folder);

}  // namespace ppq
