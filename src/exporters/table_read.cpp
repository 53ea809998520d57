// Tables of every tool that are read: which one a file is, and how it gets onto a graph.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "exporters/exporter.h"
#include "exporters/ppq_configs.h"
#include "exporters/ppq_json_read.h"
#include "exporters/qdq_read.h"
#include "exporters/qualcomm/encoding.h"
#include "graph/quant_slots.h"
#include "ppq/error.h"
#include "ppq/onnx.h"

namespace ppq {
namespace {

using Json = nlohmann::json;

constexpr const char* kRanges = "act_quant_info";
constexpr double kTop = 127;  // a range of TensorRT's is 127 steps

/// A table's file: its text, and what that is in JSON (discarded where it is none).
struct File {
  std::string path, text;
  Json json;
};

bool is_onnx(const std::string& path) { return path.ends_with(".onnx") || path.ends_with(".onnxtxt"); }

EncodingsRead read_qualcomm(Graph& graph, const PlatformSpec& platform, const File& file, bool fixed) {
  return apply_encodings(graph, platform, encodings_from_json(file.text, file.path), fixed, file.path);
}

EncodingsRead read_ppq(Graph& graph, const PlatformSpec& platform, const File& file, bool fixed) {
  return apply_ppq_config(graph, platform, file.json, fixed, file.path);
}

/// Ranges of int8 without a zero point; TensorRT works out those of weights.
EncodingsRead read_tensorrt(Graph& graph, const PlatformSpec& platform, const File& file, bool fixed) {
  const Json& ranges = file.json[kRanges];
  if (!ranges.is_object())
    throw Error(ErrorKind::Data, file.path, std::string("'") + kRanges + "': got " + ranges.type_name() + ", expected ranges by tensor");
  EncodingFile encodings{"0.6.1", {}, {}};
  for (const auto& [name, range] : ranges.items()) {
    Encoding entry;
    entry.name = name;
    entry.symmetric = true;
    entry.offset = {-128};
    entry.scale = {range.is_number() ? range.get<double>() / kTop : 0};
    if (!(static_cast<float>(entry.scale[0]) > 0) || !std::isfinite(static_cast<float>(entry.scale[0])))
      throw Error(ErrorKind::Data, file.path + ": tensor " + name, "range: got " + range.dump() + ", expected a positive number");
    encodings.encodings.push_back(std::move(entry));
  }
  return apply_encodings(graph, platform, encodings, fixed, file.path);
}

/// Tools leave out a Relu that integers without a sign make needless: the tensor behind it is the layer's there, the Relu's here. Of places
/// in float nothing is to be said; their constants may have other names.
void fit_to_nodes(const Graph& graph, Json& nodes) {
  Json moved = Json::object();
  for (const auto& [name, configs] : nodes.items()) {
    const Node* node = graph.find_node(name);
    for (auto it = configs.begin(); it != configs.end();) {
      const Value* value = graph.find_value(it.key());
      const bool elsewhere = node && value && value->producer() && value->producer() != node &&
                             std::find(node->inputs().begin(), node->inputs().end(), value) == node->inputs().end();
      if (elsewhere) moved[value->producer()->name][it.key()] = *it;
      it = elsewhere || (*it)["state"] == "FP32" ? configs.erase(it) : std::next(it);
    }
  }
  for (const auto& [name, configs] : moved.items()) nodes[name].update(configs);
}

/// The pairs of another file's network, by its nodes and tensors. Its parameters are stored rounded, the graph's are not.
EncodingsRead read_pairs(Graph& graph, const PlatformSpec& platform, const File& file, bool fixed) {
  const auto source = read_onnx(file.path);
  if (take_out_pairs(*source).applied == 0)
    throw Error(ErrorKind::Data, file.path, "got a network without QuantizeLinear and DequantizeLinear whose scales are constants");
  for (const Slot& slot : quant_slots(*source)) {
    QuantState& state = slot.quant()->state;
    if (state == QuantState::Baked) state = QuantState::Active;
    if (state == QuantState::PassiveBaked) state = QuantState::Passive;
  }
  Json json = Json::parse(ppq_config_json(*source, platform, ppq_value).dump());
  fit_to_nodes(graph, json["configs"]);
  const EncodingsRead read = apply_ppq_config(graph, platform, json, fixed, file.path);
  spread_over_moves(graph);
  return read;
}

struct TableRow {
  const char* name;
  bool (*is)(const File& file);
  EncodingsRead (*read)(Graph& graph, const PlatformSpec& platform, const File& file, bool fixed);
};

/// The first that fits; the last one takes what no other does, and says what is wrong with it.
const std::vector<TableRow>& rows() {
  static const std::vector<TableRow> all = {
      {"onnx-qdq", [](const File& file) { return is_onnx(file.path); }, read_pairs},
      {"ppq-json", [](const File& file) { return is_ppq_config(file.json); }, read_ppq},
      {"tensorrt-json", [](const File& file) { return file.json.is_object() && file.json.contains(kRanges); }, read_tensorrt},
      {"encodings", [](const File&) { return true; }, read_qualcomm},
  };
  return all;
}

File open(const std::string& path) {
  File file{path, read_file(path), Json(Json::value_t::discarded)};
  if (!is_onnx(path)) file.json = Json::parse(file.text, nullptr, /*allow_exceptions=*/false);
  return file;
}

const TableRow& row_of(const File& file) {
  return *std::find_if(rows().begin(), rows().end(), [&](const TableRow& row) { return row.is(file); });
}

}  // namespace

const std::vector<std::string>& table_formats() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const TableRow& row : rows()) all.emplace_back(row.name);
    return all;
  }();
  return names;
}

std::string table_format(const std::string& path) { return row_of(open(path)).name; }

EncodingsRead read_encodings(Graph& graph, const PlatformSpec& platform, const std::string& path, bool fixed) {
  const File file = open(path);
  return row_of(file).read(graph, platform, file, fixed);
}

}  // namespace ppq
