#include "analysis/report.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "analysis/report_parts.h"
#include "exporters/join_outputs.h"

namespace ppq {
namespace {

using Json = nlohmann::ordered_json;

/// JSON has no infinity: null says that the measure is not defined.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json one_or_list(const std::vector<double>& values) {
  if (values.size() == 1) return number(values[0]);
  Json list = Json::array();
  for (double value : values) list.push_back(number(value));
  return list;
}

Json pass_to_json(const PassRecord& pass) {
  Json json = {{"name", pass.name}, {"changes", pass.changes}, {"seconds", pass.seconds}};
  if (!std::isnan(pass.error_before)) json["snr_before"] = number(pass.error_before);
  if (!std::isnan(pass.error_after)) json["snr_after"] = number(pass.error_after);
  if (!pass.decision.empty()) json["decision"] = pass.decision;
  if (!pass.effects.empty()) json["tensors"] = Json::array();
  for (const TensorEffect& effect : pass.effects)
    json["tensors"].push_back({{"name", effect.tensor}, {"before", number(effect.before)}, {"after", number(effect.after)}});
  return json;
}

Json warning_to_json(const Warning& warning) {
  Json json = {{"code", warning.code}, {"text", warning.text}, {"tensors", warning.tensors}, {"figures", Json::object()}};
  for (const auto& [name, value] : warning.figures) json["figures"][name] = number(value);
  json["remedy"] = warning.remedy;
  return json;
}

Json part_to_json(const OutputPart& part) {
  Json json = {{"name", part.name}, {"places", Json::array()}};
  for (const PartPlace& place : part.places)
    json["places"].push_back({{"axis", place.axis}, {"begin", place.begin}, {"length", place.length}});
  const Measure& m = part.measure;
  for (const auto& [key, value] : {std::pair{"snr", m.nsr()}, {"snr_db", m.snr_db()}, {"cosine", m.cosine()}, {"mse", m.mse()}})
    json[key] = number(value);
  return json;
}

/// What the samples show of a tensor.
void add_survey(const TensorError& error, Json& json) {
  if (error.survey.samples.empty()) return;
  const auto [low, high] = error.survey.range();
  json["float_min"] = number(low), json["float_max"] = number(high);
  const ChannelCounts counts = count_channels(error.survey, error.minimum, error.maximum);
  if (counts.all == 0) return;
  json["channels"] = {{"all", counts.all}, {"constant", counts.constant}, {"vanished", counts.vanished}, {"saturated", counts.saturated}};
}

}  // namespace

size_t peak_rss_bytes() {
  // Not getrusage's: that one starts from the peak of whoever started the program.
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<size_t>(usage.ru_maxrss) * 1024;
}

size_t peak_device_bytes(const std::vector<at::Device>& devices) {
  size_t bytes = 0;
  for (const at::Device& device : devices)
    if (!device.is_cpu())
      bytes += static_cast<size_t>(at::getDeviceAllocator(device.type())->getDeviceStats(device.index()).reserved_bytes[0].peak);
  return bytes;
}

