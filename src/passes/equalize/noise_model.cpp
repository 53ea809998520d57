#include "passes/equalize/noise_model.h"

#include <algorithm>
#include <cmath>

namespace ppq::passes {
namespace {

constexpr double kSmallest = 0x1p-20;
constexpr double kFirstStep = 2, kLastStep = 0.02;  ///< of the search, in octaves

double largest(const NoiseTerm& term, const std::vector<double>& scales) {
  double step = 0;
  for (size_t i = 0; i < scales.size(); ++i) step = std::max(step, term.inverse ? term.range[i] / scales[i] : term.range[i] * scales[i]);
  return step;
}

/// For given steps of the tensors each channel has its own best scale: the noise is a/s² + b·s², between the scales at which the
/// channel would need larger steps.
std::vector<double> scales_for(const std::vector<NoiseTerm>& terms, const std::vector<double>& steps, const std::vector<double>& most) {
  std::vector<double> scales(most.size(), 1);
  for (size_t i = 0; i < most.size(); ++i) {
    if (most[i] == 0) continue;
    double a = 0, b = 0, low = kSmallest, high = most[i];
    for (size_t t = 0; t < terms.size(); ++t) {
      const NoiseTerm& term = terms[t];
      (term.inverse ? b : a) += steps[t] * steps[t] * term.weight[i];
      if (term.range[i] == 0 || steps[t] == 0) continue;
      if (term.inverse) {
        low = std::max(low, term.range[i] / steps[t]);
      } else {
        high = std::min(high, steps[t] / term.range[i]);
      }
    }
    if (a == 0 && b == 0) continue;
    const double best = a == 0 ? low : b == 0 ? high : std::sqrt(std::sqrt(a / b));
    // Where the steps leave no room, both tensors have to give.
    scales[i] = low > high ? std::min(std::sqrt(low * high), most[i]) : std::clamp(best, low, high);
  }
  return scales;
}

}  // namespace

double noise(const std::vector<NoiseTerm>& terms, const std::vector<double>& scales) {
  double sum = 0;
  for (const NoiseTerm& term : terms) {
    const double step = largest(term, scales);
    double arriving = 0;
    for (size_t i = 0; i < scales.size(); ++i)
      arriving += term.inverse ? term.weight[i] * scales[i] * scales[i] : term.weight[i] / (scales[i] * scales[i]);
    sum += step * step * arriving;
  }
  return sum;
}

std::vector<double> least_noise(const std::vector<NoiseTerm>& terms, const std::vector<double>& most) {
  std::vector<double> best(most.size(), 1), at;
  for (const NoiseTerm& term : terms) at.push_back(largest(term, best));
  double least = noise(terms, best);
  auto attempt = [&](const std::vector<double>& steps) {
    auto scales = scales_for(terms, steps, most);
    const double now = noise(terms, scales);
    if (!(now < 0.9999 * least)) return false;
    least = now, best = std::move(scales), at = steps;
    return true;
  };
  attempt(at);
  for (double octaves = kFirstStep; octaves >= kLastStep; octaves /= 2) {
    for (int round = 0; round < 64; ++round) {
      bool better = false;
      // One tensor's step at a time, and two against each other.
      for (size_t t = 0; t < terms.size(); ++t)
        for (size_t u = t; u < terms.size(); ++u)
          for (double by : {octaves, -octaves})
            for (double other : {1.0, -1.0}) {
              if (t == u && other < 0) continue;
              std::vector<double> steps = at;
              steps[t] *= std::exp2(by);
              if (u != t) steps[u] *= std::exp2(other * by);
              better |= attempt(steps);
            }
      if (!better) break;
    }
  }
  return best;
}

}  // namespace ppq::passes
