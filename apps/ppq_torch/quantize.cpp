#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <string_view>

#include "analysis/report.h"
#include "commands.h"
#include "core/file.h"
#include "core/log.h"
#include "exporters/exporter.h"
#include "exporters/qualcomm/deploy.h"
#include "graph/patterns.h"
#include "model.h"
#include "ppq/error.h"
#include "ppq/onnx.h"
#include "ppq/quantizer.h"

namespace ppq::app {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Held back for the report when the user did not say how many samples to calibrate with and there are enough.
constexpr size_t kEnoughToHoldBack = 40, kHeldBackShare = 5, kMostHeldBack = 64;
constexpr size_t kMostEvaluated = 64;

CommandLine declare() {
  CommandLine line("quantize", "Quantize a model for a platform: the graph, its parameter table and a report");
  line.group("Job")("model", "the ONNX model", cxxopts::value<std::string>())(
      "calib", "calibration samples: a folder, a file or an input list", cxxopts::value<std::string>())(
      "platform", "the target (see `ppq_torch list platforms`)", cxxopts::value<std::string>())(
      "eval", "samples to measure the result on (default: samples that were not used for calibration)", cxxopts::value<std::string>())(
      "output", "output folder (default: <model>_<platform>)", cxxopts::value<std::string>())(
      "device", "auto, cpu, cuda, cuda:N, or cuda:N,M to share the calibration", cxxopts::value<std::string>()->default_value("auto"))(
      "allow-tf32", "let CUDA compute float32 with 10 bits of mantissa: faster, less exact",
      cxxopts::value<bool>()->default_value("false"))("no-cuda-graphs", "do not record batches as CUDA graphs",
                                                      cxxopts::value<bool>()->default_value("false"))(
      "calib-steps", "calibrate with at most N samples", cxxopts::value<int64_t>()->default_value("512"))(
      "batch-size", "samples run together (0: chosen)", cxxopts::value<int64_t>()->default_value("0"))(
      "max-memory", "memory for activations, such as 512M or 4G (0: chosen)", cxxopts::value<std::string>()->default_value("0"));
  line.group("Quantization")("setting", "a setting's name or JSON file (default: chosen for the platform)", cxxopts::value<std::string>())(
      "observer", "observer of activations (see `ppq_torch list observers`)", cxxopts::value<std::string>())(
      "passes", "a,b,-c: add or remove passes", cxxopts::value<std::vector<std::string>>())(
      "keep-float", "node name, op type or regex to leave in float (repeatable)", cxxopts::value<std::vector<std::string>>())(
      "bits", "PATTERN=16: another width (repeatable)", cxxopts::value<std::vector<std::string>>())(
      "dispatch", "conservative, pointwise, allin, …", cxxopts::value<std::string>())(
      "overrides", "encodings JSON to start from; they stay fixed", cxxopts::value<std::string>())(
      "verify", "check the graph after every pass", cxxopts::value<bool>()->default_value("false"))(
      "seed", "seed of random choices; no pass of this version makes any, so results never depend on it",
      cxxopts::value<int64_t>()->default_value("0"));
  line.group("Output")("export", "formats, comma separated (default: the platform's)", cxxopts::value<std::vector<std::string>>())(
      "encodings", "version of encodings JSON: 0.6.1, 1.0.0 or 2.0.0", cxxopts::value<std::string>()->default_value("0.6.1"))(
      "export-option", "NAME=VALUE: an option of an exporter (repeatable)", cxxopts::value<std::vector<std::string>>())(
      "save-graph", "also write the graph here", cxxopts::value<std::string>())("save-table", "also write the table here",
                                                                                cxxopts::value<std::string>())(
      "raw-samples", "also write the calibration samples as raw float32 files and input_list.txt: nhwc (SNPE) or nchw (QAIRT)",
      cxxopts::value<std::string>())("layerwise-samples", "samples of the layerwise analysis (0: none)",
                                     cxxopts::value<int64_t>()->default_value("2"))(
      "resume", "go on from the calibration that an interrupted run with the same inputs kept in the output folder",
      cxxopts::value<bool>()->default_value("false"))("dry-run", "read everything, say what would be done, and stop",
                                                      cxxopts::value<bool>()->default_value("false"))(
      "config", "JSON file of these options; the command line beats it", cxxopts::value<std::string>())(
      "dump-config", "print the effective options as JSON and stop", cxxopts::value<bool>()->default_value("false"));
  line.add_data_options();
  line.add_common();
  return line;
}

void apply_bits(QuantizationSetting& setting, const std::vector<std::string>& items) {
  for (const std::string& item : items) {
    const size_t equals = item.rfind('=');
    const std::string digits = equals == std::string::npos ? "" : item.substr(equals + 1);
    if (digits != "4" && digits != "8" && digits != "16")
      throw Error(ErrorKind::Usage, "--bits", "got '" + item + "', expected PATTERN=4, =8 or =16");
    setting.extra.bits[item.substr(0, equals)] = std::stoi(digits);
  }
}

QuantizationSetting effective_setting(const CommandLine& line, const PlatformSpec& platform, std::vector<std::string>& warnings) {
  QuantizationSetting setting = line.has("setting") ? QuantizationSettingFactory::by_name(line.text("setting"), &warnings, "--setting")
                                                    : QuantizationSettingFactory::setting_for(platform);
  if (line.has("observer")) setting.quantize_activation_setting.calib_algorithm = line.text("observer");
  if (line.has("dispatch")) setting.dispatcher = line.text("dispatch");
  for (const std::string& pass : line.list("passes")) {
    const bool off = pass.rfind("-", 0) == 0;
    const std::string name = off ? pass.substr(1) : pass;
    make_pass(name, &platform, "--passes");  // an unknown name is an error here, with candidates
    setting.extra.passes[name] = !off;
  }
  for (const std::string& pattern : line.list("keep-float")) setting.extra.keep_float.push_back(pattern);
  apply_bits(setting, line.list("bits"));
  return setting;
}

ExportOptions export_options(const CommandLine& line) {
  ExportOptions options;
  options.set("encodings", line.text("encodings"), "--encodings");
  for (const std::string& item : line.list("export-option")) {
    const size_t equals = item.find('=');
    if (equals == std::string::npos) throw Error(ErrorKind::Usage, "--export-option", "got '" + item + "', expected NAME=VALUE");
    options.set(item.substr(0, equals), item.substr(equals + 1), "--export-option " + item.substr(0, equals));
  }
  return options;
}

/// A pattern that names nothing is an error before the work begins.
void check_patterns(const CommandLine& line, const Graph& graph) {
  for (const std::string& pattern : line.list("keep-float")) match_nodes(graph, pattern, "--keep-float");
  for (std::string pattern : line.list("bits")) {
    pattern.erase(pattern.rfind('='));
    for (const std::string_view prefix : {"activation:", "weight:"})
      if (pattern.starts_with(prefix)) pattern.erase(0, prefix.size());
    match_nodes(graph, pattern, "--bits");
  }
}

struct Samples {
  DatasetPtr calibration, evaluation;
  std::string evaluated_on;
};

std::vector<size_t> range_of_indices(size_t first, size_t last) {
  std::vector<size_t> indices;
  for (size_t i = first; i < last; ++i) indices.push_back(i);
  return indices;
}

/// The first samples calibrate; what is left, or a share held back, evaluates.
Samples split_samples(const CommandLine& line, const DatasetPtr& all, const DatasetPtr& given_evaluation) {
  const int64_t steps = line.number("calib-steps");
  if (steps < 1) throw Error(ErrorKind::Usage, "--calib-steps", "got " + std::to_string(steps) + ", expected at least 1");
  size_t count = std::min<size_t>(static_cast<size_t>(steps), all->size());
  const bool chosen_by_user = line.effective().value("calib-steps", "512") != "512";
  if (!given_evaluation && !chosen_by_user && count == all->size() && count >= kEnoughToHoldBack)
    count -= std::min(kMostHeldBack, count / kHeldBackShare);
  Samples samples{count == all->size() ? all : subset(all, range_of_indices(0, count)), given_evaluation, "separate samples"};
  if (given_evaluation) return samples;
  if (count < all->size()) {
    samples.evaluation = subset(all, range_of_indices(count, std::min(all->size(), count + kMostEvaluated)));
    samples.evaluated_on = "samples not used for calibration";
  } else {
    samples.evaluation = subset(all, range_of_indices(0, std::min(count, kMostEvaluated)));
    samples.evaluated_on = "calibration samples (no others were given)";
  }
  return samples;
}

std::vector<std::string> describe_inputs(const Graph& graph, const Dataset& dataset) {
  std::vector<std::string> lines;
  const auto specs = input_specs(graph);
  const Tensors first = dataset.sample(0);
  for (size_t i = 0; i < specs.size(); ++i) {
    const at::Tensor values = first[i].to(at::kDouble);
    char text[256];
    if (values.numel() == 0) continue;
    std::snprintf(text, sizeof text, "%s: %s, min %.4g, mean %.4g, max %.4g in the first sample", specs[i].name.c_str(),
                  to_string(first[i].sizes()).c_str(), values.min().item<double>(), values.mean().item<double>(),
                  values.max().item<double>());
    lines.emplace_back(text);
  }
  return lines;
}

/// Which part of the timing a pass belongs to.
std::string stage_of(const std::string& pass) {
  if (pass == "calibrate") return "calibrate";
  if (pass == "choose-observer" || pass == "correct-bias" || pass == "search-weight-scales" || pass == "learn-step-size" ||
      pass == "adaptive-rounding")
    return "tune";
  return "optimize";
}

/// Name, size and time of a file, of every file in a folder, or of a list and every file that it names.
std::string describe_files(const std::string& path) {
  namespace fs = std::filesystem;
  std::vector<std::string> lines;
  auto add = [&](const fs::path& file) {
    std::error_code error;
    const auto size = fs::file_size(file, error);
    const auto time = fs::last_write_time(file, error).time_since_epoch().count();
    lines.push_back(file.string() + ":" + std::to_string(size) + ":" + std::to_string(time));
  };
  if (fs::is_directory(path)) {
    for (const auto& entry : fs::recursive_directory_iterator(path))
      if (entry.is_regular_file()) add(entry.path());
  } else {
    add(path);
    if (fs::path(path).extension() == ".txt") {
      std::istringstream words(read_file(path));
      for (std::string word; words >> word;) {
        const size_t name_end = word.find(":=");
        add(fs::path(path).parent_path() / (name_end == std::string::npos ? word : word.substr(name_end + 2)));
      }
    }
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

/// Nodes, and constants byte by byte: wherever the model's file keeps them.
std::string describe_network(const Graph& graph) {
  std::string text;
  auto hash = [](std::string_view bytes) { return std::to_string(std::hash<std::string_view>{}(bytes)); };
  for (const Node* node : graph.nodes()) text += node->name + "|" + node->op_type + "\n";
  for (const Value* value : graph.values()) {
    if (!value->constant().defined()) continue;
    const at::Tensor data = value->constant().contiguous();
    text += value->name() + "|" + hash({static_cast<const char*>(data.const_data_ptr()), static_cast<size_t>(data.nbytes())}) + "\n";
  }
  return text;
}

class QuantizeJob {
 public:
  explicit QuantizeJob(const CommandLine& line) : line_(line) {}

  void run() {
    prepare();
    if (line_.flag("dry-run")) return describe_plan();
    const bool new_folder = !std::filesystem::exists(output_);
    try {
      check_writable();
      quantize();
      analyze();
      write();
    } catch (...) {
      std::error_code ignored;
      if (new_folder) std::filesystem::remove(output_, ignored);  // only where nothing is in it
      throw;
    }
  }

 private:
  void prepare() {
    const std::string model = line_.required("model"), calib = line_.required("calib");
    platform_ = &find_platform(line_.required("platform"), "--platform");
    setting_ = effective_setting(line_, *platform_, report_.warnings);
    for (const std::string& format : formats()) find_exporter(format, platform_, "--export");
    export_options_ = export_options(line_);
    check_options(export_options_, platform_);
    if (line_.has("raw-samples") && line_.text("raw-samples") != "nhwc" && line_.text("raw-samples") != "nchw")
      throw Error(ErrorKind::Usage, "--raw-samples", "got '" + line_.text("raw-samples") + "', expected nhwc or nchw");
    devices_ = resolve_devices(line_.text("device"), "--device");
    allow_tf32(line_.flag("allow-tf32"));
    const DataOptions data = data_options(line_);
    const auto start = Clock::now();
    graph_ = read_model(model, data.input_shapes);
    check_supported(*graph_);
    PassContext context;
    context.verify = line_.flag("verify");
    context.warnings = &report_.warnings;
    cleanup_ = run_passes(*graph_, cleanup_pipeline(setting_), context);
    check_patterns(line_, *graph_);
    const auto specs = input_specs(*graph_);
    const DatasetPtr all = open_dataset(calib, specs, data);
    samples_ = split_samples(line_, all, line_.has("eval") ? open_dataset(line_.text("eval"), specs, data) : nullptr);
    report_.inputs = describe_inputs(*graph_, *samples_.calibration);
    report_.timing["load"] = seconds_since(start);
    for (const auto& text : report_.inputs) log_info("input " + text);
    output_ = line_.has("output") ? line_.text("output") : stem(model) + "_" + platform_->name;
    if (line_.has("overrides")) {
      // Before the entries are read: float entries mark nodes, and dispatching leaves marked graphs alone.
      dispatch_graph(*graph_, *platform_, setting_.dispatcher);
      const auto read = read_encodings(*graph_, *platform_, line_.text("overrides"), true);
      log_info("overrides: " + std::to_string(read.applied) + " encodings, " + std::to_string(read.unknown.size()) +
               " names that the model does not have");
      for (const auto& name : read.unknown) report_.warnings.push_back("overrides name a tensor that the model does not have: " + name);
    }
  }

  /// Minutes of calibration are not to end in "cannot write".
  void check_writable() const {
    for (const std::string& path : {output_ + "/quantized.onnx", line_.has("save-graph") ? line_.text("save-graph") : "",
                                    line_.has("save-table") ? line_.text("save-table") : ""})
      if (!path.empty()) AtomicFile probe(path);
  }

  /// Everything the numbers of calibration depend on, part by part.
  std::string fingerprint() const {
    auto hash = [](const std::string& text) { return std::to_string(std::hash<std::string>{}(text)); };
    nlohmann::json parts = {
        {"version", PPQ_VERSION}, {"platform", platform_->name}, {"device", device_names()}, {"setting", hash(setting_.to_json())}};
    parts["model"] = hash(describe_files(line_.text("model")) + describe_network(*graph_));
    if (line_.has("overrides")) parts["overrides"] = hash(describe_files(line_.text("overrides")));
    const size_t count = samples_.calibration->size();
    parts["samples"] = std::to_string(count) + ":" +
                       hash(describe_files(line_.text("calib")) + samples_.calibration->name(0) + samples_.calibration->name(count - 1));
    const auto options = line_.effective();
    std::string given;
    for (const char* option :
         {"input-shape", "native-dtype", "raw-layout", "layout", "resize-shorter", "image-size", "crop", "mean", "std", "color"})
      if (options.contains(option)) given += options[option].dump() + "|";
    parts["preprocessing"] = hash(given);
    return parts.dump();
  }

  std::string device_names() const {
    std::string names;
    for (const at::Device& device : devices_) names += (names.empty() ? "" : ",") + device.str();
    return names;
  }

  std::vector<std::string> formats() const { return line_.has("export") ? line_.list("export") : platform_->exporters; }

  void describe_plan() const {
    std::printf(
        "model: %zu nodes after clean-up\nplatform: %s\ncalibration: %zu samples\nevaluation: %zu %s\npasses:", graph_->node_count(),
        platform_->name.c_str(), samples_.calibration->size(), samples_.evaluation->size(), samples_.evaluated_on.c_str());
    for (const auto& pass : quantization_pipeline(*platform_, setting_)) std::printf(" %s", pass.c_str());
    std::printf("\noutput: %s\n", output_.c_str());
  }

  void quantize() {
    TorchExecutor executor(*graph_, devices_[0]);
    quantizer_ = std::make_unique<Quantizer>(*graph_, *platform_);
    std::unique_ptr<ProgressBar> bar;
    std::string current;
    quantizer_->set_verify(line_.flag("verify"));
    quantizer_->set_devices(devices_);
    quantizer_->set_device_graphs(!line_.flag("no-cuda-graphs"));
    quantizer_->set_progress([&](const std::string& what, size_t done, size_t total) {
      if (what != current) {
        bar = std::make_unique<ProgressBar>(what, total, "samples");
        current = what;
      }
      bar->update(done);
    });
    const int64_t batch = line_.number("batch-size");
    if (batch < 0) throw Error(ErrorKind::Usage, "--batch-size", "got " + std::to_string(batch) + ", expected at least 0");
    quantizer_->set_batch_size(static_cast<size_t>(batch));
    if (line_.text("max-memory") != "0") quantizer_->set_max_memory(parse_bytes(line_.text("max-memory")));
    checkpoint_ = {output_ + "/.calibration.json", fingerprint(), line_.flag("resume")};
    quantizer_->set_checkpoint(checkpoint_);
    quantizer_->quantize(samples_.calibration->sample(0), samples_.calibration, executor, setting_, samples_.calibration->size());
    bar.reset();
    report_.passes = cleanup_;
    for (const PassRecord& pass : quantizer_->passes()) report_.passes.push_back(pass);
    for (const PassRecord& pass : report_.passes) report_.timing[stage_of(pass.name)] += pass.seconds;
    report_.warnings.insert(report_.warnings.end(), quantizer_->warnings().begin(), quantizer_->warnings().end());
    log_debug(quantizer_->report());
  }

  void analyze() {
    const auto start = Clock::now();
    AnalysisOptions options;
    options.device = devices_[0];
    options.batch_size = quantizer_->batch_size();
    options.work = quantizer_->work();
    options.layerwise_samples = static_cast<size_t>(std::max<int64_t>(0, line_.number("layerwise-samples")));
    ProgressBar bar("analyze", 0, "steps");
    report_.errors = analyze_errors(*graph_, *quantizer_->reference(), *quantizer_->original(), samples_.evaluation, options);
    report_.evaluated_on = samples_.evaluated_on;
    report_.timing["analyze"] = seconds_since(start);
  }

  void write() {
    const auto start = Clock::now();
    const std::string graph_path = output_ + "/quantized.onnx", table_path = output_ + "/quantized.table";
    for (const std::string& format : formats()) {
      const ExporterRow& exporter = find_exporter(format, platform_);
      const ExportSummary summary = exporter.write(*graph_, *platform_, graph_path, table_path, export_options_);
      report_.encodings_written += summary.written;
      report_.encodings_missing.insert(report_.encodings_missing.end(), summary.missing.begin(), summary.missing.end());
      if (line_.has("save-graph") || line_.has("save-table"))
        exporter.write(*graph_, *platform_, line_.has("save-graph") ? line_.text("save-graph") : graph_path,
                       line_.has("save-table") ? line_.text("save-table") : table_path, export_options_);
    }
    write_file(output_ + "/setting.json", setting_.to_json() + "\n");
    write_file(output_ + "/DEPLOY.md", deployment_guide(*graph_, *platform_, formats(), export_options_));
    if (line_.has("raw-samples"))
      write_raw_samples(*samples_.calibration, input_specs(*graph_), output_,
                        line_.text("raw-samples") == "nhwc" ? Layout::NHWC : Layout::NCHW, samples_.calibration->size());
    report_.timing["export"] = seconds_since(start);
    finish_report();
    write_file(output_ + "/report.json", to_json(report_));
    write_file(output_ + "/report.html", to_html(report_));
    std::filesystem::remove(checkpoint_.file);
    for (const std::string& warning : report_.warnings) log_warning(warning);
    log_info(to_summary(report_) + "encodings: " + std::to_string(report_.encodings_written) + " written, " +
             std::to_string(report_.encodings_missing.size()) + " tensors without (see report.json)\nwrote " + output_ +
             "/:" + written_files());
  }

  std::string written_files() const {
    std::string names;
    for (const char* name :
         {"quantized.onnx", "quantized.table", "report.html", "report.json", "setting.json", "DEPLOY.md", "input_list.txt"})
      if (std::filesystem::exists(output_ + "/" + name)) names += std::string(" ") + name;
    return names;
  }

  void finish_report() {
    report_.version = PPQ_VERSION;
    report_.model = line_.text("model");
    report_.platform = platform_->name;
    report_.device = device_names();
    report_.setting_json = setting_.to_json();
    report_.calibration_samples = quantizer_->samples();
    report_.batch_size = quantizer_->batch_size();
    report_.calibration_seconds = report_.timing["calibrate"];
    report_.nodes = graph_->node_count();
    for (const Node* node : graph_->nodes()) report_.quantized_nodes += node->quantized;
    for (const char* key : {"resize-shorter", "image-size", "crop", "mean", "std", "color", "layout", "raw-layout"}) {
      const auto options = line_.effective();
      if (options.contains(key))
        report_.preprocessing.emplace_back(key, options[key].is_string() ? options[key].get<std::string>() : options[key].dump());
    }
    report_.work = *quantizer_->work();
    report_.peak_rss_bytes = peak_rss_bytes();
    report_.peak_device_bytes = peak_device_bytes(devices_);
    report_.timing["total"] = seconds_since(start_);
  }

  const CommandLine& line_;
  const Clock::time_point start_ = Clock::now();
  const PlatformSpec* platform_ = nullptr;
  QuantizationSetting setting_;
  ExportOptions export_options_;
  std::vector<at::Device> devices_;  ///< that share the calibration; the first does the rest
  std::unique_ptr<Graph> graph_;
  std::unique_ptr<Quantizer> quantizer_;
  std::vector<PassRecord> cleanup_;
  Samples samples_;
  std::string output_;
  Checkpoint checkpoint_;
  Report report_;
};

}  // namespace

int quantize_command(const Args& args) {
  CommandLine line = declare();
  if (!line.parse(args)) return 0;
  if (line.flag("dump-config")) {
    std::puts(line.effective().dump(2).c_str());
    return 0;
  }
  apply_threads(line);
  QuantizeJob(line).run();
  return 0;
}

}  // namespace ppq::app
