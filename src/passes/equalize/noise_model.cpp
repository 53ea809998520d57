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

/// The search tries thousands of steps for the same terms: what it needs of them, in loops without a branch.
class Search {
 public:
  Search(const std::vector<NoiseTerm>& terms, const std::vector<double>& most)
      : terms_(terms), most_(most), a_(most.size()), b_(most.size()), low_(most.size()), high_(most.size()), inverse_(most.size()) {
    for (const NoiseTerm& term : terms) {
      reach_.emplace_back(term.range);
      if (!term.inverse)
        for (double& range : reach_.back()) range = 1 / range;  // infinite where the tensor does not limit the scale
    }
  }

  /// For given steps of the tensors each channel has its own best scale: the noise is a/s² + b·s², between the scales at which the
  /// channel would need larger steps.
  const std::vector<double>& scales(const std::vector<double>& steps) {
    const size_t channels = most_.size();
    std::fill(a_.begin(), a_.end(), 0.0), std::fill(b_.begin(), b_.end(), 0.0);
    std::fill(low_.begin(), low_.end(), kSmallest);
    high_ = most_;
    for (size_t t = 0; t < terms_.size(); ++t) {
      const double* weight = terms_[t].weight.data();
      const double* reach = reach_[t].data();
      double* sum = (terms_[t].inverse ? b_ : a_).data();
      const double square = steps[t] * steps[t], step = steps[t], inverse = 1 / steps[t];
      for (size_t i = 0; i < channels; ++i) sum[i] += square * weight[i];
      if (step == 0) continue;
      if (terms_[t].inverse) {
        for (size_t i = 0; i < channels; ++i) low_[i] = std::max(low_[i], reach[i] * inverse);
      } else {
        for (size_t i = 0; i < channels; ++i) high_[i] = std::min(high_[i], reach[i] * step);
      }
    }
    scales_.resize(channels);
    for (size_t i = 0; i < channels; ++i) {
      const double a = a_[i], b = b_[i], low = low_[i], high = high_[i], most = most_[i];
      const double best = a == 0 ? low : b == 0 ? high : std::sqrt(std::sqrt(a / b));
      // Where the steps leave no room, both tensors have to give.
      const double inside = std::min(std::max(best, low), high), between = std::min(std::sqrt(low * high), most);
      const double scale = low > high ? between : inside;
      scales_[i] = most == 0 || (a == 0 && b == 0) ? 1 : scale;
    }
    return scales_;
  }

  /// As ppq::passes::noise.
  double noise(const std::vector<double>& scales) {
    const size_t channels = scales.size();
    for (size_t i = 0; i < channels; ++i) inverse_[i] = 1 / scales[i];
    double sum = 0;
    for (const NoiseTerm& term : terms_) {
      // Of g: the scale, or 1/scale.
      const double *g = (term.inverse ? inverse_ : scales).data(), *back = (term.inverse ? scales : inverse_).data();
      // Four channels at a time: none waits for the sum before it.
      double step[4] = {}, arriving[4] = {};
      auto add = [&](size_t i, size_t k) {
        step[k] = std::max(step[k], term.range[i] * g[i]);
        arriving[k] += term.weight[i] * back[i] * back[i];
      };
      size_t i = 0;
      for (; i + 4 <= channels; i += 4) add(i, 0), add(i + 1, 1), add(i + 2, 2), add(i + 3, 3);
      for (; i < channels; ++i) add(i, 0);
      const double largest = std::max(std::max(step[0], step[1]), std::max(step[2], step[3]));
      sum += largest * largest * ((arriving[0] + arriving[1]) + (arriving[2] + arriving[3]));
    }
    return sum;
  }

 private:
  const std::vector<NoiseTerm>& terms_;
  const std::vector<double>& most_;
  std::vector<std::vector<double>> reach_;  ///< 1/range, or range of an inverse term
  std::vector<double> a_, b_, low_, high_, inverse_, scales_;
};

}  // namespace

double noise(const std::vector<NoiseTerm>& terms, const std::vector<double>& scales) { return Search(terms, scales).noise(scales); }

std::vector<double> least_noise(const std::vector<NoiseTerm>& terms, const std::vector<double>& most) {
  std::vector<double> best(most.size(), 1), at;
  for (const NoiseTerm& term : terms) at.push_back(largest(term, best));
  Search search(terms, most);
  double least = search.noise(best);
  auto attempt = [&](const std::vector<double>& steps) {
    const std::vector<double>& scales = search.scales(steps);
    const double now = search.noise(scales);
    if (!(now < 0.9999 * least)) return false;
    least = now, best = scales, at = steps;
    return true;
  };
  attempt(std::vector<double>(at));
  std::vector<double> steps;
  for (double octaves = kFirstStep; octaves >= kLastStep; octaves /= 2) {
    for (int round = 0; round < 64; ++round) {
      bool better = false;
      // One tensor's step at a time, and two against each other.
      for (size_t t = 0; t < terms.size(); ++t)
        for (size_t u = t; u < terms.size(); ++u)
          for (double by : {octaves, -octaves})
            for (double other : {1.0, -1.0}) {
              if (t == u && other < 0) continue;
              steps = at;
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
