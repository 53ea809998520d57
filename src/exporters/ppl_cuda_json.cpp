// The quantization of OpenPPL's CUDA engine: an entry for every tensor that is rounded at a place of its own, and the operators it computes
// in int8.
#include <ATen/ATen.h>

#include <nlohmann/json.hpp>

#include "exporters/exporters.h"
#include "exporters/json_members.h"
#include "exporters/ppq_configs.h"
#include "exporters/table_format.h"

namespace ppq::exporters {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<std::pair<double, double>> kIntegers = {{-128, 127}, {-127, 127}, {0, 255}};
const TableFormat kActivations = {"OpenPPL's JSON, of activations", kIntegers, true};
const TableFormat kParameters = {"OpenPPL's JSON, of parameters", kIntegers, true, true};
constexpr int kMostBits = 8;

/// A number of a tensor, a list of channels.
template <class Number>
Json spread(const std::vector<Number>& numbers, bool channels) {
  return channels ? Json(numbers) : Json(numbers.at(0));
}

Json entry_of(const PpqConfig& config) {
  const QuantScheme& scheme = config.quant->scheme;
  const bool channels = scheme.granularity == Granularity::PerChannel;
  const auto [low, high] = range_of(config.quant->params, scheme);
  return Json{{"bit_width", scheme.bits},
              {"per_channel", channels},
              {"quant_flag", true},
              {"sym", scheme.symmetric},
              {"scale", spread(numbers_of(config.quant->params.scale), channels)},
              {"zero_point", spread(zero_points_of(config.quant->params), channels)},
              {"tensor_min", spread(numbers_of(low), channels)},
              {"tensor_max", spread(numbers_of(high), channels)},
              {"q_min", static_cast<int64_t>(scheme.quant_min)},
              {"q_max", static_cast<int64_t>(scheme.quant_max)},
              {"hash", config.hash},
              {"dominator", config.dominator}};
}

Json json_of(const Graph& graph) {
  JsonMembers quantizations;
  Json operations = Json::object();
  for (const PpqConfig& config : ppq_configs(graph)) {
    const std::string state = config.state, &name = config.value->name();
    if (!config.quant || !config.quant->params.defined() || !config.quant->exported || state == "OVERLAPPED") continue;
    // Biases are the engine's own affair.
    const bool parameter = config.value->is_constant();
    if (parameter && config.quant->scheme.bits > kMostBits) continue;
    if (state == "PASSIVE" && quantizations.has(name)) continue;
    require_sayable(name, config.quant->scheme, config.quant->params, parameter ? kParameters : kActivations);
    quantizations.set(name, entry_of(config));
  }
  for (const Node* node : graph.nodes())
    if (node->quantized) append(operations, node->name, Json{{"data_type", "INT8"}});
  return Json{{"quant_info", quantizations.take()}, {"op_info", operations}};
}

ExportSummary write(const Graph& graph, const PlatformSpec&, const std::string& graph_path, const std::string& table_path,
                    const ExportOptions&) {
  ExportSummary summary;
  std::vector<std::pair<std::string, std::string>> files;
  if (!table_path.empty()) {
    const Json json = json_of(graph);
    summary.written = json["quant_info"].size();
    files.emplace_back(table_path, json.dump(4, ' ', false, Json::error_handler_t::replace) + "\n");
    note_missing(graph, summary);
  }
  write_files(graph, graph_path, files, summary);
  return summary;
}

std::string guide(const Graph&, const PlatformSpec&, const ExportOptions&) {
  return R"(# quantized_ppl.json: int8 in OpenPPL (ppl.nn) on CUDA

With ppl.nn's own runner, in this folder:
```sh
pplnn --use-cuda --onnx-model quantized.onnx --quant-file quantized_ppl.json
```
In C++ the engine takes the file's text: `cuda_engine->Configure(cuda::ENGINE_CONF_SET_QUANT_INFO, text.c_str())`, before the model is loaded.
Tensors that other places round already (in front of an activation, behind data movement) have no entry.
)";
}

}  // namespace

ExporterRow ppl_cuda_json() {
  return {"ppl-cuda-json",
          "ONNX graph and quantization JSON for OpenPPL's CUDA engine",
          {{ExportFile::Kind::Graph, "quantized.onnx", "the network in float, with the weights that the passes left"},
           {ExportFile::Kind::Table, "quantized_ppl.json", "quant_info and op_info for --quant-file"}},
          /*options=*/nullptr,
          write,
          guide,
          [](const PlatformSpec& platform) { require_sayable(platform, kActivations); }};
}

}  // namespace ppq::exporters
