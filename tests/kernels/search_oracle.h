#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/search.h"

/// The range searches written once more as plain loops with the standard library's functions: what kernels::search_ranges
/// must choose, and histograms to choose from.
namespace ppq::kernels::test {

struct PlainSearch {
  const search::Rule& rule;
  std::vector<double> counts;
  double low, width, minimum, maximum, total = 0, zeros = 0;
  struct Sums {
    double count, sum, squares;
  };
  std::vector<Sums> prefix;

  PlainSearch(const Histogram& h, int64_t channel, const search::Rule& rule, double zero_share = 0) : rule(rule) {
    const at::Tensor row = h.counts[channel].contiguous();
    counts.assign(row.const_data_ptr<int64_t>(), row.const_data_ptr<int64_t>() + row.numel());
    width = std::ldexp(1.0, h.exponent[channel].item<int>());
    low = static_cast<double>(h.first[channel].item<int64_t>()) * width;
    minimum = h.minimum[channel].item<double>(), maximum = h.maximum[channel].item<double>();
    for (double n : counts) total += n;
    zeros = total * zero_share;
    prefix.push_back({0, 0, 0});
    for (size_t i = 0; i < counts.size(); ++i) {
      const double n = counts[i], a = low + static_cast<double>(i) * width;
      prefix.push_back(
          {prefix[i].count + n, prefix[i].sum + n * (a + width / 2), prefix[i].squares + n * (a * a + a * width + width * width / 3)});
    }
  }

  double quantile(double q) const {
    const double wanted = q * total;
    double below = 0;
    for (size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] > 0 && below + counts[i] >= wanted) return low + width * (static_cast<double>(i) + (wanted - below) / counts[i]);
      below += counts[i];
    }
    return maximum;
  }

  Sums below(double x) const {
    const double position = (x - low) / width;
    if (position <= 0) return prefix.front();
    if (position >= static_cast<double>(counts.size())) return prefix.back();
    const size_t bin = static_cast<size_t>(position);
    const double part = position - static_cast<double>(bin), n = counts[bin] * part;
    if (n == 0) return prefix[bin];
    const double a = low + static_cast<double>(bin) * width, w = part * width;
    return {prefix[bin].count + n, prefix[bin].sum + n * (a + w / 2), prefix[bin].squares + n * (a * a + a * w + w * w / 3)};
  }
  std::pair<double, double> grid(double l, double h) const {
    l = std::min(l, 0.0), h = std::max(h, 0.0);
    const double steps = rule.quant_max - rule.quant_min;
    double scale = rule.symmetric ? 2 * std::max(-l, h) / steps : std::max(h - l, rule.min_range) / steps;
    scale = std::max(scale, rule.min_scale);
    if (rule.power_of_two) scale = std::exp2(std::ceil(std::log2(scale)));
    return {scale, rule.symmetric ? 0.0 : std::clamp(rule.quant_min - std::nearbyint(l / scale), rule.quant_min, rule.quant_max)};
  }
  double error(double l, double h) const {
    const auto [scale, offset] = grid(l, h);
    const double first = (rule.quant_min - offset) * scale, last = (rule.quant_max - offset) * scale;
    auto cell = [](const Sums& from, const Sums& to, double value) {
      return (to.squares - from.squares) - 2 * value * (to.sum - from.sum) + value * value * (to.count - from.count);
    };
    double sum = 0;
    if (scale > 2 * width) {
      const double from = std::clamp(std::floor(low / scale), rule.quant_min - offset, rule.quant_max - offset);
      const double to = std::clamp(std::ceil(maximum / scale), from, rule.quant_max - offset);
      Sums left = prefix.front();
      for (double level = from; level <= to; ++level) {
        const Sums right = level == to ? prefix.back() : below((level + 0.5) * scale);
        sum += cell(left, right, level * scale);
        left = right;
      }
    } else {
      auto clipped = [&](double extreme, double limit, double spread) {
        const auto bin_of = [&](double x) { return std::floor((x - low) / width); };
        if (extreme > 0 ? limit >= extreme : limit <= extreme) return 0.0;
        const double bin = bin_of(extreme);
        if (bin != bin_of(limit) || bin < 0 || bin >= static_cast<double>(counts.size())) return spread;
        return counts[static_cast<size_t>(bin)] * (extreme - limit) * (extreme - limit);
      };
      const Sums a = below(first), b = below(last);
      sum = clipped(minimum, first, cell(prefix.front(), a, first)) + clipped(maximum, last, cell(b, prefix.back(), last));
      sum += std::max(0.0, b.count - a.count - zeros) * scale * scale / 12;
    }
    return sum / total;
  }

  std::pair<double, double> smallest_error() const {
    double l = std::min(minimum, 0.0), h = std::max(maximum, 0.0);
    if (rule.symmetric) h = std::max(-l, h), l = -h;
    if (h == l) return {l, h};
    std::pair<double, double> best{l, h};
    double best_error = error(l, h);
    auto offer = [&](double a, double b) {
      const double e = error(a, b);
      if (e < best_error) best_error = e, best = {a, b};
    };
    const double smallest = 4 * width / (h - l);
    for (double shrink = 0.97; shrink > smallest && shrink > 1e-3; shrink *= 0.97) offer(l * shrink, h * shrink);
    for (double reach : {0.5, 0.15, 0.04, 0.01})
      for (int round = 0; round < 2; ++round) {
        const auto [a, b] = best;
        for (int i = -12; i <= 12; ++i) {
          const double factor = 1 + reach * i / 12;
          if (rule.symmetric) {
            offer(a * factor, b * factor);
            continue;
          }
          if (b * factor <= std::max(maximum, 0.0) * 1.02) offer(a, b * factor);
          if (a * factor >= std::min(minimum, 0.0) * 1.02) offer(a * factor, best.second);
        }
      }
    return best;
  }

  double divergence(double l, double h) const {
    const auto [scale, offset] = grid(l, h);
    const double first = rule.quant_min - offset, last = rule.quant_max - offset;
    const size_t levels = static_cast<size_t>(last - first) + 1;
    std::vector<double> mass(levels, 0), bins(levels, 0);
    double under = 0, over = 0, kept = 0, sum = 0;
    auto level_of = [&, s = scale](size_t i) { return std::nearbyint((low + (static_cast<double>(i) + 0.5) * width) / s); };
    for (size_t i = 0; i < counts.size(); ++i) {
      const double level = level_of(i), n = counts[i];
      if (n == 0) continue;
      if (level < first)
        under += n;
      else if (level > last)
        over += n;
      else
        mass[static_cast<size_t>(level - first)] += n, bins[static_cast<size_t>(level - first)] += 1, kept += n;
    }
    if (kept <= 0) return std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < counts.size(); ++i) {
      const double level = level_of(i);
      if (counts[i] == 0 || level < first || level > last) continue;
      const size_t k = static_cast<size_t>(level - first);
      const double p = counts[i] / total, q = mass[k] / bins[k] / kept;
      sum += p * std::log(p / q);
    }
    auto tail = [&, k = kept](double count, size_t at) {
      if (count <= 0) return 0.0;
      const double p = count / total, q = std::max(mass[at], 1.0) / std::max(bins[at], 1.0) / k;
      return p * std::log(p / q);
    };
    return sum + tail(under, 0) + tail(over, levels - 1);
  }
  std::pair<double, double> smallest_divergence() const {
    const auto [l, h] = smallest_error();
    const double limit = 1.08 * error(l, h);
    std::pair<double, double> best{l, h};
    double least = divergence(l, h);
    for (int i = -16; i <= 16; ++i)
      for (int j = -16; j <= 16; ++j) {
        if ((rule.symmetric && i != j) || (l == 0 && i != 0) || (h == 0 && j != 0)) continue;
        const double a = l * (1 + 0.02 * i), b = h * (1 + 0.02 * j);
        if (error(a, b) > limit) continue;
        const double value = divergence(a, b);
        if (value < least) least = value, best = {a, b};
      }
    return best;
  }

  std::pair<double, double> choose() const {
    if (rule.kind == search::kQuantile)
      return {std::clamp(quantile(1 - rule.quantile), minimum, maximum), std::clamp(quantile(rule.quantile), minimum, maximum)};
    return rule.kind == search::kSquaredError ? smallest_error() : smallest_divergence();
  }
};

