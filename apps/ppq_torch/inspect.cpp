#include <ATen/ATen.h>

#include <cstdio>
#include <map>

#include "analysis/macs.h"
#include "commands.h"
#include "job/model.h"
#include "ops/op_facts.h"
#include "ppq/error.h"
#include "ppq/executor.h"

namespace ppq::app {
namespace {

using Json = nlohmann::ordered_json;

Json describe(const Graph& graph) {
  Json json;
  json["ir_version"] = graph.ir_version;
  for (const auto& [domain, version] : graph.opsets) json["opsets"][domain.empty() ? "ai.onnx" : domain] = version;
  auto value = [](const Value& v) {
    return Json{{"name", v.name()}, {"dtype", name_of(v.dtype)}, {"shape", v.shape ? to_string(*v.shape) : "unknown"}};
  };
  json["inputs"] = json["outputs"] = Json::array();
  for (const Value* v : graph.inputs())
    if (!v->is_constant()) json["inputs"].push_back(value(*v));
  for (const Value* v : graph.outputs()) json["outputs"].push_back(value(*v));
  std::map<std::string, int> ops;
  int64_t macs = 0, unknown = 0, parameters = 0, bytes = 0;
  for (const Node* node : graph.nodes()) {
    ++ops[(node->domain.empty() ? "" : node->domain + ".") + node->op_type];
    if (!is_computing(*node)) continue;
    const int64_t count = macs_of(*node);
    if (count < 0)
      ++unknown;
    else
      macs += count;
  }
  for (const Value* v : graph.constants())
    if (v->constant().defined() && v->constant().is_floating_point())
      parameters += v->constant().numel(), bytes += static_cast<int64_t>(v->constant().nbytes());
  json["nodes"] = graph.node_count();
  json["ops"] = ops;
  json["unsupported"] = unsupported_nodes(graph);
  json["parameters"] = parameters;
  json["parameter_bytes"] = bytes;
  json["macs"] = macs;
  json["nodes_with_unknown_macs"] = unknown;
  return json;
}

void print(const Json& json) {
  for (const char* side : {"inputs", "outputs"}) {
    std::printf("%s:\n", side);
    for (const auto& v : json[side])
      std::printf("  %s  %s %s\n", v["name"].get<std::string>().c_str(), v["dtype"].get<std::string>().c_str(),
                  v["shape"].get<std::string>().c_str());
  }
  std::printf("opsets:");
  for (const auto& [domain, version] : json["opsets"].items()) std::printf(" %s %ld", domain.c_str(), version.get<long>());
  std::printf("\nnodes: %ld\n", json["nodes"].get<long>());
  for (const auto& [op, count] : json["ops"].items()) std::printf("  %5d  %s\n", count.get<int>(), op.c_str());
  std::printf("parameters: %ld (%.2f MB)\nMACs a sample: %.1f M", json["parameters"].get<long>(),
              json["parameter_bytes"].get<double>() / 1e6, json["macs"].get<double>() / 1e6);
  if (json["nodes_with_unknown_macs"].get<long>() > 0)
    std::printf(" (%ld nodes of unknown shape left out: give --input-shape)", json["nodes_with_unknown_macs"].get<long>());
  std::printf("\nunsupported: %s\n", json["unsupported"].empty() ? "none" : "");
  for (const auto& node : json["unsupported"]) std::printf("  %s\n", node.get<std::string>().c_str());
}

}  // namespace

int inspect_command(const Args& args) {
  CommandLine line("inspect", "What a model is made of: inputs, outputs, operators, what is unsupported, parameters, MACs");
  line.group("Model")("model", "the ONNX model", cxxopts::value<std::string>())("json", "machine-readable",
                                                                                cxxopts::value<bool>()->default_value("false"))(
      "input-shape", "name:1x3x224x224; fixes symbolic dimensions (repeatable)", cxxopts::value<std::vector<std::string>>());
  line.add_common();
  if (!line.parse(args)) return 0;
  std::vector<std::pair<std::string, std::vector<int64_t>>> shapes;
  read_words(shapes, line.list("input-shape"), "--input-shape");
  const auto graph = read_model(line.required("model"), shapes);
  const Json json = describe(*graph);
  if (line.flag("json"))
    std::puts(json.dump(2).c_str());
  else
    print(json);
  return 0;
}

}  // namespace ppq::app
