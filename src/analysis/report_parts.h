#pragma once

#include <string>
#include <vector>

#include "analysis/report.h"

/// What the summary and report.html have in common.
namespace ppq {

std::string percent(double ratio, int digits = 3);

/// Parts whose error says something else than that of the whole output: those it hides.
std::vector<const OutputPart*> hidden_parts(const Report& report, const std::string& output, const Measure& whole);

/// Share of clipped values from which on they are the first thing to look at.
constexpr double kMuchClipped = 0.001;
/// Noise over signal at the outputs above which there is something to try.
constexpr double kNoisyOutput = 0.01;

/// What a user can try for a tensor that stands out.
std::string advice(const TensorError& error);

/// Options to paste behind the command, and why.
struct Suggestion {
  std::string options, why;
};
/// Remedies of warnings; then, where the outputs are noisy, what the worst tensors and the operations that add most call for.
std::vector<Suggestion> suggestions(const Report& report);

}  // namespace ppq
