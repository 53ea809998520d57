// Tengine's scales: a line "tensor scale zero-point" for every computed tensor, for quant_tool_uint8, and the whole quantization as JSON
// beside it.
#include <ATen/ATen.h>

#include <nlohmann/json.hpp>

#include "exporters/exporters.h"
#include "exporters/ppq_configs.h"
#include "exporters/table_format.h"

namespace ppq::exporters {
namespace {

using Json = nlohmann::ordered_json;

const TableFormat kScales = {"Tengine's file of scales", {{0, 255}}, true};
const char* const kEnding = ".scale";

Json value_of(const PpqConfig& config) {
  const QuantParams& params = config.quant->params;
  if (config.quant->scheme.granularity != Granularity::PerTensor)
    require_sayable(config.value->name(), config.quant->scheme, params, kScales);
  if (!params.defined()) return Json{{"scale", nullptr}, {"zero_point", nullptr}};
  return Json{{"scale", numbers_of(params.scale).at(0)}, {"zero_point", static_cast<double>(zero_points_of(params).at(0))}};
}

std::string lines_of(const Graph& graph, ExportSummary& summary) {
  std::string text;
  for (const ExportedTensor& tensor : exported_tensors(graph)) {
    // The tool works out what is constant.
    if (tensor.state != ExportedTensor::State::Quantized || tensor.value->is_constant()) continue;
    const std::string& name = tensor.value->name();
    require_sayable(name, tensor.quant->scheme, tensor.quant->params, kScales);
    require_plain_name(name, "tensor", " \t\r\n", kScales);
    text += name + " " + Json(numbers_of(tensor.quant->params.scale).at(0)).dump() + " " +
            std::to_string(zero_points_of(tensor.quant->params).at(0)) + "\n";
    ++summary.written;
  }
  return text;
}

ExportSummary write(const Graph& graph, const PlatformSpec& platform, const std::string& graph_path, const std::string& table_path,
                    const ExportOptions&) {
  ExportSummary summary;
  std::vector<std::pair<std::string, std::string>> files;
  if (!table_path.empty()) {
    const std::string json = ppq_config_json(graph, platform, value_of).dump(4, ' ', false, Json::error_handler_t::replace) + "\n";
    const std::string lines = lines_of(graph, summary), scales = with_ending(table_path, kEnding);
    files.emplace_back(scales == table_path ? with_ending(table_path, ".json") : table_path, json);
    files.emplace_back(scales, lines);
    note_missing(graph, summary);
  }
  write_files(graph, graph_path, files, summary);
  return summary;
}

std::string guide(const Graph&, const PlatformSpec&, const ExportOptions&) {
  return R"(# quantized_tengine.scale: uint8 in Tengine

With Tengine's tools, in this folder:
```sh
convert_tool -f onnx -m quantized.onnx -o model.tmfile
quant_tool_uint8 -m model.tmfile -i ./ -f quantized_tengine.scale -o model_uint8.tmfile
```
- In newer releases the converter is called `tm_convert_tool`. The folder of `-i` is for samples, which the scales make needless.
- Inputs are quantized and outputs dequantized by the application, with the scales and zero points of their lines.
- `quantized_tengine.json` has the quantization of weights and biases too, node by node.
)";
}

}  // namespace

ExporterRow tengine_scale() {
  return {"tengine-scale",
          "ONNX graph, scales of activations for Tengine's quant_tool_uint8, and the quantization as JSON",
          {{ExportFile::Kind::Graph, "quantized.onnx", "the network in float, with the weights that the passes left"},
           {ExportFile::Kind::Table, "quantized_tengine.json", "the quantization of every input and output"},
           {ExportFile::Kind::Beside, "quantized_tengine.scale", "scale and zero point of activations, for quant_tool_uint8"}},
          /*options=*/nullptr,
          write,
          guide,
          [](const PlatformSpec& platform) { require_sayable(platform, kScales); }};
}

}  // namespace ppq::exporters
