// TensorRT's int8 before explicit quantization: a symmetric range a tensor. As PPQ's act_quant_info, which a script hands to
// ITensor::set_dynamic_range, and as the calibration cache that TensorRT's own calibrators leave.
#include <ATen/ATen.h>

#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "exporters/exporters.h"
#include "exporters/json_members.h"
#include "exporters/table_format.h"
#include "ops/op_facts.h"
#include "ppq/error.h"

namespace ppq::exporters {
namespace {

using Json = nlohmann::ordered_json;

const TableFormat kRanges = {"TensorRT's table of ranges", {{-128, 127}}};
constexpr double kTop = 127;

struct TensorrtOptions {
  std::string version = "10.0.0";
  bool weights = false;
  void visit(OptionVisitor& v) {
    v.field("tensorrt-version", version, {}, "TensorRT's version, for the first line of the calibration cache");
    v.field("tensorrt-wts", weights, "weights too, as text (quantized.wts)");
    number();
  }
  /// As NV_TENSORRT_VERSION: 8.6.1 is 8601, from 10 on 10.3.0 is 100300.
  long number() const {
    int major = 0, minor = 0, patch = 0, end = 0;
    const bool plain = version.find_first_not_of("0123456789.") == std::string::npos;
    const int found = plain ? std::sscanf(version.c_str(), "%2d.%2d.%2d%n", &major, &minor, &patch, &end) : 0;
    if (found != 3 || static_cast<size_t>(end) != version.size() || major < 1)
      throw Error(ErrorKind::Usage, "export option tensorrt-version", "got '" + version + "', expected a version like 8.6.1 or 10.3.0");
    return major < 10 ? major * 1000L + minor * 100L + patch : major * 10000L + minor * 100L + patch;
  }
};

/// What has no kernel of its own: its tensors get the ranges of their neighbours.
bool moves_only(const Node& node) {
  for (const char* type : {"Gather", "Unsqueeze", "Concat", "Reshape", "Squeeze"})
    if (node.is(type)) return true;
  return false;
}

/// Scales of activations by name, in the order in which nodes have them; the last that reads or writes a tensor decides.
Json scales_of(const Graph& graph, bool all) {
  JsonMembers scales;
  const auto add = [&](const Value* value, const TensorQuantPtr& quant) {
    if (!value || value->is_constant() || !quant || !quant->params.defined() || !quant->exported) return;
    require_sayable(value->name(), quant->scheme, quant->params, kRanges);
    scales.set(value->name(), numbers_of(quant->params.scale).at(0));
  };
  for (const Node* node : graph.nodes()) {
    if (!all && moves_only(*node)) continue;
    for (size_t i = 0; i < node->inputs().size(); ++i) add(node->input(i), node->quant_of_input(i));
    for (size_t i = 0; i < node->outputs().size(); ++i) add(node->output(i), node->quant_of_output(i));
  }
  return scales.take();
}

std::string hex_of(double number) {
  const auto single = static_cast<float>(number);
  uint32_t bits = 0;
  std::memcpy(&bits, &single, sizeof bits);
  char text[16];
  std::snprintf(text, sizeof text, "%08x", bits);
  return text;
}

std::string cache_of(const Json& scales, const TensorrtOptions& options) {
  std::string text = "TRT-" + std::to_string(options.number()) + "-EntropyCalibration2\n";
  for (const auto& [name, scale] : scales.items()) {
    require_plain_name(name, "tensor", "\r\n", {"TensorRT's calibration cache"});
    text += name + ": " + hex_of(scale.get<double>()) + "\n";
  }
  return text;
}

/// Weights and biases of layers, once each.
std::string weights_of(const Graph& graph) {
  std::string text;
  std::set<const Value*> seen;
  for (const Node* node : graph.nodes()) {
    if (!is_computing(*node)) continue;
    for (const Value* value : node->inputs()) {
      if (!value || !value->constant().defined() || !value->constant().is_floating_point() || !seen.insert(value).second) continue;
      require_plain_name(value->name(), "tensor", " \t\r\n", {"quantized.wts"});
      text += value->name() + " " + std::to_string(value->constant().numel());
      for (const double number : numbers_of(value->constant())) text += " " + hex_of(number);
      text += "\n";
    }
  }
  return std::to_string(seen.size()) + "\n" + text;
}

ExportSummary write(const Graph& graph, const PlatformSpec&, const std::string& graph_path, const std::string& table_path,
                    const ExportOptions& given) {
  const auto options = read_options<TensorrtOptions>(given);
  ExportSummary summary;
  std::vector<std::pair<std::string, std::string>> files;
  if (!table_path.empty()) {
    Json ranges = Json::object();
    const Json scales = scales_of(graph, /*all=*/false);
    for (const auto& [name, scale] : scales.items()) append(ranges, name, scale.get<double>() * kTop);
    summary.written = ranges.size();
    files.emplace_back(table_path, Json{{"act_quant_info", ranges}}.dump(4, ' ', false, Json::error_handler_t::replace) + "\n");
    files.emplace_back(with_ending(table_path, ".cache"), cache_of(scales_of(graph, /*all=*/true), options));
    if (options.weights) files.emplace_back(beside(table_path, "quantized.wts"), weights_of(graph));
    note_missing(graph, summary);
  }
  write_files(graph, graph_path, files, summary);
  return summary;
}

std::string guide(const Graph&, const PlatformSpec&, const ExportOptions& given) {
  const auto options = read_options<TensorrtOptions>(given);
  return R"(# quantized_tensorrt.json, quantized_tensorrt.cache: int8 in TensorRT up to 10

The calibration cache, without a calibrator's samples:
```sh
trtexec --onnx=quantized.onnx --int8 --calib=quantized_tensorrt.cache --saveEngine=model.engine
```
- Its first line is for TensorRT )" +
         options.version + R"(; for another version say `--export-option tensorrt-version=8.6.1`, with yours.
- `quantized_tensorrt.json` holds the same as ranges, by tensor: ±range for `ITensor::setDynamicRange`.
- Ranges are of activations; TensorRT works out its own scales of weights, a channel each, so that the weights are rounded once more.
- TensorRT 11 has no calibration and no ranges any more, and 10 deprecates them: there `--export onnx-qdq --export-option qdq-weights=float
  --export-option qdq-bias=float` is the way.
)";
}

}  // namespace

ExporterRow tensorrt_json() {
  return {"tensorrt-json",
          "ONNX graph, ranges of activations as JSON and as a calibration cache, for TensorRT 10 and before",
          {{ExportFile::Kind::Graph, "quantized.onnx", "the network in float, with the weights that the passes left"},
           {ExportFile::Kind::Table, "quantized_tensorrt.json", "range of every activation"},
           {ExportFile::Kind::Beside, "quantized_tensorrt.cache", "the same as TensorRT's calibration cache"},
           {ExportFile::Kind::Beside, "quantized.wts", "weights as text, on request"}},
          visit_options<TensorrtOptions>,
          write,
          guide,
          [](const PlatformSpec& platform) { require_sayable(platform, kRanges); }};
}

}  // namespace ppq::exporters
