#include "analysis/unlike_values.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "calibration/visit.h"
#include "ppq/executor.h"

namespace ppq {
namespace {

std::pair<double, double> ends_of(const at::Tensor& value) {
  const auto [low, high] = value.aminmax();
  return {low.item<double>(), high.item<double>()};
}

/// Shows each sample's tensors, in order.
void visit_values(const Graph& graph, const std::vector<const Value*>& values, const DatasetPtr& samples, const RunContext& context,
                  const std::function<void(size_t index, const at::Tensor& value)>& show) {
  LowerOptions plain;
  plain.device = context.device;
  plain.watch = values;
  const auto program = lower(graph, plain);
  RunContext one_by_one = context;
  one_by_one.batch_size = 1;
  visit_samples(samples, one_by_one, "", [&](const Tensors& inputs, size_t, size_t count) {
    if (context.work) context.work->float_forwards += count;
    run(*program, inputs, [&](size_t index, const at::Tensor& value) {
      if (value.defined() && value.is_floating_point() && value.numel() > 0) show(index, value);
    });
  });
}

/// One end of a value: what lies there, and what is left.
struct End {
  bool in_all = true;
  double low = INFINITY, high = -INFINITY;  ///< of what is left
  void take(const at::Tensor& value, const at::Tensor& left) {
    const at::Tensor others = value.masked_select(left);
    in_all = in_all && others.numel() < value.numel();
    if (others.numel() == 0) return;
    const auto [least, most] = ends_of(others);
    low = std::min(low, least), high = std::max(high, most);
  }
};

}  // namespace

std::vector<SampleRanges> ranges_by_sample(const Graph& graph, const std::vector<const Value*>& values, const DatasetPtr& samples,
                                           const RunContext& context) {
  std::vector<SampleRanges> ranges(values.size());
  visit_values(graph, values, samples, context, [&](size_t i, const at::Tensor& value) { ranges[i].push_back(ends_of(value)); });
  return ranges;
}

std::vector<double> unlike_values(const Graph& graph, const std::vector<const Value*>& values, const DatasetPtr& samples,
                                  const RunContext& context) {
  std::vector<std::pair<double, double>> whole;
  for (const SampleRanges& ranges : ranges_by_sample(graph, values, samples, context)) {
    std::pair<double, double> all{INFINITY, -INFINITY};
    for (const auto& [low, high] : ranges) all = {std::min(all.first, low), std::max(all.second, high)};
    whole.push_back(all);
  }
  std::vector<std::pair<End, End>> ends(values.size());
  visit_values(graph, values, samples, context, [&](size_t i, const at::Tensor& value) {
    const auto [low, high] = whole[i];
    const double margin = (high - low) / kUnlike;
    ends[i].first.take(value, value > low + margin);
    ends[i].second.take(value, value < high - margin);
  });
  std::vector<double> ratios(values.size(), 1);
  for (size_t i = 0; i < values.size(); ++i)
    for (const End* end : {&ends[i].first, &ends[i].second}) {
      if (!end->in_all || end->high < end->low) continue;
      // With 0, which every range holds.
      const double left = std::max(end->high, 0.0) - std::min(end->low, 0.0);
      const double all = std::max(whole[i].second, 0.0) - std::min(whole[i].first, 0.0);
      if (left > 0) ratios[i] = std::max(ratios[i], all / left);
    }
  return ratios;
}

}  // namespace ppq
