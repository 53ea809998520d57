#include "analysis/report_parts.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "analysis/html.h"

namespace ppq {
namespace {

constexpr size_t kMostOperations = 3;

/// Operations by what each adds to the error of the outputs when it alone is quantized.
std::vector<const TensorError*> largest_alone(const ErrorAnalysis& errors) {
  std::vector<const TensorError*> all;
  std::set<std::string> seen;
  for (const TensorError& error : errors.tensors)
    if (error.layerwise_snr > 0 && seen.insert(error.op).second) all.push_back(&error);
  std::stable_sort(all.begin(), all.end(), [](auto* a, auto* b) { return a->layerwise_snr > b->layerwise_snr; });
  return all;
}

}  // namespace

std::string percent(double ratio, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f %%", digits, 100 * ratio);
  return text;
}

std::vector<const OutputPart*> hidden_parts(const Report& report, const std::string& output, const Measure& whole) {
  constexpr double kMuchWorse = 10;
  std::vector<const OutputPart*> hidden;
  if (const auto parts = report.errors.parts.find(output); parts != report.errors.parts.end())
    for (const OutputPart& part : parts->second)
      if (part.measure.signal > 0 && part.measure.nsr() > kMuchWorse * whole.nsr()) hidden.push_back(&part);
  return hidden;
}

std::string advice(const TensorError& error) {
  if (error.clipped > kMuchClipped) return "--observer minmax (" + percent(error.clipped) + " of its values are clipped)";
  return "--keep-float '" + error.op + "' or --bits '" + error.op + "=16'";
}

std::vector<Suggestion> suggestions(const Report& report) {
  std::vector<Suggestion> all;
  std::set<std::string> seen;
  const auto add = [&](const std::string& options, const std::string& why) {
    if (!options.empty() && seen.insert(options).second) all.push_back({options, why});
  };
  for (const Warning& warning : report.warnings) add(warning.remedy, "for the warning [" + warning.code + "]");
  const double whole = output_snr(report.errors);
  if (!(whole > kNoisyOutput)) return all;
  const auto worst = worst_tensors(report.errors, kMostOperations);
  for (const TensorError* error : worst)
    if (error->clipped > kMuchClipped)
      add("--observer minmax", html::share(error->clipped) + " of the values of " + error->name + " are clipped");
  const auto alone = largest_alone(report.errors);
  for (size_t i = 0; i < std::min(alone.size(), kMostOperations) && alone[i]->layerwise_snr > whole / 10; ++i)
    add("--bits " + html::shell_word(alone[i]->op + "=16"),
        "quantized alone, this " + alone[i]->type + " brings " + html::share(alone[i]->layerwise_snr) +
            " of noise to the outputs; --keep-float " + html::shell_word(alone[i]->op) + " where the target has no 16 bits");
  if (alone.empty() && !worst.empty())
    add("--bits " + html::shell_word(worst[0]->op + "=16"), worst[0]->name + " has the largest error of all tensors");
  return all;
}

}  // namespace ppq
