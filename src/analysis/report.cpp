#include "analysis/report.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

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

/// Parts whose error says something else than that of the whole output: those it hides.
std::vector<const OutputPart*> hidden_parts(const Report& report, const std::string& output, const Measure& whole) {
  constexpr double kMuchWorse = 10;
  std::vector<const OutputPart*> hidden;
  if (const auto parts = report.errors.parts.find(output); parts != report.errors.parts.end())
    for (const OutputPart& part : parts->second)
      if (part.measure.signal > 0 && part.measure.nsr() > kMuchWorse * whole.nsr()) hidden.push_back(&part);
  return hidden;
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

std::vector<const TensorError*> worst_tensors(const Report& report, size_t count) {
  std::vector<const TensorError*> worst;
  for (const TensorError& error : report.errors.tensors)
    if (error.graphwise.count > 0) worst.push_back(&error);
  std::stable_sort(worst.begin(), worst.end(), [](auto* a, auto* b) { return a->graphwise.nsr() > b->graphwise.nsr(); });
  worst.resize(std::min(count, worst.size()));
  return worst;
}

std::string percent(double ratio, int digits = 3) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f %%", digits, 100 * ratio);
  return text;
}

/// What a user can try for a tensor that stands out.
std::string advice(const TensorError& error) {
  if (error.clipped > 0.001) return "--observer minmax (" + percent(error.clipped) + " of its values are clipped)";
  return "--keep-float '" + error.op + "' or --bits '" + error.op + "=16'";
}

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

/// 0 for a perfect tensor (-80 dB or better) to 100 for one that is all noise.
int bar_length(double snr) {
  if (!(snr > 0)) return 0;
  return static_cast<int>(std::clamp(100 + 100 * std::log10(std::min(snr, 1.0)) / 8, 0.0, 100.0));
}

const char* bar_color(double snr) { return snr < 0.001 ? "#2e7d32" : snr < 0.01 ? "#9e9d24" : snr < 0.1 ? "#ef6c00" : "#c62828"; }

