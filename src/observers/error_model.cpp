#include "observers/error_model.h"

#include <algorithm>
#include <cmath>

namespace ppq::observers {

ErrorModel::ErrorModel(const Distribution& distribution, const QuantScheme& scheme, double zeros)
    : d_(distribution), scheme_(scheme), zeros_(zeros), prefix_(distribution.counts.size() + 1) {
  prefix_[0] = {0, 0, 0};
  const double w = d_.width;
  for (size_t i = 0; i < d_.counts.size(); ++i) {
    const double n = d_.counts[i], a = d_.low + static_cast<double>(i) * w;
    prefix_[i + 1] = {prefix_[i].count + n, prefix_[i].sum + n * (a + w / 2),
                      prefix_[i].squares + n * (a * a + a * w + w * w / 3)};
  }
}

ErrorModel::Moments ErrorModel::below(double x) const {
  const double position = (x - d_.low) / d_.width;
  if (position <= 0) return prefix_.front();
  if (position >= static_cast<double>(d_.counts.size())) return prefix_.back();
  const size_t bin = static_cast<size_t>(position);
  const double part = position - static_cast<double>(bin), n = d_.counts[bin] * part;
  if (n == 0) return prefix_[bin];
  const double a = d_.low + static_cast<double>(bin) * d_.width, w = part * d_.width;
  return {prefix_[bin].count + n, prefix_[bin].sum + n * (a + w / 2), prefix_[bin].squares + n * (a * a + a * w + w * w / 3)};
}

ErrorModel::Grid ErrorModel::grid(double low, double high) const {
  low = std::min(low, 0.0), high = std::max(high, 0.0);
  const double steps = scheme_.quant_max - scheme_.quant_min;
  double scale = scheme_.symmetric ? 2 * std::max(-low, high) / steps : std::max(high - low, scheme_.min_range) / steps;
  scale = std::max(scale, scheme_.min_scale);
  if (scheme_.power_of_two) scale = std::exp2(std::ceil(std::log2(scale)));
  const double offset = scheme_.symmetric ? 0.0
                        : std::clamp(scheme_.quant_min - std::nearbyint(low / scale), scheme_.quant_min, scheme_.quant_max);
  return {scale, offset};
}

double ErrorModel::mean_squared_error(double low, double high) const {
  const Grid g = grid(low, high);
  const double first = (scheme_.quant_min - g.offset) * g.scale, last = (scheme_.quant_max - g.offset) * g.scale;
  double error = 0;
  if (g.scale > 2 * d_.width) {
    // Only the levels that data reaches.
    const double from = std::clamp(std::floor(d_.low / g.scale), scheme_.quant_min - g.offset, scheme_.quant_max - g.offset);
    const double to = std::clamp(std::ceil(d_.maximum / g.scale), from, scheme_.quant_max - g.offset);
    Moments left = prefix_.front();
    for (double level = from; level <= to; ++level) {
      const Moments right = level == to ? prefix_.back() : below((level + 0.5) * g.scale);
      error += cell(left, right, level * g.scale);
      left = right;
    }
  } else {
    const Moments a = below(first), b = below(last);
    error = clipped(d_.minimum, first, cell(prefix_.front(), a, first)) + clipped(d_.maximum, last, cell(b, prefix_.back(), last));
    error += std::max(0.0, b.count - a.count - zeros_) * g.scale * g.scale / 12;
  }
  return error / d_.total;
}

double ErrorModel::clipped(double extreme, double limit, double spread) const {
  const auto bin_of = [&](double x) { return std::floor((x - d_.low) / d_.width); };
  if (extreme > 0 ? limit >= extreme : limit <= extreme) return 0;
  const double bin = bin_of(extreme);
  if (bin != bin_of(limit) || bin < 0 || bin >= static_cast<double>(d_.counts.size())) return spread;
  return d_.counts[static_cast<size_t>(bin)] * (extreme - limit) * (extreme - limit);
}

std::pair<double, double> ErrorModel::best_range() const {
  double low = std::min(d_.minimum, 0.0), high = std::max(d_.maximum, 0.0);
  if (scheme_.symmetric) {
    high = std::max(-low, high);
    low = -high;
  }
  if (high == low) return {low, high};
  std::pair<double, double> best{low, high};
  double best_error = mean_squared_error(low, high);
  auto offer = [&](double l, double h) {
    const double error = mean_squared_error(l, h);
    if (error < best_error) best_error = error, best = {l, h};
  };
  const double smallest = 4 * d_.width / (high - low);
  for (double shrink = 0.97; shrink > smallest && shrink > 1e-3; shrink *= 0.97) offer(low * shrink, high * shrink);
  for (double reach : {0.5, 0.15, 0.04, 0.01}) {
    const int count = 12;
    for (int round = 0; round < 2; ++round) {
      const auto [l, h] = best;
      for (int i = -count; i <= count; ++i) {
        const double factor = 1 + reach * i / count;
        if (scheme_.symmetric) {
          offer(l * factor, h * factor);
          continue;
        }
        if (h * factor <= std::max(d_.maximum, 0.0) * 1.02) offer(l, h * factor);
        if (l * factor >= std::min(d_.minimum, 0.0) * 1.02) offer(l * factor, best.second);
      }
    }
  }
  return best;
}

}  // namespace ppq::observers
