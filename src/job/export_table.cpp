#include "job/export_table.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "exporters/exported_tensors.h"
#include "exporters/exporter.h"
#include "exporters/qdq_read.h"
#include "exporters/share_equal.h"
#include "graph/quant_slots.h"
#include "graph/readers.h"
#include "job/formats.h"
#include "job/model.h"
#include "ops/op_facts.h"
#include "ppq/error.h"
#include "ppq/executor.h"
#include "ppq/platform.h"

namespace ppq {
namespace {

namespace fs = std::filesystem;

const char* const kPairs = "onnx-qdq";

/// Whose table it looks like: PPQ's names the platform, ranges of activations are TensorRT's, Qualcomm's DSP has no signed weights.
const PlatformSpec& likely_platform(const std::string& table, const std::string& format) {
  if (format == kPairs) return find_platform(TargetPlatform::ONNXRUNTIME);
  if (format == "tensorrt-json") return find_platform(TargetPlatform::TRT_INT8);
  const auto json = nlohmann::json::parse(read_file(table), nullptr, /*allow_exceptions=*/false);
  if (format == "ppq-json") {
    const nlohmann::json platforms = json.value("dispatchings", nlohmann::json::object());
    for (const auto& [node, platform] : platforms.items())
      if (platform.is_string())
        for (const PlatformSpec& spec : platform_table())
          if (parse_target_platform(platform.get<std::string>()) == spec.id) return spec;
    return find_platform(TargetPlatform::QNN_DSP_INT8);
  }
  // Whatever the version: entries with these words.
  const std::string text = json.dump();
  const auto says = [&](const char* words) { return text.find(words) != std::string::npos; };
  if (says("\"uint16\"") || says("\"bitwidth\":16") || says("\"bw\":16")) return find_platform(TargetPlatform::QNN_HTP_A16W8);
  const bool is_signed = says("\"is_symmetric\":\"True\"") || says("\"is_sym\":true") || says("\"int8\"") || says("\"int4\"");
  return find_platform(is_signed ? TargetPlatform::QNN_HTP_INT8 : TargetPlatform::QNN_DSP_INT8);
}

/// The same rules, and whatever a table names is computed in integers.
PlatformSpec for_any_operator(PlatformSpec spec, const Graph& graph) {
  for (const Node* node : graph.nodes())
    if (op_facts(*node).kind != OpKind::Description && sub_graphs(*node).empty() && !node->is("QuantizeLinear") &&
        !node->is("DequantizeLinear"))
      spec.quant_types.insert(node->op_type);
  spec.computes_if = nullptr;
  return spec;
}

/// Formats with one quantization a tensor cannot say that a reader takes it by numbers of its own.
void require_one_a_tensor(const Graph& graph, const std::string& format) {
  std::map<const Value*, TensorQuantPtr> first;
  for (const Slot& slot : quant_slots(graph)) {
    const TensorQuantPtr quant = slot.quant();
    if (!quant->exported || !quant->params.defined()) continue;
    const TensorQuantPtr& other = first.try_emplace(slot.value(), quant).first->second;
    if (other != quant && !same_quantization(*other, *quant))
      throw Error(ErrorKind::Unsupported, "tensor " + slot.value()->name(),
                  format + " holds one quantization a tensor: got another one for reader " + slot.node->name,
                  "write onnx-qdq or ppq-json, which hold both");
  }
}

/// A folder in the output folder that is gone at the end, whatever happens.
class Scratch {
 public:
  explicit Scratch(const std::string& output) : output_(output), new_(!fs::exists(output)) {
    path_ = output + "/.export-" + std::to_string(::getpid());
    AtomicFile probe(path_ + "/probe");  // makes the folders, or says why it cannot
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
    if (new_) fs::remove(output_, ignored);  // only where nothing is in it
  }
  Scratch(const Scratch&) = delete;
  const std::string& path() const { return path_; }

  /// Puts every file into place. Returns the names.
  std::vector<std::string> commit() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path_)) names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      std::error_code error;
      fs::rename(path_ + "/" + name, output_ + "/" + name, error);
      if (error) throw Error(ErrorKind::Resource, output_ + "/" + name, "cannot write: " + error.message(), "choose another folder");
    }
    return names;
  }

 private:
  std::string output_, path_;
  bool new_;
};

void check(const ExportTableOptions& options) {
  for (const auto& [value, option] : {std::pair(&options.model, "--model"), {&options.output, "--output"}})
    if (value->empty()) throw Error(ErrorKind::Usage, "ppq_torch export", std::string(option) + " is missing");
  if (options.to.empty())
    throw Error(ErrorKind::Usage, "ppq_torch export", "--to is missing", "see `ppq_torch list exporters` for the formats");
  const auto& formats = table_formats();
  if (!options.from.empty() && std::find(formats.begin(), formats.end(), options.from) == formats.end())
    throw Error(ErrorKind::Usage, "--from", "no such format of tables: got '" + options.from + "'", did_you_mean(options.from, formats));
}

}  // namespace

ExportTableResult export_table(const ExportTableOptions& options) {
  check(options);
  const PlatformSpec* given = options.platform.empty() ? nullptr : &find_platform(options.platform, "--platform");
  for (const std::string& format : options.to) find_exporter(format, given, "--to");
  const ExportOptions export_options = ppq::export_options(options.encodings, options.export_option);
  check_options(export_options, given);

  ExportTableResult result;
  result.from = options.table.empty() ? kPairs : table_format(options.table);
  if (!options.from.empty() && options.from != result.from)
    throw Error(ErrorKind::Usage, "--from",
                (options.table.empty() ? "without --table the model's own pairs are read, which is " : options.table + " is ") +
                    result.from + ": got '" + options.from + "'",
                "leave --from out");
  const auto graph = read_model(options.model, options.input_shapes);
  check_supported(*graph);
  const PlatformSpec platform = given ? *given : for_any_operator(likely_platform(options.table, result.from), *graph);
  result.platform = platform.name;

  const PairsRead pairs = take_out_pairs(*graph);
  result.left = pairs.left;
  if (options.table.empty()) {
    if (pairs.applied == 0)
      throw Error(ErrorKind::Usage, "ppq_torch export", "--table is missing, and the model has no QuantizeLinear and DequantizeLinear",
                  "give the table with --table");
    result.applied = pairs.applied;
  } else {
    const EncodingsRead read = read_encodings(*graph, platform, options.table, /*fixed=*/false);
    result.applied = read.applied, result.unknown = read.unknown;
  }
  for (const ExportedTensor& tensor : exported_tensors(*graph))
    if (tensor.state != ExportedTensor::State::Quantized) result.in_float.push_back(tensor.value->name());

  const Scratch scratch(options.output);
  for (const std::string& format : options.to) {
    const ExporterRow& row = find_exporter(format, &platform);
    if (!row.every_slot) require_one_a_tensor(*graph, format);
    const ExportSummary summary = row.write(*graph, platform, path_of(row, ExportFile::Kind::Graph, scratch.path()),
                                            path_of(row, ExportFile::Kind::Table, scratch.path()), export_options);
    if (summary.written == 0 && row.writes(ExportFile::Kind::Table))
      throw Error(ErrorKind::Unsupported, "--to " + format,
                  "the format holds nothing of what the table says: got " + std::to_string(result.applied) + " entries, of other tensors",
                  "choose a format that does, or give a table that says more");
  }
  write_file(scratch.path() + "/DEPLOY.md", deployment_guide(*graph, platform, options.to, export_options));
  result.files = scratch.commit();
  return result;
}

}  // namespace ppq
