#include "commands.h"
#include "core/log.h"
#include "exporters/exporter.h"
#include "job/export_table.h"

namespace ppq::app {
namespace {

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

CommandLine declare() {
  CommandLine line("export", "Write a table of one tool as another's, without samples");
  line.group("Job")("model", "the float model that the table is for, or one with QuantizeLinear and DequantizeLinear",
                    cxxopts::value<std::string>())(
      "table", "the table; left out, the model's own QuantizeLinear and DequantizeLinear are read", cxxopts::value<std::string>())(
      "from", "the table's format, checked against the file: " + joined(table_formats(), ", "), cxxopts::value<std::string>())(
      "to", "formats to write, comma separated (see `ppq_torch list exporters`)", cxxopts::value<std::vector<std::string>>())(
      "platform",
      "the target whose rules say what the table does not, operators that are computed in integers among them (default: as the table "
      "looks, and every operator that it names)",
      cxxopts::value<std::string>())("output", "folder to write", cxxopts::value<std::string>());
  line.group("Output")("encodings", "version of encodings JSON: 0.6.1, 1.0.0, 2.0.0 or 2.1.0",
                       cxxopts::value<std::string>()->default_value("0.6.1"))(
      "export-option", "NAME=VALUE: an option of an exporter (repeatable)", cxxopts::value<std::vector<std::string>>());
  line.group("Data")("input-shape", "name:1x3x224x224; fixes symbolic dimensions (repeatable)", cxxopts::value<std::vector<std::string>>());
  line.add_common();
  return line;
}

void name(const std::vector<std::string>& names, const std::string& what, void (*log)(const std::string&)) {
  if (!names.empty()) log(std::to_string(names.size()) + " " + what + ": " + joined(names, ", "));
}

}  // namespace

int export_command(const Args& args) {
  CommandLine line = declare();
  if (!line.parse(args)) return 0;
  apply_threads(line);
  ExportTableOptions options;
  options.model = line.required("model"), options.output = line.required("output");
  for (auto [option, value] : {std::pair("table", &options.table), {"from", &options.from}, {"platform", &options.platform}})
    if (line.has(option)) *value = line.text(option);
  options.to = line.list("to"), options.export_option = line.list("export-option");
  options.encodings = line.text("encodings");
  read_words(options.input_shapes, line.list("input-shape"), "--input-shape");
  const ExportTableResult result = export_table(options);
  log_info("read " + result.from + ": " + std::to_string(result.applied) + " entries, by the rules of " + result.platform);
  name(result.unknown, "names of the table are not in the model", log_warning);
  name(result.left, "QuantizeLinear and DequantizeLinear stay as they are", log_warning);
  name(result.in_float, "tensors have no entry and stay float", log_info);
  log_info("wrote " + options.output + "/: " + joined(result.files, " "));
  return 0;
}

}  // namespace ppq::app
