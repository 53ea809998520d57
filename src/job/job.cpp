#include "ppq/job.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <optional>
#include <string_view>

#include "analysis/report.h"
#include "analysis/warnings.h"
#include "core/file.h"
#include "exporters/exporter.h"
#include "exporters/join_outputs.h"
#include "exporters/qdq_read.h"
#include "exporters/qualcomm/deploy.h"
#include "graph/patterns.h"
#include "job/fingerprint.h"
#include "job/formats.h"
#include "job/mixed_precision.h"
#include "job/model.h"
#include "job/options.h"
#include "ops/memory_bound.h"
#include "ppq/error.h"
#include "ppq/onnx.h"
#include "ppq/quantizer.h"

namespace ppq {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Beside the activations that --max-memory allows: samples and outputs that are kept, observers, and what a layer needs to be computed.
constexpr size_t kOtherBytes = size_t{512} << 20;
constexpr size_t kWeightCopies = 4;  ///< as equalized, rounded, baked and laid out for a kernel

// Held back for the report when the user did not say how many samples to calibrate with and there are enough.
constexpr size_t kEnoughToHoldBack = 40, kHeldBackShare = 5, kMostHeldBack = 64;
constexpr size_t kMostEvaluated = 64;

void apply_bits(QuantizationSetting& setting, const std::vector<std::string>& items) {
  for (const std::string& item : items) {
    const size_t equals = item.rfind('=');
    const std::string digits = equals == std::string::npos ? "" : item.substr(equals + 1);
    if (digits != "4" && digits != "8" && digits != "16")
      throw Error(ErrorKind::Usage, "--bits", "got '" + item + "', expected PATTERN=4, =8 or =16");
    setting.extra.bits[item.substr(0, equals)] = std::stoi(digits);
  }
}

QuantizationSetting effective_setting(const JobOptions& options, const PlatformSpec& platform, std::vector<std::string>& warnings) {
  QuantizationSetting setting = options.setting.empty() ? QuantizationSettingFactory::setting_for(platform)
                                                        : QuantizationSettingFactory::by_name(options.setting, &warnings, "--setting");
  if (!options.observer.empty()) setting.quantize_activation_setting.calib_algorithm = options.observer;
  if (!options.dispatch.empty()) setting.dispatcher = options.dispatch;
  for (const std::string& pass : options.passes) {
    const bool off = pass.rfind("-", 0) == 0;
    const std::string name = off ? pass.substr(1) : pass;
    make_pass(name, &platform, "--passes");  // an unknown name is an error here, with candidates
    setting.extra.passes[name] = !off;
  }
  for (const std::string& pattern : options.keep_float) setting.extra.keep_float.push_back(pattern);
  apply_bits(setting, options.bits);
  return setting;
}

/// A pattern that names nothing is an error before the work begins.
void check_patterns(const JobOptions& options, const Graph& graph) {
  for (const std::string& pattern : options.keep_float) match_nodes(graph, pattern, "--keep-float");
  for (std::string pattern : options.bits) {
    pattern.erase(pattern.rfind('='));
    for (const std::string_view prefix : {"activation:", "weight:"})
      if (pattern.starts_with(prefix)) pattern.erase(0, prefix.size());
    match_nodes(graph, pattern, "--bits");
  }
}

/// Bytes that tensors may take beside what the graph has.
size_t room_for(const Graph& graph, const std::string& max_memory) {
  if (max_memory == "0") return std::numeric_limits<size_t>::max();
  size_t weights = 0;
  for (const Value* value : graph.constants()) weights += value->constant().defined() ? value->constant().nbytes() : 0;
  return parse_bytes(max_memory) + kWeightCopies * weights + kOtherBytes;
}

/// What is wrong without a look at any file.
void check_numbers(const JobOptions& options) {
  auto at_least = [](int64_t value, int64_t least, const char* option) {
    if (value < least)
      throw Error(ErrorKind::Usage, option, "got " + std::to_string(value) + ", expected at least " + std::to_string(least));
  };
  at_least(options.calib_steps, 1, "--calib-steps");
  at_least(options.batch_size, 0, "--batch-size");
  if (options.max_memory != "0") parse_bytes(options.max_memory);
  if (!options.raw_samples.empty() && options.raw_samples != "nhwc" && options.raw_samples != "nchw")
    throw Error(ErrorKind::Usage, "--raw-samples", "got '" + options.raw_samples + "', expected nhwc or nchw");
  check_data_options(options.data);
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
Samples split_samples(int64_t steps, const DatasetPtr& all, const DatasetPtr& given_evaluation) {
  size_t count = std::min<size_t>(static_cast<size_t>(steps), all->size());
  const bool chosen_by_user = steps != JobOptions::kCalibSteps;
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
  return pass == "choose-observer" || pass == "correct-bias" ? "tune" : "optimize";
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ",") + word;
  return text;
}

/// What a platform's file names in rooms that the platforms know nothing of.
void check_names(const PlatformSpec& platform) {
  if (platform.source.empty()) return;
  QuantizationSettingFactory::by_name(platform.default_setting, nullptr, platform.source + ": setting");
  for (const std::string& name : platform.exporters) find_exporter(name, &platform, platform.source + ": exporters");
  std::vector<std::string> names;
  for (const PassRow& row : pass_table()) names.push_back(row.name);
  for (const TargetPass& pass : platform.passes)
    if (!find_pass(pass.name))
      throw Error(ErrorKind::Usage, platform.source + ": passes", "there is no pass '" + pass.name + "'", did_you_mean(pass.name, names));
}

}  // namespace

