#include <algorithm>

#include "analysis/html.h"
#include "analysis/report_sections.h"

namespace ppq::html {
namespace {

constexpr size_t kMostLayers = 40;

std::string curve_row(const MixedPoint& point) {
  return "<tr><td>" + count(point.layers) + "</td><td>" + share(point.macs_share) + "</td><td class=\"" + grade(point.noise).style + "\">" +
         share(point.noise) + "</td><td>" + (point.agreement ? share(*point.agreement) : "–") + "</td></tr>";
}

std::string layer_row(const LayerSensitivity& layer, const std::string& last) {
  return "<tr><td>" + name(layer.name) + "</td><td>" + name(layer.type) + "</td><td class=\"" + grade(layer.error).style + "\">" +
         share(layer.error) + "</td><td>" + share(layer.macs_share) + "</td><td>" + last + "</td></tr>";
}

std::string layers_table(const std::string& rows, const char* last) {
  return "<table><tr><th>operation</th><th>type</th><th>noise over signal it makes alone</th><th>of all MACs</th><th>" + std::string(last) +
         "</th></tr>" + rows + "</table>";
}

}  // namespace

std::string mixed_section(const Report& report) {
  if (!report.mixed) return "";
  const MixedPrecision& mixed = *report.mixed;
  std::string out = "<p>Budget <code>" + escaped(mixed.budget) + "</code>: " + (mixed.met ? "met" : "not met");
  if (mixed.layers.empty()) return out + (mixed.met ? " as it is; no layer was moved.</p>" : "; no layer was moved.</p>");
  out += " by " + count(mixed.layers.size(), "layer") + " at more bits.</p><p class=\"remedy\">the same without a search: <code>" +
         escaped(mixed.options) + "</code></p><table><tr><th>layers moved</th><th>of all MACs</th><th>noise over signal</th>" +
         "<th>same top-1</th></tr>" + curve_row(mixed.before);
  for (const MixedPoint& point : mixed.curve)
    if (point.layers != mixed.before.layers && point.layers != mixed.after.layers) out += curve_row(point);
  out += curve_row(mixed.after) + "</table>";
  std::string rows;
  for (const MixedPrecision::Layer& layer : mixed.layers) rows += layer_row(layer.sensitivity, layer.to_float ? "float" : "16 bits");
  return out + folded("The layers, the most sensitive first", layers_table(rows, "now"));
}

std::string sensitivity_section(const Report& report) {
  if (report.sensitivity.empty()) return "";
  std::string rows;
  for (size_t i = 0; i < std::min(kMostLayers, report.sensitivity.size()); ++i)
    rows += layer_row(report.sensitivity[i], "<code>" + escaped(advice(report.sensitivity[i])) + "</code>");
  return "<p>Each layer quantized alone, " +
         (report.sensitivity.size() > kMostLayers ? "the worst " + count(kMostLayers) + " of " + count(report.sensitivity.size(), "layer")
                                                  : std::string("the worst first")) +
         ".</p>" + layers_table(rows, "to try");
}

}  // namespace ppq::html
