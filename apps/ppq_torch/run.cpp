#include <ATen/ATen.h>

#include <algorithm>
#include <set>

#include "commands.h"
#include "core/log.h"
#include "data/npy.h"
#include "exporters/exporter.h"
#include "job/model.h"
#include "ppq/error.h"
#include "ppq/executor.h"
#include "ppq/platform.h"

namespace ppq::app {
namespace {

std::string file_name(std::string name) {
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

/// Values to write: the graph's outputs, plus the named inner tensors (or all float ones).
std::vector<const Value*> wanted_values(const Graph& graph, const std::vector<std::string>& names) {
  std::vector<const Value*> values(graph.outputs().begin(), graph.outputs().end());
  std::vector<std::string> candidates;
  for (const Value* v : graph.values())
    if (v->producer() || v->is_graph_input()) candidates.push_back(v->name());
  for (const std::string& name : names) {
    if (name == "all") {
      for (const Value* v : graph.values())
        if (v->producer() && std::find(values.begin(), values.end(), v) == values.end()) values.push_back(v);
      continue;
    }
    const Value* value = graph.find_value(name);
    if (!value || !(value->producer() || value->is_graph_input()))
      throw Error(ErrorKind::Usage, "--tensors", "the model has no tensor '" + name + "'", did_you_mean(name, candidates));
    if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
  }
  return values;
}

}  // namespace

int run_command(const Args& args) {
  CommandLine line("run", "Run a model over samples and write its outputs as DIR/<sample>/<output>.npy");
  line.group("Job")("model", "the ONNX model (with --table: quantized.onnx)", cxxopts::value<std::string>())(
      "table", "encodings to simulate", cxxopts::value<std::string>())(
      "platform", "the target the table is for", cxxopts::value<std::string>())("input", "samples: a folder, a file or an input list",
                                                                                cxxopts::value<std::string>())(
      "output", "folder to write", cxxopts::value<std::string>())("tensors", "inner tensors to write too: a,b or all",
                                                                  cxxopts::value<std::vector<std::string>>())(
      "device", "auto, cpu, cuda or cuda:N", cxxopts::value<std::string>()->default_value("auto"));
  line.declare(DataOptions());
  line.add_common();
  if (!line.parse(args)) return 0;
  apply_threads(line);
  const std::string model = line.required("model"), input = line.required("input"), output = line.required("output");
  if (line.has("table") != line.has("platform")) throw Error(ErrorKind::Usage, "ppq_torch run", "--table and --platform go together");
  const PlatformSpec* platform = line.has("platform") ? &find_platform(line.text("platform"), "--platform") : nullptr;
  const DataOptions data = data_options(line);
  LowerOptions options;
  options.device = resolve_device(line.text("device"), "--device");
  const auto graph = read_model(model, data.input_shapes);
  check_supported(*graph);
  if (platform) {
    read_encodings(*graph, *platform, line.text("table"), false);
    options.mode = ExecutionMode::Simulated;
  }
  const auto dataset = open_dataset(input, input_specs(*graph), data);
  options.outputs = wanted_values(*graph, line.list("tensors"));
  const auto program = lower(*graph, options);
  ProgressBar bar("run", dataset->size(), "samples");
  for (size_t i = 0; i < dataset->size(); ++i) {
    const Tensors results = run(*program, dataset->sample(i));
    for (size_t k = 0; k < results.size(); ++k)
      write_npy(output + "/" + file_name(dataset->name(i)) + "/" + file_name(options.outputs[k]->name()) + ".npy",
                results[k].cpu().contiguous());
    bar.update(i + 1);
  }
  bar.finish();
  log_info("wrote " + std::to_string(dataset->size()) + " sample(s) to " + output);
  return 0;
}

}  // namespace ppq::app