class Job::Work {
 public:
  explicit Work(JobOptions options) : options_(std::move(options)) {
    for (const auto& [value, option] :
         {std::pair(&options_.model, "--model"), {&options_.calib, "--calib"}, {&options_.platform, "--platform"}})
      if (value->empty()) throw Error(ErrorKind::Usage, "job", std::string(option) + " is missing");
    options_.data.option_prefix = "--";
    platform_ = &find_platform(options_.platform, "--platform");
    check_names(*platform_);
    check_numbers(options_);
    std::vector<std::string> notes;
    setting_ = effective_setting(options_, *platform_, notes);
    for (std::string& note : notes) report_.warnings.push_back({"", std::move(note)});
    for (const std::string& format : formats())
      if (const ExporterRow& exporter = find_exporter(format, platform_, "--export"); exporter.require) exporter.require(*platform_);
    export_options_ = export_options(options_.encodings, options_.export_option);
    check_options(export_options_, platform_);
    if (!options_.auto_mixed.empty()) budget_ = parse_mixed_budget(options_.auto_mixed);
    devices_ = resolve_devices(options_.device, "--device");
  }

  JobPlan plan() {
    prepare();
    return {graph_->node_count(),
            platform_->name,
            samples_.calibration->size(),
            samples_.evaluation->size(),
            samples_.evaluated_on,
            quantization_pipeline(*platform_, setting_),
            output_};
  }

  JobResult run() {
    if (quantizer_) throw Error(ErrorKind::Internal, "job", "ran already");
    prepare();
    const ops::GrowthBound bound(room_for(*graph_, options_.max_memory));
    const bool new_folder = !std::filesystem::exists(output_);
    try {
      check_writable();
      checkpoint_ = {output_ + "/.calibration.json",
                     fingerprint(options_, {*graph_, *samples_.calibration, setting_.to_json(), device_names()}), options_.resume};
      quantize(checkpoint_);
      if (budget_) mix();
      record();
      analyze();
      return write();
    } catch (...) {
      std::error_code ignored;
      if (new_folder) std::filesystem::remove(output_, ignored);  // only where nothing is in it
      throw;
    }
  }

  Progress progress;
  std::function<void(const std::string&)> say = [](const std::string&) {}, detail = say;

 private:
  void prepare() {
    if (prepared_) return;
    allow_tf32(options_.allow_tf32);
    const auto start = Clock::now();
    graph_ = read_model(options_.model, options_.data.input_shapes);
    check_supported(*graph_);
    take_out_quantization();
    PassContext context;
    context.verify = options_.verify;
    context.warnings = &report_.warnings;
    cleanup_ = run_passes(*graph_, cleanup_pipeline(setting_), context);
    split_outputs(context);
    check_patterns(options_, *graph_);
    const auto specs = input_specs(*graph_);
    const DatasetPtr all = open_dataset(options_.calib, specs, options_.data);
    samples_ =
        split_samples(options_.calib_steps, all, options_.eval.empty() ? nullptr : open_dataset(options_.eval, specs, options_.data));
    report_.inputs = describe_inputs(*graph_, *samples_.calibration);
    report_.timing["load"] = seconds_since(start);
    for (const auto& text : report_.inputs) say("input " + text);
    output_ = options_.output.empty() ? stem(options_.model) + "_" + platform_->name : options_.output;
    if (!options_.overrides.empty()) {
      // Before the entries are read: float entries mark nodes, and dispatching leaves marked graphs alone.
      dispatch_graph(*graph_, *platform_, setting_.dispatcher);
      const auto read = read_encodings(*graph_, *platform_, options_.overrides, true);
      say("overrides: " + std::to_string(read.applied) + " encodings, " + std::to_string(read.unknown.size()) +
          " names that the model does not have");
      for (const auto& name : read.unknown)
        report_.warnings.push_back({"", "overrides name a tensor that the model does not have: " + name});
    }
    prepared_ = true;
  }