std::string to_json(const Report& report) {
  Json json;
  json["ppq_torch"] = report.version;
  json["model"] = report.model;
  json["platform"] = report.platform;
  json["device"] = report.device;
  json["setting"] = Json::parse(report.setting_json);
  const double seconds = report.calibration_seconds;
  json["calibration"] = {{"samples", report.calibration_samples},
                         {"batch_size", report.batch_size},
                         {"seconds", seconds},
                         {"samples_per_second", seconds > 0 ? static_cast<double>(report.calibration_samples) / seconds : 0.0}};
  for (const char* stage : {"load", "optimize", "calibrate", "tune", "analyze", "export", "total"}) {
    auto it = report.timing.find(stage);
    json["timing"][stage] = it == report.timing.end() ? 0.0 : it->second;
  }
  json["memory"] = {{"peak_rss_bytes", report.peak_rss_bytes}, {"peak_device_bytes", report.peak_device_bytes}};
  json["work"] = {{"samples_decoded", report.work.decoded},           {"float_forwards", report.work.float_forwards},
                  {"rounded_forwards", report.work.rounded_forwards}, {"simulated_forwards", report.work.simulated_forwards},
                  {"float_visits", report.work.float_visits},         {"rounded_visits", report.work.rounded_visits}};
  json["nodes"] = {{"all", report.nodes}, {"quantized", report.quantized_nodes}};
  json["evaluation"] = {{"samples", report.errors.samples}, {"on", report.evaluated_on}, {"float_moved", number(report.errors.moved)}};
  json["outputs"] = Json::array();
  for (const auto& [name, m] : report.errors.outputs) {
    Json output = {
        {"name", name}, {"snr", number(m.nsr())}, {"snr_db", number(m.snr_db())}, {"cosine", number(m.cosine())}, {"mse", number(m.mse())}};
    if (m.count == 0)
      for (const char* key : {"snr", "snr_db", "cosine", "mse"}) output[key] = nullptr;
    const auto agreement = report.errors.agreement.find(name);
    if (agreement != report.errors.agreement.end()) output["top1_agreement"] = agreement->second;
    if (report.errors.unlike.count(name)) output["shapes_differ"] = true;
    if (const auto parts = report.errors.parts.find(name); parts != report.errors.parts.end())
      for (const OutputPart& part : parts->second) output["parts"].push_back(part_to_json(part));
    json["outputs"].push_back(output);
  }
  json["tensors"] = Json::array();
  for (const TensorError& e : report.errors.tensors) {
    json["tensors"].push_back({{"name", e.name},
                               {"op", e.op},
                               {"type", e.type},
                               {"bits", e.bits},
                               {"scale", one_or_list(e.scale)},
                               {"offset", one_or_list(e.offset)},
                               {"min", one_or_list(e.minimum)},
                               {"max", one_or_list(e.maximum)},
                               {"graphwise_snr", number(e.graphwise.nsr())},
                               {"layerwise_snr", e.layerwise_snr >= 0 ? number(e.layerwise_snr) : Json(nullptr)},
                               {"cosine", number(e.graphwise.cosine())},
                               {"mse", number(e.graphwise.mse())},
                               {"clipped", e.clipped}});
    add_survey(e, json["tensors"].back());
  }
  json["histograms"] = Json::array();
  for (const TensorHistogram& h : report.histograms)
    json["histograms"].push_back({{"tensor", h.tensor},
                                  {"low", number(h.low)},
                                  {"high", number(h.high)},
                                  {"float", h.float_counts},
                                  {"quantized", h.quantized_counts}});
  for (const OutputSplit& split : report.splits)
    json["split_outputs"].push_back({{"name", split.output}, {"parts", split.parts}, {"join", join_lines(split)}});
  if (report.mixed) json["mixed"] = to_json(*report.mixed);
  if (!report.sensitivity.empty()) json["sensitivity"] = to_json(report.sensitivity);
  json["passes"] = Json::array();
  for (const PassRecord& pass : report.passes) json["passes"].push_back(pass_to_json(pass));
  json["encodings"] = {{"written", report.encodings_written}, {"missing", report.encodings_missing}, {"reasons", report.missing_reasons}};
  json["options"] = Json::object();
  for (const auto& [key, value] : report.options) json["options"][key] = value;
  json["preprocessing"] = Json::object();
  for (const auto& [key, value] : report.preprocessing) json["preprocessing"][key] = value;
  json["inputs"] = report.inputs;
  json["warnings"] = json["warning_details"] = Json::array();
  for (const Warning& warning : report.warnings) {
    json["warnings"].push_back(line_of(warning));
    if (!warning.code.empty()) json["warning_details"].push_back(warning_to_json(warning));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_summary(const Report& report) {
  std::string text;
  char line[512];
  for (const auto& [name, m] : report.errors.outputs) {
    if (m.count == 0) {
      text += "output " + name +
              (report.errors.unlike.count(name) ? ": not comparable (float and quantized differ in shape)\n" : ": not of float type\n");
      continue;
    }
    std::snprintf(line, sizeof line, "noise/signal %s (%.1f dB), cosine %.6f", percent(m.nsr()).c_str(), m.snr_db(), m.cosine());
    text += "output " + name + ": " + line;
    const auto agreement = report.errors.agreement.find(name);
    if (agreement != report.errors.agreement.end()) text += ", same top-1 as float on " + percent(agreement->second, 1);
    text += "\n";
    for (const OutputPart* part : hidden_parts(report, name, m))
      text += "  part " + part->name + ": noise/signal " + percent(part->measure.nsr()) + "\n";
  }
  if (report.errors.samples > 0) text += "measured on " + std::to_string(report.errors.samples) + " " + report.evaluated_on + "\n";
  if (report.mixed) text += to_summary(*report.mixed);
  if (!report.sensitivity.empty()) text += to_text(report.sensitivity);
  const auto worst = worst_tensors(report.errors, 10);
  if (!worst.empty()) text += "worst tensors (noise/signal with everything before them quantized; alone; cosine; mse):\n";
  for (const TensorError* e : worst) {
    std::snprintf(line, sizeof line, "  %10s  %10s  %.5f  %9.3g  %s (%s)\n", percent(e->graphwise.nsr()).c_str(),
                  e->layerwise_snr >= 0 ? percent(e->layerwise_snr).c_str() : "-", e->graphwise.cosine(), e->graphwise.mse(),
                  e->name.c_str(), e->type.c_str());
    text += line;
  }
  if (!worst.empty() && output_snr(report.errors) > 0.01) text += "try: " + advice(*worst[0]) + "\n";
  text += "The last output decides: an inner tensor may be noisy without harm.\n";
  return text;
}

}  // namespace ppq
