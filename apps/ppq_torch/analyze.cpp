#include <ATen/ATen.h>

#include "analysis/report.h"
#include "commands.h"
#include "core/file.h"
#include "core/log.h"
#include "exporters/exporter.h"
#include "job/model.h"
#include "ppq/error.h"
#include "ppq/executor.h"

namespace ppq::app {

int analyze_command(const Args& args) {
  CommandLine line("analyze", "Measure the error of a table, tensor by tensor, against the same graph in float");
  line.group("Job")("model", "the graph the table belongs to (quantized.onnx)", cxxopts::value<std::string>())(
      "table", "encodings", cxxopts::value<std::string>())("platform", "the target the table is for", cxxopts::value<std::string>())(
      "calib", "samples to measure on", cxxopts::value<std::string>())("output", "folder for report.json and report.html",
                                                                       cxxopts::value<std::string>())(
      "device", "auto, cpu, cuda or cuda:N", cxxopts::value<std::string>()->default_value("auto"))(
      "layerwise-samples", "samples of the layerwise analysis (0: none)", cxxopts::value<int64_t>()->default_value("4"))(
      "sensitivity", "rank the layers by the error that each makes alone", cxxopts::value<bool>()->default_value("false"));
  line.declare(DataOptions());
  line.add_common();
  if (!line.parse(args)) return 0;
  apply_threads(line);
  const std::string model = line.required("model"), table = line.required("table"), output = line.required("output"),
                    calib = line.required("calib");
  const PlatformSpec& platform = find_platform(line.required("platform"), "--platform");
  const DataOptions data = data_options(line);
  AnalysisOptions options;
  options.device = resolve_device(line.text("device"), "--device");
  options.layerwise_samples = static_cast<size_t>(std::max<int64_t>(0, line.number("layerwise-samples")));
  const auto graph = read_model(model, data.input_shapes);
  check_supported(*graph);
  const auto reference = graph->clone();
  const EncodingsRead read = read_encodings(*graph, platform, table, false);
  const auto dataset = open_dataset(calib, input_specs(*graph), data);
  Report report;
  report.version = PPQ_VERSION, report.model = model, report.platform = platform.name, report.device = options.device.str();
  report.setting_json = "{}";
  report.errors = analyze_errors(*graph, *reference, *reference, dataset, options);
  if (line.flag("sensitivity")) {
    options.layerwise_samples = std::max<size_t>(1, options.layerwise_samples);
    report.sensitivity = rank_layers(*graph, *reference, dataset, options);
  }
  report.evaluated_on = "given samples";
  report.histograms = histograms_of_worst(*graph, *reference, dataset, report.errors, options);
  report.nodes = graph->node_count();
  for (const Node* node : graph->nodes()) report.quantized_nodes += !node->output_quant.empty();
  report.encodings_written = read.applied;
  report.peak_rss_bytes = peak_rss_bytes();
  report.peak_device_bytes = peak_device_bytes({options.device});
  write_file(output + "/report.json", to_json(report));
  write_file(output + "/report.html", to_html(report));
  log_info(to_summary(report) + "wrote " + output + "/report.json and report.html");
  return 0;
}

}  // namespace ppq::app
