#include "analysis/report_sections.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/charts.h"
#include "analysis/html.h"
#include "analysis/report_parts.h"

namespace ppq::html {
namespace {

constexpr size_t kMostWarnings = 12, kMostNames = 6;

/// The first of some names, the others folded.
std::string names(const std::vector<std::string>& all) {
  std::string shown, rest;
  for (size_t i = 0; i < all.size(); ++i) (i < kMostNames ? shown : rest) += "<li>" + name(all[i]) + "</li>";
  std::string out = "<ul class=\"names\">" + shown + "</ul>";
  if (!rest.empty()) out += folded("and " + count(all.size() - kMostNames) + " more", "<ul class=\"names\">" + rest + "</ul>");
  return out;
}

std::string warning_box(const Warning& warning) {
  std::string out = "<div class=\"warning\"><p>";
  if (!warning.code.empty()) out += "<span class=\"code\">" + escaped(warning.code) + "</span> ";
  out += escaped(shortened(warning.text, 2000)) + "</p>";
  if (!warning.figures.empty()) {
    out += "<ul class=\"figures\">";
    for (const auto& [key, value] : warning.figures) out += "<li>" + escaped(key) + " <b>" + figure(value) + "</b></li>";
    out += "</ul>";
  }
  if (!warning.tensors.empty()) out += names(warning.tensors);
  if (!warning.remedy.empty()) out += "<p class=\"remedy\">add to the command: <code>" + escaped(warning.remedy) + "</code></p>";
  return out + "</div>";
}

std::string row(const std::string& key, const std::string& value) { return "<tr><th>" + key + "</th><td>" + value + "</td></tr>"; }

std::string pairs_table(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string out = "<table class=\"facts\">";
  for (const auto& [key, value] : pairs) out += row(escaped(key), name(value));
  return out + "</table>";
}

std::string measure_cells(const Measure& m) {
  if (m.count == 0) return "<td>–</td><td>–</td><td>–</td><td>–</td>";
  return "<td class=\"" + std::string(grade(m.nsr()).style) + "\">" + share(m.nsr()) + "</td><td>" + figure(m.snr_db()) + " dB</td><td>" +
         cosine(m.cosine()) + "</td><td>" + figure(m.mse()) + "</td>";
}

/// Nothing at the outputs, in their parts or among the warnings asks for a look.
bool is_quiet(const Report& report) {
  const auto& outputs = report.errors.outputs;
  return !outputs.empty() && report.warnings.empty() && output_snr(report.errors) <= kNoisyOutput &&
         std::all_of(outputs.begin(), outputs.end(), [&](const auto& one) { return hidden_parts(report, one.first, one.second).empty(); });
}

std::string timing(const Report& report) {
  std::vector<std::pair<std::string, double>> stages;
  for (const char* stage : {"load", "optimize", "calibrate", "tune", "analyze", "export"})
    if (const auto found = report.timing.find(stage); found != report.timing.end()) stages.emplace_back(stage, found->second);
  return share_chart(stages);
}

}  // namespace

std::string warnings_section(const Report& report) {
  std::vector<const Warning*> ordered;  // those with something to do first
  for (const Warning& warning : report.warnings) ordered.push_back(&warning);
  const auto rank = [](const Warning* w) { return !w->remedy.empty() ? 0 : !w->code.empty() ? 1 : 2; };
  std::stable_sort(ordered.begin(), ordered.end(), [&](auto* a, auto* b) { return rank(a) < rank(b); });
  std::string shown, rest;
  for (size_t i = 0; i < ordered.size(); ++i) (i < kMostWarnings ? shown : rest) += warning_box(*ordered[i]);
  if (!rest.empty()) shown += folded("and " + count(ordered.size() - kMostWarnings, "more warning"), rest);
  return shown;
}

std::string suggestions_section(const Report& report) {
  const std::vector<Suggestion> all = suggestions(report);
  if (all.empty()) return is_quiet(report) ? "<p>The outputs are close to float. Nothing stands out.</p>" : "";
  std::string out = "<p>Options to add to the same command, one at a time:</p><table class=\"try\">";
  for (const Suggestion& one : all)
    out += "<tr><td><code>" + escaped(one.options) + "</code></td><td>" + escaped(shortened(one.why, 400)) + "</td></tr>";
  return out + "</table>";
}

std::string outputs_section(const Report& report) {
  if (report.errors.outputs.empty()) return "";
  std::string out =
      "<table class=\"grid\"><tr><th>output</th><th>noise over signal</th><th>SNR</th><th>cosine</th><th>MSE</th>"
      "<th>top-1 as in float</th></tr>";
  for (const auto& [output, m] : report.errors.outputs) {
    const auto same = report.errors.agreement.find(output);
    const std::string note = m.count > 0                          ? ""
                             : report.errors.unlike.count(output) ? " (float and quantized differ in shape)"
                                                                  : " (not of float type)";
    out += "<tr><td>" + name(output) + note + "</td>" + measure_cells(m) + "<td>" +
           (same == report.errors.agreement.end() ? "–" : share(same->second)) + "</td></tr>";
    if (const auto parts = report.errors.parts.find(output); parts != report.errors.parts.end())
      for (const OutputPart& part : parts->second) {
        std::string places;
        for (const PartPlace& place : part.places)
          places += " axis " + std::to_string(place.axis) + ": " + std::to_string(place.begin) + "–" +
                    std::to_string(place.begin + place.length - 1);
        out += "<tr class=\"part-row\"><td>part " + name(part.name) + " <small>" + places + "</small></td>" + measure_cells(part.measure) +
               "<td></td></tr>";
      }
  }
  return out + "</table>";
}

std::string missing_section(const Report& report) {
  std::map<std::string, std::vector<std::string>> by_reason;
  for (const std::string& tensor : report.encodings_missing) {
    const auto reason = report.missing_reasons.find(tensor);
    by_reason[reason == report.missing_reasons.end() ? "no reason known" : reason->second].push_back(tensor);
  }
  std::string out;
  for (const auto& [reason, tensors] : by_reason) out += "<h3>" + escaped(shortened(reason, 400)) + "</h3>" + names(tensors);
  return out;
}

std::string run_section(const Report& report) {
  std::string out = timing(report) + "<table class=\"facts\">" + row("model", name(report.model)) + row("platform", name(report.platform)) +
                    row("device", escaped(report.device));
  if (const auto total = report.timing.find("total"); total != report.timing.end()) out += row("time", seconds(total->second));
  if (report.calibration_samples > 0) {
    out += row("calibrated on",
               count(report.calibration_samples, "sample") + ", " + count(report.batch_size) + " a batch" +
                   (report.calibration_seconds > 0
                        ? ", " + figure(static_cast<double>(report.calibration_samples) / report.calibration_seconds) + " a second"
                        : ""));
  }
  out += row("measured on", count(report.errors.samples) + " " + escaped(report.evaluated_on));
  out += row("memory", bytes(report.peak_rss_bytes) + " at most" +
                           (report.peak_device_bytes > 0 ? ", " + bytes(report.peak_device_bytes) + " on the device" : ""));
  const Work& work = report.work;
  if (work.float_forwards + work.simulated_forwards + work.rounded_forwards > 0)
    out += row("samples run", count(work.float_forwards) + " in float, " + count(work.rounded_forwards) + " with rounded weights, " +
                                  count(work.simulated_forwards) + " simulated; " + count(work.decoded) + " decoded");
  for (const std::string& input : report.inputs) out += row("input", name(input));
  out += "</table>";
  if (!report.preprocessing.empty()) out += "<h3>Preprocessing</h3>" + pairs_table(report.preprocessing);
  return out;
}

std::string settings_section(const Report& report) {
  std::string out;
  if (!report.options.empty()) {
    out += "<h3>Options</h3><ul class=\"figures\">";
    for (const auto& [key, value] : report.options) out += "<li>" + name(key) + " <b>" + name(value) + "</b></li>";
    out += "</ul>";
  }
  if (report.setting_json != "{}") out += folded("effective setting (setting.json)", "<pre>" + escaped(report.setting_json) + "</pre>");
  return out;
}

}  // namespace ppq::html