std::string scientific(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

std::string tensor_row(const TensorError& e) {
  const double snr = e.graphwise.nsr();
  std::string scale = e.scale.size() == 1 ? scientific(e.scale[0]) : std::to_string(e.scale.size()) + " channels";
  std::string row =
      "<tr><td>" + escaped(e.name) + "</td><td>" + escaped(e.type) + "</td><td>" + std::to_string(e.bits) + "</td><td>" + scale + "</td>";
  if (e.minimum.size() == 1)
    row += "<td>" + scientific(e.minimum[0]) + " … " + scientific(e.maximum[0]) + "</td>";
  else
    row += "<td></td>";
  row += "<td><svg width=\"100\" height=\"10\"><rect width=\"" + std::to_string(bar_length(snr)) + "\" height=\"10\" fill=\"" +
         bar_color(snr) + "\"/></svg> " + percent(snr) + "</td>";
  row += "<td>" + (e.layerwise_snr >= 0 ? percent(e.layerwise_snr) : std::string("")) + "</td>";
  char cosine[32];
  std::snprintf(cosine, sizeof cosine, "%.6f", e.graphwise.cosine());
  return row + "<td>" + cosine + "</td><td>" + scientific(e.graphwise.mse()) + "</td><td>" + percent(e.clipped) + "</td></tr>\n";
}

/// The outputs' error before and after each pass, and under each pass the tensors that it changed most.
std::string passes_html(const Report& report) {
  constexpr size_t kMostRows = 8;
  auto figure = [](double snr) { return std::isnan(snr) ? std::string() : percent(snr); };
  std::string html =
      "<h2>Passes</h2><p>Noise over signal at the outputs (on a few calibration samples) before and after each pass that was measured; "
      "below it the tensors that the pass changed most.</p>"
      "<table><tr><th>pass</th><th>changes</th><th>seconds</th><th>before</th><th>after</th><th>what it chose</th></tr>";
  for (const PassRecord& pass : report.passes) {
    html += "<tr><td><b>" + escaped(pass.name) + "</b></td><td>" + std::to_string(pass.changes) + "</td><td>" + scientific(pass.seconds) +
            "</td><td>" + figure(pass.error_before) + "</td><td>" + figure(pass.error_after) + "</td><td>" + escaped(pass.decision) +
            "</td></tr>";
    std::vector<TensorEffect> effects = pass.effects;
    auto change = [](const TensorEffect& e) { return std::abs(std::log(std::max(e.after, 1e-12) / std::max(e.before, 1e-12))); };
    std::stable_sort(effects.begin(), effects.end(), [&](const TensorEffect& a, const TensorEffect& b) { return change(a) > change(b); });
    for (size_t i = 0; i < std::min(effects.size(), kMostRows) && change(effects[i]) > 0.01; ++i)
      html += "<tr><td>&nbsp;&nbsp;" + escaped(effects[i].tensor) + "</td><td></td><td></td><td>" + percent(effects[i].before) +
              "</td><td>" + percent(effects[i].after) + "</td><td></td></tr>";
  }
  return html + "</table>";
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
  json["evaluation"] = {{"samples", report.errors.samples}, {"on", report.evaluated_on}};
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
  const auto worst = worst_tensors(report, 10);
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

std::string to_html(const Report& report) {
  std::string html =
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>ppq_torch report</title><style>"
      "body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;color:#222}"
      "h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}table{border-collapse:collapse;width:100%}"
      "td,th{text-align:left;padding:.25em .6em;border-bottom:1px solid #ddd;white-space:nowrap;vertical-align:top}"
      "th{background:#f5f5f5}.cards{display:flex;flex-wrap:wrap;gap:1em}.card{border:1px solid #ddd;border-radius:6px;padding:.8em 1.2em}"
      ".card b{display:block;font-size:1.4em}.scroll{overflow-x:auto}pre{background:#f7f7f7;padding:1em;overflow-x:auto}"
      "</style></head><body>";
  html += "<h1>" + escaped(report.model) + " for " + escaped(report.platform) + "</h1><p>ppq_torch " + report.version + ", " +
          escaped(report.device) + "</p>";
  html += "<div class=\"cards\">";
  for (const auto& [name, m] : report.errors.outputs) {
    if (m.count == 0) {
      html += "<div class=\"card\">" + escaped(name) + "<b>–</b>" +
              (report.errors.unlike.count(name) ? "float and quantized differ in shape" : "not of float type") + "</div>";
      continue;
    }
    char db[32];
    std::snprintf(db, sizeof db, "%.1f dB", m.snr_db());
    html += "<div class=\"card\">" + escaped(name) + "<b style=\"color:" + bar_color(m.nsr()) + "\">" + percent(m.nsr()) +
            "</b>noise over signal (" + db + ")</div>";
    for (const OutputPart* part : hidden_parts(report, name, m))
      html += "<div class=\"card\">" + escaped(name) + ", part " + escaped(part->name) +
              "<b style=\"color:" + bar_color(part->measure.nsr()) + "\">" + percent(part->measure.nsr()) + "</b>noise over signal</div>";
    const auto agreement = report.errors.agreement.find(name);
    if (agreement != report.errors.agreement.end())
      html += "<div class=\"card\">" + escaped(name) + "<b>" + percent(agreement->second, 1) + "</b>of samples: same top-1 as float</div>";
  }
  html += "<div class=\"card\">calibration<b>" + std::to_string(report.calibration_samples) + "</b>samples</div>";
  html += "<div class=\"card\">quantized<b>" + std::to_string(report.quantized_nodes) + " / " + std::to_string(report.nodes) +
          "</b>operations</div>";
  html += "<div class=\"card\">encodings<b>" + std::to_string(report.encodings_written) + "</b>written, " +
          std::to_string(report.encodings_missing.size()) + " tensors without</div></div>";
  html += "<p>Measured on " + std::to_string(report.errors.samples) + " " + escaped(report.evaluated_on) +
          ". The last output decides: an inner tensor may be noisy without harm. The simulation is not bit-exact with an NPU; differences "
          "of a quantization step are normal there.</p>";
  if (!report.warnings.empty()) {
    html += "<h2>Warnings</h2><ul>";
    for (const auto& warning : report.warnings) html += "<li>" + escaped(line_of(warning)) + "</li>";
    html += "</ul>";
  }
  const auto worst = worst_tensors(report, 10);
  if (!worst.empty()) {
    html +=
        "<h2>Worst tensors</h2><div class=\"scroll\"><table><tr><th>tensor</th><th>noise/signal</th><th>cosine</th><th>what to "
        "try</th></tr>";
    for (const TensorError* e : worst) {
      char cosine[32];
      std::snprintf(cosine, sizeof cosine, "%.6f", e->graphwise.cosine());
      html += "<tr><td>" + escaped(e->name) + "</td><td>" + percent(e->graphwise.nsr()) + "</td><td>" + cosine + "</td><td><code>" +
              escaped(advice(*e)) + "</code></td></tr>";
    }
    html += "</table></div>";
  }
  html +=
      "<h2>Tensors</h2><div "
      "class=\"scroll\"><table><tr><th>tensor</th><th>operator</th><th>bits</th><th>scale</th><th>range</th><th>noise/signal "
      "(accumulated)</th><th>this one alone</th><th>cosine</th><th>MSE</th><th>clipped</th></tr>\n";
  for (const TensorError& e : report.errors.tensors) html += tensor_row(e);
  html += "</table></div>" + passes_html(report);
  if (!report.encodings_missing.empty()) {
    html += "<h2>Tensors without an encoding</h2><ul>";
    for (const auto& name : report.encodings_missing) {
      const auto reason = report.missing_reasons.find(name);
      html += "<li>" + escaped(reason == report.missing_reasons.end() ? name : name + ": " + reason->second) + "</li>";
    }
    html += "</ul>";
  }
  html += "<h2>Setting</h2><pre>" + escaped(report.setting_json) + "</pre></body></html>\n";
  return html;
}

}  // namespace ppq
