// The record of quantization factors of Ascend's AMCT: protobuf as text, a record a layer.
#include <ATen/ATen.h>

#include <algorithm>

#include "core/log.h"
#include "exporters/exporters.h"
#include "exporters/table_format.h"
#include "ppq/error.h"

namespace ppq::exporters {
namespace {

const TableFormat kData = {"AMCT's record, of data", {{0, 255}, {-128, 127}}, true};
const TableFormat kWeights = {"AMCT's record, of weights", {{-128, 127}, {-127, 127}}, false, true};
const TableFormat kGemmWeights = {"AMCT's record, of a Gemm's weight", {{-128, 127}, {-127, 127}}};
/// AMCT refuses scales outside of these: the step of float32 at 1, and its reciprocal.
constexpr double kLeast = 1.1920929e-7, kMost = 1 / 1.1920929e-7;

bool has_weight(const Node& node) { return node.is("Conv") || node.is("ConvTranspose") || node.is("Gemm"); }

std::string line(const std::string& key, const std::string& value) { return "    " + key + ": " + value + "\n"; }

std::string scale_line(const std::string& key, double scale, const Value& value) {
  const double taken = std::clamp(scale, kLeast, kMost);
  if (taken != scale)
    log_warning("tensor " + value.name() + ": AMCT takes scales of 1.19e-07 to 8.39e+06: got " + float_text(scale) + ", written as " +
                float_text(taken));
  return line(key, float_text(taken));
}

std::string quoted(const std::string& name) {
  std::string text = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + "\"";
}

/// [N, C, H, W] or [N, C]: its C, H and W.
std::vector<int64_t> sizes_of(const Value& value) {
  const Shape shape = value.shape.value_or(Shape{});
  std::vector<int64_t> sizes = {1, 1, 1};
  bool known = shape.size() == 2 || shape.size() == 4;
  for (size_t i = 1; known && i < shape.size(); ++i) known = shape[i].known(), sizes[i - 1] = shape[i].value;
  if (!known)
    throw Error(ErrorKind::Unsupported, "tensor " + value.name(),
                "AMCT's record wants data [N, C, H, W] or [N, C] of known sizes: got " + (value.shape ? to_string(shape) : "no shape"),
                "give the sizes with --input-shape, or keep the layer in float");
  return sizes;
}

std::string record_of(const Node& node, const TensorQuant& data, const TensorQuantPtr& weight) {
  const Value& input = *node.input(0);
  require_sayable(input.name(), data.scheme, data.params, kData);
  require_plain_name(node.name, "node", "\r\n", kData);
  std::string text = "record {\n  key: " + quoted(node.name) + "\n  value {\n";
  text += scale_line("scale_d", numbers_of(data.params.scale).at(0), input);
  // Counted as int8, whatever the sign of the target's integers.
  const int64_t shift = static_cast<int64_t>(data.scheme.quant_min) + 128;
  text += line("offset_d", std::to_string(zero_points_of(data.params).at(0) - shift));
  if (weight) {
    const Value& value = *node.input(1);
    require_sayable(value.name(), weight->scheme, weight->params, node.is("Gemm") ? kGemmWeights : kWeights);
    const std::vector<double> scales = numbers_of(weight->params.scale);
    for (const double scale : scales) text += scale_line("scale_w", scale, value);
    for (size_t i = 0; i < scales.size(); ++i) text += line("offset_w", "0");
  }
  const std::vector<int64_t> sizes = sizes_of(input);
  text += line("channels", std::to_string(sizes[0])) + line("height", std::to_string(sizes[1])) + line("width", std::to_string(sizes[2]));
  return text + "  }\n}\n";
}

std::string records_of(const Graph& graph, ExportSummary& summary) {
  std::string text;
  for (const Node* node : graph.nodes()) {
    const bool weighted = has_weight(*node);
    if (!node->quantized || !(weighted || node->is("AveragePool"))) continue;
    const TensorQuantPtr data = quant_read(*node, 0), weight = weighted ? node->quant_of_input(1) : nullptr;
    if (!data || (weighted && (!weight || !weight->params.defined()))) {
      note_missing((weighted ? node->input(1) : node->output())->name(), "it or its layer's input has no quantization, and AMCT wants both",
                   summary);
      continue;
    }
    text += record_of(*node, *data, weight);
    summary.written += weighted ? 2 : 1;
  }
  return text;
}

ExportSummary write(const Graph& graph, const PlatformSpec&, const std::string& graph_path, const std::string& table_path,
                    const ExportOptions&) {
  ExportSummary summary;
  std::vector<std::pair<std::string, std::string>> files;
  if (!table_path.empty()) files.emplace_back(with_ending(table_path, ".txt"), records_of(graph, summary));
  write_files(graph, graph_path, files, summary);
  return summary;
}

std::string guide(const Graph&, const PlatformSpec&, const ExportOptions&) {
  return R"(# quantized_ascend.txt: int8 on Ascend

AMCT's Python package for ONNX makes a model to deploy of the graph and the record of factors, ATC the offline model:
```python
import amct_onnx as amct
amct.convert_model("quantized.onnx", "quantized_ascend.txt", "./model")
```
```sh
atc --framework=5 --model=model_deploy_model.onnx --output=model --soc_version=<SoC>
```
- `<SoC>` is the processor, for example `Ascend310`.
- Records are found by the names of the nodes in `quantized.onnx`: Conv, ConvTranspose, Gemm and AveragePool. AMCT quantizes biases itself.
)";
}

}  // namespace

ExporterRow ascend_record() {
  return {"ascend-record",
          "ONNX graph and record of quantization factors, for Ascend's AMCT",
          {{ExportFile::Kind::Graph, "quantized.onnx", "the network in float, with the weights that the passes left"},
           {ExportFile::Kind::Table, "quantized_ascend.txt", "factors of each layer, for AMCT's convert_model"}},
          /*options=*/nullptr,
          write,
          guide,
          [](const PlatformSpec& platform) { require_sayable(platform, kData); }};
}

}  // namespace ppq::exporters
