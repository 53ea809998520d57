#include <algorithm>
#include <cmath>

#include "analysis/charts.h"
#include "analysis/html.h"
#include "analysis/report_sections.h"

namespace ppq::html {
namespace {

constexpr size_t kMostEffects = 8;

/// How much a tensor's error changed: 0 for not at all, the same for a factor and its inverse.
double change(const TensorEffect& effect) { return std::abs(std::log(std::max(effect.after, 1e-12) / std::max(effect.before, 1e-12))); }

std::string effects_table(const PassRecord& pass, const LogAxis& axis) {
  std::vector<TensorEffect> effects;
  for (const TensorEffect& effect : pass.effects)
    if (change(effect) > kSameChange) effects.push_back(effect);
  if (effects.empty()) return "";
  std::stable_sort(effects.begin(), effects.end(), [](const TensorEffect& a, const TensorEffect& b) { return change(a) > change(b); });
  const size_t shown = std::min(effects.size(), kMostEffects);
  std::string table = "<table class=\"grid\">";
  for (size_t i = 0; i < shown; ++i)
    table += "<tr><td>" + name(effects[i].tensor) + "</td><td>" + change_chart(effects[i].before, effects[i].after, axis) + "</td><td>" +
             share(effects[i].before) + " → " + share(effects[i].after) + "</td></tr>";
  return folded(count(effects.size(), "tensor") + " changed" + (shown < effects.size() ? ", " + count(shown) + " of them most" : ""),
                table + "</table>");
}

/// "÷ 2.7" where the pass made the error that much smaller.
std::string factor(double before, double after) {
  if (std::isnan(before) || std::isnan(after) || before <= 0 || after <= 0) return "";
  const double ratio = before / after;
  if (std::abs(std::log(ratio)) < kSameChange) return "same";
  return ratio > 1 ? "<span class=\"good\">÷ " + figure(ratio) + "</span>" : "<span class=\"lost\">× " + figure(1 / ratio) + "</span>";
}

std::string measured_row(const PassRecord& pass, const LogAxis& outputs, const LogAxis& tensors) {
  const std::string before = std::isnan(pass.error_before) ? "" : share(pass.error_before) + " → ";
  std::string row = "<tr><td><b>" + name(pass.name) + "</b></td><td>" + change_chart(pass.error_before, pass.error_after, outputs) +
                    "</td><td>" + before + share(pass.error_after) + "</td><td>" + factor(pass.error_before, pass.error_after) +
                    "</td><td>" + count(pass.changes) + "</td><td>" + seconds(pass.seconds) + "</td></tr>";
  const std::string decision = pass.decision.empty() ? "" : "<p>" + escaped(shortened(pass.decision, 600)) + "</p>";
  const std::string below = decision + effects_table(pass, tensors);
  return below.empty() ? row : row + "<tr class=\"below\"><td colspan=\"6\">" + below + "</td></tr>";
}

std::string other_row(const PassRecord& pass) {
  return "<tr><td>" + name(pass.name) + "</td><td>" + count(pass.changes) + "</td><td>" + seconds(pass.seconds) +
         "</td><td class=\"words\">" + escaped(shortened(pass.decision, 600)) + "</td></tr>";
}

}  // namespace

std::string passes_section(const Report& report) {
  std::vector<double> at_outputs, at_tensors;
  for (const PassRecord& pass : report.passes) {
    at_outputs.push_back(pass.error_before), at_outputs.push_back(pass.error_after);
    for (const TensorEffect& effect : pass.effects) at_tensors.push_back(effect.before), at_tensors.push_back(effect.after);
  }
  const LogAxis outputs(at_outputs, 6), tensors(at_tensors, 6);
  std::string measured, others;
  size_t unmeasured = 0;
  for (const PassRecord& pass : report.passes) {
    if (!std::isnan(pass.error_after))
      measured += measured_row(pass, outputs, tensors);
    else
      others += other_row(pass), ++unmeasured;
  }
  std::string out;
  if (!measured.empty())
    out +=
        "<p class=\"legend\">Noise over signal at the outputs <span class=\"key before\"></span> before and <span class=\"key "
        "after\"></span> after "
        "each pass that changes it, on a few calibration samples.</p><table class=\"grid passes\"><tr><th>pass</th><th>" +
        change_scale(outputs) + "</th><th>noise over signal</th><th></th><th>changes</th><th>time</th></tr>" + measured + "</table>";
  if (!others.empty())
    out += folded(
        count(unmeasured) + (unmeasured == 1 ? " other pass" : " other passes"),
        "<table class=\"grid others\"><tr><th>pass</th><th>changes</th><th>time</th><th>what it chose</th></tr>" + others + "</table>");
  return out;
}

}  // namespace ppq::html