inline search::Rule rule_for(search::Kind kind, int bits, bool symmetric, bool power_of_two = false) {
  search::Rule rule;
  rule.kind = kind;
  rule.quantile = 0.9999;
  const double levels = std::exp2(bits);
  rule.quant_min = symmetric ? -levels / 2 : 0, rule.quant_max = rule.quant_min + levels - 1;
  rule.min_range = 1e-4;
  rule.symmetric = symmetric, rule.power_of_two = power_of_two;
  return rule;
}

/// Data as they come: of networks, and awkward ones.
inline std::vector<std::pair<std::string, at::Tensor>> search_data() {
  at::manual_seed(11);
  std::vector<std::pair<std::string, at::Tensor>> data;
  const at::Tensor x = at::randn({6000});
  data.emplace_back("normal", x);
  data.emplace_back("relu", at::relu(x) * 3);
  data.emplace_back("relu6", (x * 4).clamp(0, 6));
  data.emplace_back("negative", -at::relu(x + 1));
  data.emplace_back("shifted", x * 0.01 + 2);
  data.emplace_back("heavy tails", x.abs().pow(2.5) * x.sign());
  at::Tensor outliers = x.clone();
  outliers.slice(0, 0, 7) *= 50;
  data.emplace_back("outliers", outliers);
  data.emplace_back("few levels", at::round(x * 2) / 2);
  data.emplace_back("two values", at::cat({at::full({70}, -1.5f), at::full({30}, 4.0f)}));
  data.emplace_back("constant", at::full({9}, 3.0f));
  data.emplace_back("zeros", at::zeros({9}));
  data.emplace_back("one value", at::full({1}, -0.25f));
  data.emplace_back("denormals", x * 1e-42);
  data.emplace_back("huge", x * 1e37);
  return data;
}

}  // namespace ppq::kernels::test
