#include <algorithm>
#include <filesystem>
#include <vector>

#include "analysis/html.h"
#include "analysis/report_parts.h"
#include "analysis/report_sections.h"

namespace ppq {
namespace {

using namespace html;

constexpr size_t kMostCards = 8;

std::string card(const std::string& title, const std::string& value, const std::string& below, const std::string& style = "") {
  return "<div class=\"card\"><p>" + title + "</p><b class=\"" + style + "\">" + value + "</b><p>" + below + "</p></div>";
}

std::string output_cards(const Report& report, const std::string& output, const Measure& m) {
  if (m.count == 0)
    return card("output " + name(output), "–",
                report.errors.unlike.count(output) ? "float and quantized differ in shape" : "not of float type");
  const auto noise = [](const Measure& measure) {
    return std::string(grade(measure.nsr()).words) + ": noise over signal, " + figure(measure.snr_db()) + " dB";
  };
  std::string cards = card("output " + name(output), share(m.nsr()), noise(m), grade(m.nsr()).style);
  for (const OutputPart* part : hidden_parts(report, output, m))
    cards += card(name(output) + ", part " + name(part->name), share(part->measure.nsr()), noise(part->measure),
                  grade(part->measure.nsr()).style);
  if (const auto same = report.errors.agreement.find(output); same != report.errors.agreement.end())
    cards += card("output " + name(output), share(same->second), "of samples: same top-1 as in float");
  return cards;
}

/// The noisiest outputs first, as far as there is room; the section on outputs has all of them.
std::string verdict(const Report& report) {
  std::vector<const std::pair<std::string, Measure>*> outputs;
  for (const auto& output : report.errors.outputs) outputs.push_back(&output);
  std::stable_sort(outputs.begin(), outputs.end(), [](auto* a, auto* b) { return a->second.nsr() > b->second.nsr(); });
  std::string cards;
  for (size_t i = 0; i < std::min(outputs.size(), kMostCards); ++i) cards += output_cards(report, outputs[i]->first, outputs[i]->second);
  if (outputs.size() > kMostCards)
    cards += card("outputs", count(outputs.size()), "the noisiest are shown here, <a href=\"#outputs\">all below</a>");
  if (report.calibration_samples > 0) cards += card("calibrated on", count(report.calibration_samples), "samples");
  if (report.errors.samples > 0) cards += card("measured on", count(report.errors.samples), escaped(report.evaluated_on));
  cards += card("quantized", count(report.quantized_nodes) + " of " + count(report.nodes), "operations");
  cards +=
      card("encodings", count(report.encodings_written),
           report.encodings_missing.empty() ? "no tensor without"
                                            : "<a href=\"#missing\">" + count(report.encodings_missing.size()) + " tensors without</a>");
  return "<div class=\"cards\">" + cards + "</div>";
}

struct Section {
  const char *id, *title;
  std::string body;
};

std::string navigation(const std::vector<Section>& sections) {
  std::string links;
  for (const Section& section : sections)
    if (!section.body.empty()) links += "<a href=\"#" + std::string(section.id) + "\">" + section.title + "</a>";
  return "<nav>" + links + "</nav>";
}

}  // namespace

std::string to_html(const Report& report) {
  const std::vector<Section> sections = {
      {"warnings", "Warnings", warnings_section(report)},
      {"try", "What to try", suggestions_section(report)},
      {"errors", "Error along the network", errors_section(report)},
      {"worst", "Worst tensors", worst_section(report)},
      {"mixed", "Mixed precision", mixed_section(report)},
      {"layers", "What each layer costs", sensitivity_section(report)},
      {"passes", "What each pass did", passes_section(report)},
      {"outputs", "Outputs", outputs_section(report)},
      {"tensors", "All tensors", tensors_section(report)},
      {"missing", "Tensors without an encoding", missing_section(report)},
      {"run", "The run", run_section(report)},
      {"settings", "Settings", settings_section(report)},
  };
  const std::string model = std::filesystem::path(report.model).filename().string();
  std::string html =
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\"><title>" +
      escaped(shortened(model, 80)) + " – ppq_torch report</title><style>" + kStyle + "</style></head><body>\n<header><h1>" + name(model) +
      " <small>for " + name(report.platform) + "</small></h1>" + navigation(sections) + "</header>\n" + verdict(report) +
      "<p class=\"note\">Noise over signal compares the simulated quantized network with the float one. The outputs decide: "
      "an inner tensor may be noisy without harm. The simulation is not bit-exact with an NPU, where a quantization step more "
      "or less is normal.</p>\n";
  for (const Section& section : sections)
    if (!section.body.empty())
      html += "<section id=\"" + std::string(section.id) + "\"><h2>" + section.title + "</h2>\n" + section.body + "</section>\n";
  return html + "<footer>ppq_torch " + escaped(report.version) + ", on " + escaped(report.device) + "</footer></body></html>\n";
}

}  // namespace ppq