  /// A model that another tool quantized already, or this one: it is quantized anew.
  void take_out_quantization() {
    const PairsRead read = take_out_pairs(*graph_);
    if (read.applied == 0) return;
    for (Node* node : graph_->nodes()) node->input_quant.clear(), node->output_quant.clear(), node->quantized = false;
    report_.warnings.push_back(
        {"", "the model is quantized already: its QuantizeLinear and DequantizeLinear (" + std::to_string(read.applied) +
                 " tensors) were taken out, and it is quantized anew, from rounded weights; the float model gives a better one, and "
                 "`ppq_torch export` a table of the scales that it has"});
  }

  void split_outputs(PassContext& context) {
    if (options_.split_output.empty()) return;
    for (const std::string& name : options_.split_output) report_.splits.push_back(split_output(*graph_, name, "--split-output"));
    for (PassRecord& pass : run_passes(*graph_, {"remove-dead-code"}, context)) cleanup_.push_back(std::move(pass));
  }

  /// Minutes of calibration are not to end in "cannot write".
  void check_writable() const {
    for (const std::string& path : {output_ + "/quantized.onnx", options_.save_graph, options_.save_table})
      if (!path.empty()) AtomicFile probe(path);
  }

  std::string device_names() const {
    std::string names;
    for (const at::Device& device : devices_) names += (names.empty() ? "" : ",") + device.str();
    return names;
  }

  std::vector<std::string> formats() const { return options_.export_formats.empty() ? platform_->exporters : options_.export_formats; }

  void quantize(const Checkpoint& checkpoint) {
    TorchExecutor executor(*graph_, devices_[0]);
    quantizer_ = std::make_unique<Quantizer>(*graph_, *platform_);
    quantizer_->set_verify(options_.verify);
    quantizer_->set_devices(devices_);
    quantizer_->set_device_graphs(!options_.no_cuda_graphs);
    quantizer_->set_progress(progress);
    quantizer_->set_batch_size(static_cast<size_t>(options_.batch_size));
    if (options_.max_memory != "0") quantizer_->set_max_memory(parse_bytes(options_.max_memory));
    quantizer_->set_checkpoint(checkpoint);
    quantizer_->quantize(samples_.calibration->sample(0), samples_.calibration, executor, setting_, samples_.calibration->size());
  }

  /// Moves layers to more bits until the budget is met. What is chosen is quantized from the start: as a job with those options is.
  void mix() {
    const auto start = Clock::now();
    std::unique_ptr<Graph> plain = std::move(graph_);
    std::unique_ptr<Quantizer> first = std::move(quantizer_);
    MixedSearch search(*budget_, *plain, *first,
                       {*platform_, setting_, samples_.calibration, samples_.evaluation,
                        static_cast<size_t>(std::max<int64_t>(0, options_.layerwise_samples)), progress, say});
    for (auto chosen = search.choose(); chosen; chosen = search.judge(*graph_)) {
      setting_ = std::move(*chosen);
      graph_ = first->original()->clone();
      quantize({});  // what was kept belongs to the first network
    }
    report_.mixed = search.result();
    report_.mixed->seconds = seconds_since(start);
    if (auto warning = search.warning()) report_.warnings.push_back(std::move(*warning));
    if (!graph_) graph_ = std::move(plain), quantizer_ = std::move(first);
  }

  void record() {
    report_.passes = cleanup_;
    for (const PassRecord& pass : quantizer_->passes()) report_.passes.push_back(pass);
    for (const PassRecord& pass : report_.passes) report_.timing[stage_of(pass.name)] += pass.seconds;
    report_.warnings.insert(report_.warnings.end(), quantizer_->warnings().begin(), quantizer_->warnings().end());
    detail(quantizer_->report());
  }

  void analyze() {
    const auto start = Clock::now();
    AnalysisOptions options(quantizer_->run_context());
    options.layerwise_samples = static_cast<size_t>(std::max<int64_t>(0, options_.layerwise_samples));
    options.survey = true;
    if (progress) progress("analyze", 0, 0);
    report_.errors = analyze_errors(*graph_, *quantizer_->reference(), *quantizer_->original(), samples_.evaluation, options);
    for (Warning& warning :
         warnings_of(report_.errors, *graph_, *quantizer_->reference(), *quantizer_->original(), samples_.calibration, options))
      report_.warnings.push_back(std::move(warning));
    report_.evaluated_on = samples_.evaluated_on;
    report_.histograms = histograms_of_worst(*graph_, *quantizer_->reference(), samples_.evaluation, report_.errors, options);
    report_.timing["analyze"] = seconds_since(start);
  }

