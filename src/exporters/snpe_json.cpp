// Ranges by tensor in one flat object, as PPQ writes them for SNPE beside Caffe models.
#include <ATen/ATen.h>

#include <nlohmann/json.hpp>

#include "exporters/exporters.h"
#include "exporters/json_members.h"
#include "exporters/table_format.h"

namespace ppq::exporters {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<std::pair<double, double>> kIntegers = {{0, 255}, {-128, 127}, {-127, 127}};
const TableFormat kActivations = {"the JSON of ranges, of activations", kIntegers, true};
const TableFormat kParameters = {"the JSON of ranges, of parameters", kIntegers, true, true};

Json json_of(const Graph& graph) {
  Json json = Json::object();
  for (const ExportedTensor& tensor : exported_tensors(graph)) {
    if (tensor.state != ExportedTensor::State::Quantized || feeds_a_bias(*tensor.value)) continue;
    const QuantScheme& scheme = tensor.quant->scheme;
    require_sayable(tensor.value->name(), scheme, tensor.quant->params, tensor.value->is_constant() ? kParameters : kActivations);
    const auto [low, high] = range_of(tensor.quant->params, scheme);
    const bool channels = scheme.granularity == Granularity::PerChannel;
    const auto spread = [&](const at::Tensor& range) { return channels ? Json(numbers_of(range)) : Json(numbers_of(range).at(0)); };
    append(json, tensor.value->name(), Json{{"tensor_min", spread(low)}, {"tensor_max", spread(high)}});
  }
  return json;
}

ExportSummary write(const Graph& graph, const PlatformSpec&, const std::string& graph_path, const std::string& table_path,
                    const ExportOptions&) {
  ExportSummary summary;
  std::vector<std::pair<std::string, std::string>> files;
  if (!table_path.empty()) {
    const Json json = json_of(graph);
    summary.written = json.size();
    files.emplace_back(table_path, json.dump(4, ' ', false, Json::error_handler_t::replace) + "\n");
    note_missing(graph, summary);
  }
  write_files(graph, graph_path, files, summary);
  return summary;
}

std::string guide(const Graph&, const PlatformSpec&, const ExportOptions&) {
  return R"(# quantized_snpe.json: ranges for scripts around SNPE

`tensor_min` and `tensor_max` of every tensor of 8 bits, as PPQ writes them for SNPE; lists have one a channel. SNPE's own tools do not read it:
for `--quantization_overrides` export `encodings`.
)";
}

}  // namespace

ExporterRow snpe_json() {
  return {"snpe-json",
          "ONNX graph and ranges of all tensors as flat JSON, in PPQ's form for SNPE",
          {{ExportFile::Kind::Graph, "quantized.onnx", "the network in float, with the weights that the passes left"},
           {ExportFile::Kind::Table, "quantized_snpe.json", "tensor_min and tensor_max"}},
          /*options=*/nullptr,
          write,
          guide,
          [](const PlatformSpec& platform) { require_sayable(platform, kActivations); }};
}

}  // namespace ppq::exporters
