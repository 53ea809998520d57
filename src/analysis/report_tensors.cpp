#include <algorithm>
#include <cmath>

#include "analysis/charts.h"
#include "analysis/html.h"
#include "analysis/report_parts.h"
#include "analysis/report_sections.h"

namespace ppq::html {
namespace {

std::string alone(const TensorError& e) { return e.layerwise_snr >= 0 ? share(e.layerwise_snr) : "–"; }

std::string range(const TensorError& e) {
  if (e.minimum.empty() || e.maximum.empty()) return "–";
  return figure(*std::min_element(e.minimum.begin(), e.minimum.end())) + " … " +
         figure(*std::max_element(e.maximum.begin(), e.maximum.end()));
}

std::string scale(const TensorError& e) {
  if (e.scale.empty()) return "–";
  return e.scale.size() == 1 ? figure(e.scale[0]) : count(e.scale.size()) + " scales";
}

std::string range_words(const TensorError& e) {
  std::string words = "Quantized range " + range(e) + ", " + std::to_string(e.bits) + " bits";
  if (e.scale.size() == 1) words += " in steps of " + figure(e.scale[0]) + (e.offset.size() == 1 ? ", offset " + figure(e.offset[0]) : "");
  if (e.scale.size() > 1) words += ", " + count(e.scale.size()) + " scales";
  return words + "; " + (e.clipped > 0 ? share(e.clipped) + " of the values clipped." : "nothing clipped.");
}

/// What the samples show of its values in float.
std::string survey_words(const TensorError& e) {
  if (e.survey.samples.empty()) return "";
  const auto [low, high] = e.survey.range();
  std::string words = " Values in float: " + figure(low) + " … " + figure(high) + ".";
  const ChannelCounts channels = count_channels(e.survey, e.minimum, e.maximum);
  if (channels.vanished + channels.saturated == 0) return words;
  return words + " Of " + std::to_string(channels.all) + " channels " + std::to_string(channels.vanished) + " vanish (less than a step), " +
         std::to_string(channels.saturated) + " saturate.";
}

std::string fact(const std::string& title, const std::string& value, const std::string& style = "") {
  return "<div><dt>" + title + "</dt><dd class=\"" + style + "\">" + value + "</dd></div>";
}

std::string tensor_card(const Report& report, const TensorError& e, size_t number) {
  const std::string digits = std::to_string(number);
  std::string out = "<article id=\"tensor-" + digits + "\"><h3><span class=\"mark\">" + digits + "</span> " + name(e.name) + "</h3><p>" +
                    escaped(shortened(e.type, 60)) + (e.op == e.name ? "" : " " + name(e.op)) + "</p><dl>" +
                    fact("accumulated", share(e.graphwise.nsr()), grade(e.graphwise.nsr()).style) +
                    fact("alone, at the outputs", alone(e)) + fact("cosine", cosine(e.graphwise.cosine())) +
                    fact("clipped", share(e.clipped), e.clipped > kMuchClipped ? "noisy" : "") + "</dl>";
  const auto histogram =
      std::find_if(report.histograms.begin(), report.histograms.end(), [&](const TensorHistogram& h) { return h.tensor == e.name; });
  if (histogram != report.histograms.end()) out += histogram_chart(*histogram, e);
  return out + "<p class=\"note\">" + range_words(e) + survey_words(e) + "</p></article>";
}

std::string tensor_row(const TensorError& e, size_t number, const LogAxis& axis) {
  const double snr = e.graphwise.nsr();
  const std::string noise = e.graphwise.count == 0 ? "<td>–</td>"
                                                   : "<td class=\"noise\"><i class=\"" + std::string(grade(snr).style) +
                                                         "\" style=\"width:" + std::to_string(static_cast<int>(100 * axis.at(snr))) +
                                                         "%\"></i>" + share(snr) + "</td>";
  return "<tr><td>" + std::to_string(number) + "</td><td>" + name(e.name) + "</td><td>" + escaped(shortened(e.type, 40)) + "</td><td>" +
         std::to_string(e.bits) + "</td><td>" + scale(e) + "</td><td>" + range(e) + "</td>" + noise + "<td>" + alone(e) + "</td><td>" +
         cosine(e.graphwise.cosine()) + "</td><td>" + figure(e.graphwise.mse()) + "</td><td>" + share(e.clipped) + "</td></tr>\n";
}

}  // namespace

std::vector<const TensorError*> shown_tensors(const Report& report) { return worst_tensors(report.errors, kWorstTensors, true); }

std::string errors_section(const Report& report) {
  if (report.errors.tensors.empty()) return "";
  return "<figure>" + error_chart(report.errors.tensors, shown_tensors(report)) +
         "<figcaption>Noise over signal of every quantized tensor, from the inputs (left) to the outputs. "
         "<span class=\"key bars\"></span> with everything before it quantized, "
         "<span class=\"key dash\"></span> at the outputs when its operation alone is quantized. Numbers lead to the worst tensors; "
         "hover over a bar for its name.</figcaption></figure>";
}

std::string worst_section(const Report& report) {
  const auto worst = shown_tensors(report);
  if (worst.empty()) return "";
  std::string out =
      "<p class=\"legend\"><span class=\"key area\"></span> values in float, <span class=\"key line\"></span> simulated, with "
      "everything before them quantized too, <span class=\"key range\"></span> quantized range. Counts are on a logarithmic "
      "scale, from " +
      count(std::min(kHistogramSamples, report.errors.samples), "sample") + ".</p>";
  if (report.histograms.empty()) out.clear();
  out += "<div class=\"tensors\">";
  for (size_t i = 0; i < worst.size(); ++i) out += tensor_card(report, *worst[i], i + 1);
  return out + "</div>";
}

std::string tensors_section(const Report& report) {
  const auto& tensors = report.errors.tensors;
  if (tensors.empty()) return "";
  std::vector<double> values;
  for (const TensorError& e : tensors) values.push_back(e.graphwise.nsr());
  const LogAxis axis(values);
  std::string table =
      "<div class=\"scroll\"><table class=\"grid all\"><thead><tr><th>#</th><th>tensor</th><th>operator</th><th>bits</th><th>scale</th>"
      "<th>range</th><th>accumulated</th><th>alone</th><th>cosine</th><th>MSE</th><th>clipped</th></tr></thead><tbody>\n";
  for (size_t i = 0; i < tensors.size(); ++i) table += tensor_row(tensors[i], i + 1, axis);
  return folded(count(tensors.size(), "quantized tensor") + ", in the network's order", table + "</tbody></table></div>");
}

}  // namespace ppq::html
