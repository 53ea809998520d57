#pragma once

#include "kernels/numerics.h"

/// How a range is chosen from a histogram: quantiles, squared error, Kullback-Leibler divergence, and the walks over candidate
/// ranges. Once, for host and device, in float64 with arithmetic that is exact or correctly rounded on both (the logarithm is
/// written out here), so both choose the same range bit for bit. A walk asks for the errors of its candidates by number: the
/// CPU computes them as it goes, a GPU beforehand and all at once.
namespace ppq::search {

using numerics::ceil_of;
using numerics::clamp_to;
using numerics::floor_of;
using numerics::rint_of;

/// kMinMax: what was seen; kMean: the mean of sums over samples; kLeast: of some candidates that with the least error, by number,
/// and the largest magnitude seen; the others search a histogram, kPpqMse and kPpqKl as PPQ does (search_ppq_rules.h).
enum Kind : int { kMinMax, kMean, kQuantile, kSquaredError, kDivergence, kPpqMse, kPpqKl, kLeast };

/// What is searched, and the part of a quantization scheme that decides.
struct Rule {
  int kind = kMinMax;
  double quantile = 0;  ///< kQuantile: this share of the values lies above the range's low end, and below its high end
  double quant_min = 0, quant_max = 255, min_range = 0, min_scale = 1e-8;
  bool symmetric = false, power_of_two = false;
  int bits = 8;        ///< kPpqKl
  int candidates = 0;  ///< kLeast
};

/// Sums over the values below a point: how many, of them, of their squares.
struct Moments {
  double count, sum, squares;
};

/// A channel's histogram: bin i covers [low + i × width, low + (i+1) × width), and its values are taken to lie evenly in it.
struct Distribution {
  const int64_t* counts;
  const Moments* prefix;  ///< [bins + 1]: below each bin
  int64_t bins;
  double low, width, inverse;  ///< width is a power of two, so inverse = 1/width is exact
  double minimum, maximum;     ///< of the values seen, exact
  double zeros;                ///< values that are exactly zero, where that matters (narrow steps)
  PPQ_HD double total() const { return prefix[bins].count; }
  PPQ_HD double border(int64_t bin) const { return low + static_cast<double>(bin) * width; }
};
PPQ_RULE Distribution make_distribution(const int64_t* counts, const Moments* prefix, int64_t bins, int64_t first, int exponent,
                                        float minimum, float maximum) {
  double width = numerics::pow2d(exponent);
  return {counts, prefix, bins, static_cast<double>(first) * width, width, numerics::pow2d(-exponent), minimum, maximum, 0};
}

PPQ_RULE double smaller(double a, double b) { return b < a ? b : a; }
PPQ_RULE double larger(double a, double b) { return a < b ? b : a; }
PPQ_RULE double magnitude(double x) { return x < 0 ? -x : x; }
PPQ_RULE double infinite() { return static_cast<double>(numerics::float_of_bits(0x7f800000u)); }

/// The first of `count` errors, `stride` apart, that none is below.
PPQ_RULE int least_of(const double* errors, int count, int64_t stride) {
  int best = 0;
  for (int i = 1; i < count; ++i)
    if (errors[i * stride] < errors[best * stride]) best = i;
  return best;
}

/// 2^ceil(log2 x) for normal x > 0, exactly.
PPQ_RULE double power_of_two_at_least(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  int exponent = static_cast<int>(bits >> 52 & 0x7ff) - 1023;
  return numerics::pow2d(bits & 0xfffffffffffffull ? exponent + 1 : exponent);
}

/// Natural logarithm of normal x > 0, to about one unit in the last place: x = 2^k (1+f) with 1+f between √½ and √2, and
/// with s = f/(2+f) and z = s², log(1+f) = f - s (f - (2/3 z + 2/5 z² + …)).
PPQ_RULE double log_of(double x) {
  constexpr double kLn2High = 6.93147180369123816490e-01, kLn2Low = 1.90821492927058770002e-10, kSqrt2 = 1.4142135623730951;
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  int k = static_cast<int>(bits >> 52 & 0x7ff) - 1023;
  bits = (bits & 0xfffffffffffffull) | 0x3ff0000000000000ull;
  double m;
  memcpy(&m, &bits, sizeof m);
  if (m > kSqrt2) m *= 0.5, ++k;
  double f = m - 1, s = f / (2 + f), z = s * s, series = 2.0 / 21;
  series = series * z + 2.0 / 19;
  series = series * z + 2.0 / 17;
  series = series * z + 2.0 / 15;
  series = series * z + 2.0 / 13;
  series = series * z + 2.0 / 11;
  series = series * z + 2.0 / 9;
  series = series * z + 2.0 / 7;
  series = series * z + 2.0 / 5;
  series = series * z + 2.0 / 3;
  return k * kLn2High - ((s * (f - series * z) - k * kLn2Low) - f);
}

/// Moments of n values spread evenly over [a, a + w].
PPQ_RULE Moments spread(double n, double a, double w) { return {n, n * (a + w / 2), n * (a * a + a * w + w * w / 3)}; }
PPQ_RULE Moments operator+(const Moments& a, const Moments& b) { return {a.count + b.count, a.sum + b.sum, a.squares + b.squares}; }
PPQ_RULE Moments moments_of_bin(const Distribution& d, int64_t bin) {
  return spread(static_cast<double>(d.counts[bin]), d.border(bin), d.width);
}
PPQ_RULE Moments below(const Distribution& d, double x) {
  double position = (x - d.low) * d.inverse;
  if (position <= 0) return d.prefix[0];
  if (position >= static_cast<double>(d.bins)) return d.prefix[d.bins];
  int64_t bin = static_cast<int64_t>(position);
  double part = position - static_cast<double>(bin), n = static_cast<double>(d.counts[bin]) * part;
  if (n == 0) return d.prefix[bin];
  return d.prefix[bin] + spread(n, d.border(bin), part * d.width);
}

// ---- quantiles ----

/// The value below which a share q of all lies, to a part of a bin.
PPQ_RULE double quantile(const Distribution& d, double q) {
  double wanted = q * d.total();
  int64_t bin = 0, end = d.bins;  // the first bin that reaches it
  while (bin < end) {
    int64_t middle = (bin + end) / 2;
    if (d.prefix[middle + 1].count >= wanted)
      end = middle;
    else
      bin = middle + 1;
  }
  if (bin == d.bins) return d.maximum;
  return d.low + d.width * (static_cast<double>(bin) + (wanted - d.prefix[bin].count) / static_cast<double>(d.counts[bin]));
}

// ---- squared error ----

/// Scale and integer offset as params_from_range gives them.
struct Grid {
  double scale, offset;
};
PPQ_RULE Grid grid_of(const Rule& rule, double low, double high) {
  low = smaller(low, 0.0), high = larger(high, 0.0);
  double steps = rule.quant_max - rule.quant_min;
  double scale = rule.symmetric ? 2 * larger(-low, high) / steps : larger(high - low, rule.min_range) / steps;
  scale = larger(scale, rule.min_scale);
  if (rule.power_of_two) scale = power_of_two_at_least(scale);
  double offset = rule.symmetric ? 0.0 : clamp_to(rule.quant_min - rint_of(low / scale), rule.quant_min, rule.quant_max);
  return {scale, offset};
}

/// Σ (x - value)² over the values between two points.
PPQ_RULE double squared_error(const Moments& from, const Moments& to, double value) {
  double n = to.count - from.count;
  return (to.squares - from.squares) - 2 * value * (to.sum - from.sum) + value * value * n;
}

/// Error of clipping at `limit`, `spread` by the moments; inside the outermost bin its values are taken to be at the extreme.
PPQ_RULE double clipping_error(const Distribution& d, double extreme, double limit, double spread) {
  if (extreme > 0 ? limit >= extreme : limit <= extreme) return 0;
  double bin = floor_of((extreme - d.low) * d.inverse);
  if (bin != floor_of((limit - d.low) * d.inverse) || bin < 0 || bin >= static_cast<double>(d.bins)) return spread;
  return static_cast<double>(d.counts[static_cast<int64_t>(bin)]) * (extreme - limit) * (extreme - limit);
}

/// Mean squared quantization error for the range [low, high]: O(levels), by the prefix sums. Where steps are narrower than
/// bins (16 bits) rounding costs step²/12 a value, and zeros cost nothing.
PPQ_RULE double mean_squared_error(const Distribution& d, const Rule& rule, double low, double high) {
  Grid g = grid_of(rule, low, high);
  double first = rule.quant_min - g.offset, last = rule.quant_max - g.offset, error = 0;
  if (g.scale > 2 * d.width) {
    // Only the levels that data reaches.
    double from = clamp_to(floor_of(d.low / g.scale), first, last), to = clamp_to(ceil_of(d.maximum / g.scale), from, last);
    Moments left = d.prefix[0];
    for (double level = from; level <= to; ++level) {
      Moments right = level == to ? d.prefix[d.bins] : below(d, (level + 0.5) * g.scale);
      error += squared_error(left, right, level * g.scale);
      left = right;
    }
  } else {
    first *= g.scale, last *= g.scale;
    Moments a = below(d, first), b = below(d, last);
    error = clipping_error(d, d.minimum, first, squared_error(d.prefix[0], a, first)) +
            clipping_error(d, d.maximum, last, squared_error(b, d.prefix[d.bins], last));
    error += larger(0.0, b.count - a.count - d.zeros) * g.scale * g.scale / 12;
  }
  return error / d.total();
}

/// A range and its error.
struct Best {
  double low, high, error;
};
PPQ_RULE void offer(Best& best, double low, double high, double error) {
  if (error < best.error) best = {low, high, error};
}

/// Where the search starts: everything seen and zero.
PPQ_RULE Best whole_range(const Distribution& d, const Rule& rule) {
  double low = smaller(d.minimum, 0.0), high = larger(d.maximum, 0.0);
  if (!rule.symmetric) return {low, high, 0};
  high = larger(-low, high);
  return {-high, high, 0};
}

/// First walk: the whole range shrunk step by step, not below four bins.
inline constexpr int kShrinks = 227;
PPQ_RULE double shrink_factor(int k) {
  double factor = 1;
  for (int i = 0; i < k; ++i) factor *= 0.97;
  return factor;
}
PPQ_RULE bool is_shrink(const Distribution& d, const Best& whole, double factor) {
  return factor > 4 * d.width / (whole.high - whole.low) && factor > 1e-3;
}
/// error(k, factor): of the whole range × factor. Number 0 is the whole range itself.
template <class Error>
PPQ_HD static inline Best shrink(const Distribution& d, Best whole, const Error& error) {
  Best best = whole;
  best.error = error(0, 1.0);
  double factor = 0.97;
  for (int k = 1; k < kShrinks && is_shrink(d, whole, factor); ++k, factor *= 0.97)
    offer(best, whole.low * factor, whole.high * factor, error(k, factor));
  return best;
}

/// Then rounds that move each end on its own (both, if symmetric) by smaller and smaller steps.
inline constexpr int kRounds = 8, kSteps = 12, kStepCount = 2 * kSteps + 1;
PPQ_RULE double refined(double end, int round, int step) {
  double reach = round < 2 ? 0.5 : round < 4 ? 0.15 : round < 6 ? 0.04 : 0.01;
  return end * (1 + reach * (step - kSteps) / kSteps);
}
/// An end at zero stays there: moving it would change nothing.
PPQ_RULE bool may_be_low(const Distribution& d, const Best& start, double low) {
  return start.low != 0 && low >= smaller(d.minimum, 0.0) * 1.02;
}
PPQ_RULE bool may_be_high(const Distribution& d, const Best& start, double high) {
  return start.high != 0 && high <= larger(d.maximum, 0.0) * 1.02;
}
/// Whether a round may ask for the error of the candidate that moves the low end by `i` steps and the high end by `j`.
PPQ_RULE bool is_refinement(const Distribution& d, const Rule& rule, const Best& start, int round, int i, int j) {
  if (rule.symmetric) return i == j;
  bool high = j == kSteps || may_be_high(d, start, refined(start.high, round, j));
  if (i == kSteps) return high;
  // The high end was found on the way, or is where it was.
  return (j <= i || j == kSteps) && high && may_be_low(d, start, refined(start.low, round, i));
}
/// error(i, j): of the range whose ends are moved by i and j steps (of 0 .. kStepCount - 1; kSteps: not moved).
template <class Error>
PPQ_HD static inline Best refine(const Distribution& d, const Rule& rule, Best best, int round, const Error& error) {
  const Best start = best;
  int high_at = kSteps;
  for (int i = 0; i < kStepCount; ++i) {
    double low = refined(start.low, round, i), high = refined(start.high, round, i);
    if (rule.symmetric) {
      offer(best, low, high, error(i, i));
      continue;
    }
    if (may_be_high(d, start, high)) {
      offer(best, start.low, high, error(kSteps, i));
      if (best.high == high) high_at = i;
    }
    if (may_be_low(d, start, low)) offer(best, low, best.high, error(i, high_at));
  }
  return best;
}

// ---- Kullback-Leibler divergence ----

/// The divergence hardly sees how far clipped values lie, so on its own it can choose ranges with twice the smallest squared
/// error. Ranges further than this from the smallest are left out.
inline constexpr double kErrorSlack = 1.08;

PPQ_RULE double level_of(const Distribution& d, int64_t bin, double scale) {
  return rint_of((d.low + (static_cast<double>(bin) + 0.5) * d.width) / scale);
}
/// The first bin that rounds to `level` or above.
PPQ_RULE int64_t first_bin_at(const Distribution& d, double scale, double level) {
  int64_t bin = 0, end = d.bins;
  while (bin < end) {
    int64_t middle = (bin + end) / 2;
    if (level_of(d, middle, scale) >= level)
      end = middle;
    else
      bin = middle + 1;
  }
  return bin;
}
/// The clipped mass sits in one bin more at its end, where q has an ordinary bin's share.
PPQ_RULE double tail_divergence(double count, double mass, double bins, double kept, double total) {
  if (count <= 0) return 0;
  double p = count / total, q = larger(mass, 1.0) / larger(bins, 1.0) / kept;
  return p * log_of(p / q);
}
/// Σ p log(p/q): p is the histogram with its clipped parts moved to the ends, q spreads what each level holds evenly over the
/// non-empty bins that round to it.
PPQ_RULE double divergence(const Distribution& d, const Rule& rule, double low, double high) {
  Grid g = grid_of(rule, low, high);
  double first = rule.quant_min - g.offset, last = rule.quant_max - g.offset, total = d.total();
  int64_t begin = first_bin_at(d, g.scale, first), end = first_bin_at(d, g.scale, last + 1);
  double kept = d.prefix[end].count - d.prefix[begin].count;
  if (kept <= 0) return infinite();
  double sum = 0, first_mass = 0, first_bins = 0, last_mass = 0, last_bins = 0;
  for (int64_t i = begin; i < end;) {
    if (d.counts[i] == 0) {
      ++i;
      continue;
    }
    double level = level_of(d, i, g.scale), filled = 0;
    int64_t stop = i;
    do {
      if (d.counts[stop] != 0) ++filled;
      ++stop;
    } while (stop < end && (d.counts[stop] == 0 || level_of(d, stop, g.scale) == level));
    double mass = d.prefix[stop].count - d.prefix[i].count, q = mass / filled / kept;
    for (; i < stop; ++i) {
      if (d.counts[i] == 0) continue;
      double p = static_cast<double>(d.counts[i]) / total;
      sum += p * log_of(p / q);
    }
    if (level == first) first_mass = mass, first_bins = filled;
    if (level == last) last_mass = mass, last_bins = filled;
  }
  return sum + tail_divergence(d.prefix[begin].count, first_mass, first_bins, kept, total) +
         tail_divergence(total - d.prefix[end].count, last_mass, last_bins, kept, total);
}

/// Candidates: each end of the range with the smallest error moved by up to 32 %, in steps of 2 %.
inline constexpr int kMoves = 16, kMoveCount = 2 * kMoves + 1, kCandidates = kMoveCount * kMoveCount, kUnmoved = kCandidates / 2;
PPQ_RULE Best moved(const Best& from, int candidate) {
  int i = candidate / kMoveCount - kMoves, j = candidate % kMoveCount - kMoves;
  return {from.low * (1 + 0.02 * i), from.high * (1 + 0.02 * j), 0};
}
PPQ_RULE bool is_move(const Rule& rule, const Best& from, int candidate) {
  int i = candidate / kMoveCount, j = candidate % kMoveCount;
  if (rule.symmetric && i != j) return false;
  return (from.low != 0 || i == kMoves) && (from.high != 0 || j == kMoves);
}
/// The candidate with the smallest divergence(candidate), infinite where it is not to be taken; the unmoved one wins ties,
/// else the first.
template <class Value>
PPQ_HD static inline int least_divergent(const Value& divergence_of) {
  int best = kUnmoved;
  double least = divergence_of(kUnmoved);
  for (int candidate = 0; candidate < kCandidates; ++candidate) {
    double value = divergence_of(candidate);
    if (value < least) least = value, best = candidate;
  }
  return best;
}

}  // namespace ppq::search
