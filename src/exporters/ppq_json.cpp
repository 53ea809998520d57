// PPQ's own configuration file, which its exporters write beside the ONNX graph: every input and output of the nodes that are computed in
// integers with its format and state, and their numbers by the place that has them.
#include <nlohmann/json.hpp>

#include "exporters/exporters.h"
#include "exporters/ppq_configs.h"
#include "exporters/table_format.h"

namespace ppq::exporters {
namespace {

using Json = nlohmann::ordered_json;

ExportSummary write(const Graph& graph, const PlatformSpec& platform, const std::string& graph_path, const std::string& table_path,
                    const ExportOptions&) {
  ExportSummary summary;
  std::vector<std::pair<std::string, std::string>> files;
  if (!table_path.empty()) {
    const Json json = ppq_config_json(graph, platform, ppq_value);
    for (const auto& [node, configs] : json["configs"].items())
      for (const auto& [value, config] : configs.items()) summary.written += config["state"] != "FP32";
    files.emplace_back(table_path, json.dump(4, ' ', false, Json::error_handler_t::replace) + "\n");
    note_missing(graph, summary);
  }
  write_files(graph, graph_path, files, summary);
  return summary;
}

std::string guide(const Graph&, const PlatformSpec& platform, const ExportOptions&) {
  return R"(# quantized.onnx, quantized_ppq.json: the quantization in full

`quantized.onnx` has the weights as the target sees them, `quantized_ppq.json` a format and a state for every input and output of a node that
is computed in integers, in the layout of PPQ's configuration files:
- `configs`: by node and tensor; `dominator` is the key in `values` where the numbers are. ACTIVATED and PASSIVE tensors are rounded there,
  OVERLAPPED ones are rounded by another place already; BAKED parameters are stored rounded.
- `values`: scale and zero point; a list has one a channel.

To run it as it was simulated:
```sh
ppq_torch run --model quantized.onnx --table quantized_ppq.json --platform )" +
         platform.name + R"( --input samples/ --output simulated
```
)";
}

}  // namespace

ExporterRow ppq_json() {
  return {"ppq-json",
          "ONNX graph and PPQ's configuration JSON: format, state and numbers of every tensor",
          {{ExportFile::Kind::Graph, "quantized.onnx", "the network in float, with the weights that the passes left"},
           {ExportFile::Kind::Table, "quantized_ppq.json", "the quantization of every input and output"}},
          /*options=*/nullptr,
          write,
          guide,
          /*require=*/nullptr,
          /*every_slot=*/true};
}

}  // namespace ppq::exporters
