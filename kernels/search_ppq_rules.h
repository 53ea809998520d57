#pragma once

#include "kernels/search_rules.h"

/// The searches of PPQ 0.6.6 for a range, kept to compare with it: its own bins, filled from the finer ones of a histogram, and
/// its candidates, by number; of equal losses the smallest number wins. As in search_rules.h, the same bits on every device.
namespace ppq::search {

inline constexpr int kPpqMseBins = 2048, kPpqMseInterval = 8, kPpqKlBins = 4096;

PPQ_RULE bool is_ppq(const Rule& rule) { return rule.kind == kPpqMse || rule.kind == kPpqKl; }
PPQ_RULE int ppq_bins(const Rule& rule) { return rule.kind == kPpqMse ? kPpqMseBins : kPpqKlBins; }
PPQ_RULE int ppq_levels(const Rule& rule) { return static_cast<int>(rule.quant_max - rule.quant_min) + 1; }
/// Steps a level may span.
PPQ_RULE int ppq_steps(const Rule& rule) { return kPpqMseBins / ppq_levels(rule); }

PPQ_RULE double ppq_reach(const Distribution& d) { return larger(magnitude(d.minimum), magnitude(d.maximum)); }
/// PPQ's bins lie over [low, high] of x, or of |x|.
struct PpqSpan {
  double low, high;
  bool absolute;
  PPQ_HD double width(const Rule& rule) const { return (high - low) / ppq_bins(rule); }
};
PPQ_RULE PpqSpan ppq_span(const Rule& rule, const Distribution& d) {
  if (rule.kind == kPpqMse && !rule.symmetric) return {d.minimum, d.maximum, false};
  return {0, ppq_reach(d), true};
}

/// Fills PPQ's bins [begin, end), which may be shared out. A bin of ours that straddles a border is shared by length, but
/// single values are kept whole: what is empty stays empty. Kullback-Leibler: the lowest bins are blanked.
template <class Bins>
PPQ_HD static inline void fill_ppq_bins(const Rule& rule, const Distribution& d, int begin, int end, const Bins& bins) {
  constexpr double kWhole = 8;  // fewer values than this go to one bin
  constexpr int kBlank = static_cast<int>(kPpqKlBins * 0.002);
  const PpqSpan span = ppq_span(rule, d);
  const double width = span.width(rule), last = ppq_bins(rule) - 1;
  for (int i = begin; i < end; ++i) bins[i] = 0.0;
  for (int64_t i = 0; i < d.bins; ++i) {
    if (d.counts[i] == 0) continue;
    const double n = static_cast<double>(d.counts[i]);
    // The ends of the data lie inside their bins.
    double a = larger(d.border(i), d.minimum), b = smaller(d.border(i + 1), d.maximum);
    if (span.absolute) {
      a = magnitude(a), b = magnitude(b);
      if (a > b) {
        const double t = a;
        a = b, b = t;
      }
    }
    const int from = static_cast<int>(clamp_to(floor_of((a - span.low) / width), 0.0, last)),
              to = static_cast<int>(clamp_to(floor_of((b - span.low) / width), 0.0, last));
    if (from == to || n < kWhole || b <= a) {
      const int at = static_cast<int>(clamp_to(floor_of(((a + b) / 2 - span.low) / width), 0.0, last));
      if (at >= begin && at < end) bins[at] += n;
      continue;
    }
    const double border = span.low + static_cast<double>(to) * width, share = n * (border - a) / (b - a);
    if (to > begin && to <= end) bins[to - 1] += share;
    if (to >= begin && to < end) bins[to] += n - share;
  }
  if (rule.kind != kPpqKl) return;
  for (int i = begin; i < end && i <= kBlank; ++i) bins[i] = i < kBlank ? 0.0 : 1.0;
}

/// None where the search breaks down (more than 1,024 levels) or has nothing to choose from: the whole range stays.
PPQ_RULE int ppq_candidates(const Rule& rule, const Distribution& d) {
  const PpqSpan span = ppq_span(rule, d);
  if (!(span.width(rule) > 0)) return 0;
  if (rule.kind == kPpqKl) return kPpqKlBins >> (rule.bits - 1);
  if (ppq_levels(rule) > 1024) return 0;
  return 1 + (rule.symmetric ? 1 : kPpqMseBins / kPpqMseInterval) * ppq_steps(rule);
}

/// Mean squared error: candidate 0 is the whole range; others start every 8 bins, and a level spans 1, 2, ... of them.
PPQ_RULE int ppq_start(const Rule& rule, int candidate) { return candidate == 0 ? 0 : (candidate - 1) / ppq_steps(rule) * kPpqMseInterval; }
PPQ_RULE int ppq_step(const Rule& rule, int candidate) {
  return candidate == 0 ? ppq_steps(rule) + 1 : (candidate - 1) % ppq_steps(rule) + 1;
}
template <class Bins>
PPQ_HD static inline double ppq_mse_loss(const Rule& rule, const Distribution& d, const Bins& bins, int candidate) {
  const int start = ppq_start(rule, candidate), step = ppq_step(rule, candidate), levels = ppq_levels(rule), end = start + levels * step;
  if (candidate > 0 && end > kPpqMseBins + levels) return infinite();
  if (candidate > 0 && !rule.symmetric && start * ppq_span(rule, d).width(rule) + d.minimum > 0) return infinite();
  double loss = 0, total = 0;
  for (int i = 0; i < kPpqMseBins; ++i) {
    double error;
    if (i < start) {
      error = start - i - 1 + 0.5;
    } else if (i > end) {
      error = i - end + 0.5;
    } else {
      const int left = (i - start) % step, right = step - left - 1;
      error = left == right ? left + 0.25 : (left < right ? left : right) + 0.5;
    }
    const double n = bins[i];
    loss += n * error * error;
    total += n;
  }
  return loss / total;
}

/// Divergence: candidate c keeps c + 1 bins for each of 2^(bits-1) levels; the rest counts in the last one kept.
template <class Bins>
PPQ_HD static inline double ppq_kl_loss(const Rule& rule, const Bins& bins, int candidate) {
  const int groups = 1 << (rule.bits - 1), size = candidate + 1, range = groups * size;
  double tail = bins[range - 1], total = 0, kept = 0;
  for (int i = range; i < kPpqKlBins; ++i) tail += bins[i];
  for (int g = 0; g < groups; ++g) {
    double sum = 0;
    for (int i = g * size; i < (g + 1) * size; ++i) {
      const double n = bins[i];
      sum += n;
      total += i == range - 1 ? tail : n;
    }
    kept += sum;
  }
  if (kept <= 0) return infinite();
  double loss = 0;
  for (int g = 0; g < groups; ++g) {
    double sum = 0;
    int filled = 0;
    for (int i = g * size; i < (g + 1) * size; ++i) {
      const double n = bins[i];
      sum += n, filled += n > 0;
    }
    for (int i = g * size; i < (g + 1) * size; ++i) {
      const double n = bins[i], p = (i == range - 1 ? tail : n) / total, q = n > 0 ? sum / filled / kept : 0.0;
      if (p > 0) loss += p * (log_of(p + 1e-30) - log_of(q + 1e-30));
    }
  }
  return loss;
}

template <class Bins>
PPQ_HD static inline double ppq_loss(const Rule& rule, const Distribution& d, const Bins& bins, int candidate) {
  return rule.kind == kPpqMse ? ppq_mse_loss(rule, d, bins, candidate) : ppq_kl_loss(rule, bins, candidate);
}

/// The range of a candidate; < 0: what stays where there is none.
PPQ_RULE Best ppq_range(const Rule& rule, const Distribution& d, int candidate) {
  const PpqSpan span = ppq_span(rule, d);
  const double width = span.width(rule);
  if (rule.kind == kPpqMse) {
    if (ppq_levels(rule) > 1024) return {d.minimum, d.maximum, 0};
    if (candidate < 0) return rule.symmetric ? Best{0, 0, 0} : Best{d.minimum, d.maximum, 0};
    const double start = ppq_start(rule, candidate), end = start + ppq_levels(rule) * ppq_step(rule, candidate);
    return rule.symmetric ? Best{-end * width, end * width, 0} : Best{start * width + d.minimum, end * width + d.minimum, 0};
  }
  if (!(width > 0)) return {0, 0, 0};
  // scale = range × bin / 2^(bits-1), written as the symmetric range that has it.
  const int groups = 1 << (rule.bits - 1), range = candidate < 0 ? kPpqKlBins : groups * (candidate + 1);
  const double reach = range * width / groups * (rule.quant_max - rule.quant_min) / 2;
  return {-reach, reach, 0};
}

}  // namespace ppq::search