  JobResult write() {
    const auto start = Clock::now();
    for (const std::string& format : formats()) {
      const ExporterRow& exporter = find_exporter(format, platform_);
      const std::string graph_path = path_of(exporter, ExportFile::Kind::Graph, output_);
      const std::string table_path = path_of(exporter, ExportFile::Kind::Table, output_);
      const ExportSummary summary = exporter.write(*graph_, *platform_, graph_path, table_path, export_options_);
      report_.encodings_written += summary.written;
      report_.missing_reasons.insert(summary.reasons.begin(), summary.reasons.end());
      for (const std::string& name : summary.missing)
        if (std::find(report_.encodings_missing.begin(), report_.encodings_missing.end(), name) == report_.encodings_missing.end())
          report_.encodings_missing.push_back(name);
      if (!options_.save_graph.empty() || !options_.save_table.empty())
        exporter.write(*graph_, *platform_, options_.save_graph.empty() ? graph_path : options_.save_graph,
                       options_.save_table.empty() ? table_path : options_.save_table, export_options_);
    }
    write_file(output_ + "/setting.json", setting_.to_json() + "\n");
    write_file(output_ + "/DEPLOY.md",
               deployment_guide(*graph_, *platform_, formats(), export_options_) + join_guide(*graph_, report_.splits));
    if (!options_.raw_samples.empty())
      write_raw_samples(*samples_.calibration, input_specs(*graph_), output_, options_.raw_samples == "nhwc" ? Layout::NHWC : Layout::NCHW,
                        samples_.calibration->size());
    report_.timing["export"] = seconds_since(start);
    finish_report();
    JobResult result;
    result.report = to_json(report_);
    write_file(output_ + "/report.json", result.report);
    write_file(output_ + "/report.html", to_html(report_));
    std::filesystem::remove(checkpoint_.file);
    result.files = written_files();
    result.summary = to_summary(report_) + "encodings: " + std::to_string(report_.encodings_written) + " written, " +
                     std::to_string(report_.encodings_missing.size()) + " tensors without (see report.json)";
    result.output = output_;
    result.records = report_.passes;
    result.warnings = report_.warnings;
    result.graph = std::move(graph_);
    return result;
  }

  std::vector<std::string> written_files() const {
    std::vector<std::string> names, there;
    for (const std::string& format : formats())
      for (const ExportFile& file : find_exporter(format, platform_).files)
        if (std::find(names.begin(), names.end(), file.name) == names.end()) names.push_back(file.name);
    names.insert(names.end(), {"report.html", "report.json", "setting.json", "DEPLOY.md", "input_list.txt"});
    for (const std::string& name : names)
      if (std::filesystem::exists(output_ + "/" + name)) there.push_back(name);
    return there;
  }

  void finish_report() {
    report_.version = PPQ_VERSION;
    report_.model = options_.model;
    report_.platform = platform_->name;
    report_.device = device_names();
    report_.setting_json = setting_.to_json();
    report_.calibration_samples = quantizer_->samples();
    report_.batch_size = quantizer_->batch_size();
    report_.calibration_seconds = report_.timing["calibrate"];
    report_.nodes = graph_->node_count();
    for (const Node* node : graph_->nodes()) report_.quantized_nodes += node->quantized;
    visit_options(options_, [&](const OptionFacts& facts, const auto& value) {
      const std::string words = joined(words_of(value));
      if (words.empty()) return;
      report_.options.emplace_back(facts.name, words);
      if (facts.bears == Bears::Preprocessing) report_.preprocessing.emplace_back(facts.name, words);
    });
    report_.work = *quantizer_->work();
    report_.peak_rss_bytes = peak_rss_bytes();
    report_.peak_device_bytes = peak_device_bytes(devices_);
    report_.timing["total"] = seconds_since(start_);
  }

  JobOptions options_;
  const Clock::time_point start_ = Clock::now();
  const PlatformSpec* platform_ = nullptr;
  QuantizationSetting setting_;
  std::optional<MixedBudget> budget_;
  ExportOptions export_options_;
  std::vector<at::Device> devices_;  ///< that share the calibration; the first does the rest
  std::unique_ptr<Graph> graph_;
  bool prepared_ = false;
  std::unique_ptr<Quantizer> quantizer_;
  std::vector<PassRecord> cleanup_;
  Samples samples_;
  std::string output_;
  Checkpoint checkpoint_;
  Report report_;
};

Job::Job(JobOptions options) : work_(std::make_unique<Work>(std::move(options))) {}
Job::~Job() = default;

void Job::on_progress(Progress progress) { work_->progress = std::move(progress); }

void Job::on_say(std::function<void(const std::string&)> say, std::function<void(const std::string&)> detail) {
  if (say) work_->say = std::move(say);
  if (detail) work_->detail = std::move(detail);
}

JobPlan Job::plan() { return work_->plan(); }
JobResult Job::run() { return work_->run(); }

}  // namespace ppq
