#include <ATen/ATen.h>

#include <algorithm>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/parallel.h"
#include "kernels/search_ppq_rules.h"

namespace ppq::kernels::cpu {
namespace {

using search::Best;
using search::Distribution;
using search::Moments;
using search::Rule;

/// Errors of candidates, computed when a walk asks.
struct ShrinkErrors {
  const Distribution& d;
  const Rule& rule;
  const Best& whole;
  double operator()(int, double factor) const { return search::mean_squared_error(d, rule, whole.low * factor, whole.high * factor); }
};
struct RefineErrors {
  const Distribution& d;
  const Rule& rule;
  Best start;
  int round;
  double operator()(int i, int j) const {
    return search::mean_squared_error(d, rule, search::refined(start.low, round, i), search::refined(start.high, round, j));
  }
};
struct Divergences {
  const Distribution& d;
  const Rule& rule;
  const Best& from;
  double operator()(int candidate) const {
    if (!search::is_move(rule, from, candidate)) return search::infinite();
    Best range = search::moved(from, candidate);
    if (search::mean_squared_error(d, rule, range.low, range.high) > search::kErrorSlack * from.error) return search::infinite();
    return search::divergence(d, rule, range.low, range.high);
  }
};

Best search_bins(const Distribution& d, const Rule& rule) {
  if (rule.kind == search::kQuantile) {
    auto inside = [&](double x) { return numerics::clamp_to(x, d.minimum, d.maximum); };
    return {inside(search::quantile(d, 1 - rule.quantile)), inside(search::quantile(d, rule.quantile)), 0};
  }
  const Best whole = search::whole_range(d, rule);
  if (whole.low == whole.high) return whole;
  Best best = search::shrink(d, whole, ShrinkErrors{d, rule, whole});
  for (int round = 0; round < search::kRounds; ++round) best = search::refine(d, rule, best, round, RefineErrors{d, rule, best, round});
  if (rule.kind == search::kSquaredError) return best;
  return search::moved(best, search::least_divergent(Divergences{d, rule, best}));
}

Best search_as_ppq(const Distribution& d, const Rule& rule) {
  const int candidates = search::ppq_candidates(rule, d);
  if (candidates == 0) return search::ppq_range(rule, d, -1);
  std::vector<double> bins(search::ppq_bins(rule));
  search::fill_ppq_bins(rule, d, 0, search::ppq_bins(rule), bins.data());
  double least = search::infinite();
  int best = -1;
  for (int candidate = 0; candidate < candidates; ++candidate) {
    const double loss = search::ppq_loss(rule, d, bins.data(), candidate);
    if (loss < least) least = loss, best = candidate;
  }
  return search::ppq_range(rule, d, best);
}

/// One search, and where its channels begin among all.
struct Source {
  RangeSearch search;
  int64_t begin;
  double zeros, values;

  void find(int64_t channel, std::vector<Moments>& prefix, double* found) const {
    if (search.rule.kind == search::kMean) {
      const double* sums = search.sums.const_data_ptr<double>() + channel;
      int64_t channels = search.channels();
      found[0] = sums[0] / sums[3 * channels], found[1] = sums[channels] / sums[3 * channels], found[2] = sums[2 * channels];
      return;
    }
    const Histogram& h = search.histogram;
    float low = h.minimum.const_data_ptr<float>()[channel], high = h.maximum.const_data_ptr<float>()[channel];
    found[0] = low, found[1] = high;
    found[2] = static_cast<double>(h.nonfinite.const_data_ptr<int64_t>()[channel]);
    if (search.rule.kind == search::kLeast) {
      const double* errors = search.rule.candidates > 0 ? search.sums.const_data_ptr<double>() + channel : nullptr;
      found[0] = search::least_of(errors, search.rule.candidates, search.channels());
      found[1] = search::larger(search::magnitude(low), search::magnitude(high));
      return;
    }
    if (search.rule.kind == search::kMinMax) return;
    found[0] = found[1] = 0;
    int32_t exponent = h.exponent.const_data_ptr<int32_t>()[channel];
    if (exponent == kEmptyExponent) return;
    const bool as_ppq = search::is_ppq(search.rule);
    if (!as_ppq) prefix.resize(h.bins() + 1);
    Distribution d = search::make_distribution(h.counts.const_data_ptr<int64_t>() + channel * h.bins(), prefix.data(), h.bins(),
                                               h.first.const_data_ptr<int64_t>()[channel], exponent, low, high);
    if (as_ppq) {
      const Best best = search_as_ppq(d, search.rule);
      found[0] = best.low, found[1] = best.high;
      return;
    }
    prefix[0] = {0, 0, 0};
    for (int64_t i = 0; i < d.bins; ++i) prefix[i + 1] = prefix[i] + search::moments_of_bin(d, i);
    if (values > 0) d.zeros = d.total() * zeros / values;
    Best best = search_bins(d, search.rule);
    found[0] = best.low, found[1] = best.high;
  }
};

RangeSearch contiguous(RangeSearch search) {
  Histogram& h = search.histogram;
  for (at::Tensor* tensor : {&h.counts, &h.first, &h.exponent, &h.minimum, &h.maximum, &h.nonfinite, &search.sums})
    if (tensor->defined()) *tensor = tensor->contiguous();
  return search;
}

}  // namespace

at::Tensor search_ranges(const std::vector<RangeSearch>& searches) {
  std::vector<Source> sources;
  int64_t rows = 0;
  for (const RangeSearch& one : searches) {
    sources.push_back({contiguous(one), rows, one.zeros.defined() ? one.zeros[0].item<double>() : 0,
                       one.zeros.defined() ? one.zeros[1].item<double>() : 0});
    rows += one.channels();
  }
  at::Tensor found = at::empty({rows, 3}, at::kDouble);
  double* results = found.mutable_data_ptr<double>();
  parallel_for(rows, 1, [&](int64_t begin, int64_t end) {
    std::vector<Moments> prefix;
    for (int64_t row = begin; row < end; ++row) {
      auto after = std::upper_bound(sources.begin(), sources.end(), row, [](int64_t r, const Source& s) { return r < s.begin; });
      const Source& source = *std::prev(after);
      source.find(row - source.begin, prefix, results + 3 * row);
    }
  });
  return found;
}

}  // namespace ppq::kernels::cpu
