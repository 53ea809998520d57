#include "analysis/survey.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "kernels/kernels.h"
#include "ops/op_facts.h"

namespace ppq {
namespace {

constexpr double kSaturating = 4;

at::Tensor observable(const at::Tensor& value) {
  const auto type = value.scalar_type();
  return type == at::kFloat || type == at::kHalf || type == at::kBFloat16 ? value : value.to(at::kFloat);
}

kernels::Range range_of_channels(const at::Tensor& value, int64_t axis) {
  kernels::Range range = kernels::make_range(axis < 0 ? 1 : value.size(axis), value.device());
  kernels::observe_range(value, axis, range);
  return range;
}

at::Tensor range_of_sample(const at::Tensor& value) {
  const auto [low, high] = value.aminmax();
  return at::stack({low, high}).to(at::kFloat);
}

}  // namespace

std::pair<double, double> Survey::range() const {
  std::pair<double, double> all = {0, 0};
  for (size_t i = 0; i < samples.size(); ++i)
    all = i == 0 ? samples[0] : std::pair{std::min(all.first, samples[i].first), std::max(all.second, samples[i].second)};
  return all;
}

ChannelCounts count_channels(const Survey& survey, const std::vector<double>& minimum, const std::vector<double>& maximum) {
  ChannelCounts counts;
  if (!survey.low.defined() || survey.low.numel() < 2 || minimum.size() != 1 || maximum.size() != 1) return counts;
  const at::Tensor varies = survey.high > survey.low;
  // Beyond an end, and far beyond what the range holds: a range that starts at 0 is not left by a little below.
  const double far = kSaturating * std::max(std::abs(minimum[0]), std::abs(maximum[0]));
  const at::Tensor saturated = (survey.high > std::max(maximum[0], far)).logical_or(survey.low < std::min(minimum[0], -far));
  const at::Tensor vanished = varies.logical_and(survey.simulated_high == survey.simulated_low).logical_and(saturated.logical_not());
  const auto count = [](const at::Tensor& which) { return which.sum().item<int64_t>(); };
  return {survey.low.numel(), count(varies.logical_not()), count(vanished), count(varies.logical_and(saturated))};
}

int64_t channel_axis(const Value& value) {
  const Node* node = value.producer();
  while (node && is_activation(*node) && node->input(0)) node = node->input(0)->producer();
  if (!node || !is_computing(*node)) return -1;
  return is_matrix_product(*node) ? (value.shape ? static_cast<int64_t>(value.shape->size()) - 1 : -1) : 1;
}

BatchSurvey::BatchSurvey(const at::Tensor& value, const at::Tensor& simulated, int64_t axis, size_t samples) {
  if (value.numel() == 0) return;
  if (axis >= value.dim()) axis = -1;
  const at::Tensor x = observable(value);
  const kernels::Range exact = range_of_channels(x, axis), rounded = range_of_channels(observable(simulated), axis);
  channels_ = at::stack({exact.minimum, exact.maximum, rounded.minimum, rounded.maximum});
  const auto count = static_cast<int64_t>(samples);
  if (count <= 1 || x.dim() == 0 || x.size(0) % count != 0) {
    samples_ = at::stack({exact.minimum.min(), exact.maximum.max()}).unsqueeze(0);
    return;
  }
  std::vector<at::Tensor> each;
  for (const at::Tensor& one : x.chunk(count, 0)) each.push_back(range_of_sample(one));
  samples_ = at::stack(each);
}

void BatchSurvey::add_to(Survey& survey) const {
  if (!channels_.defined()) return;
  const at::Tensor ends = channels_.to(at::kCPU, at::kDouble), each = samples_.to(at::kCPU, at::kDouble).contiguous();
  if (!survey.low.defined()) {
    survey.low = ends[0].clone(), survey.high = ends[1].clone();
    survey.simulated_low = ends[2].clone(), survey.simulated_high = ends[3].clone();
  } else if (survey.low.sizes() == ends[0].sizes()) {
    survey.low = at::minimum(survey.low, ends[0]), survey.high = at::maximum(survey.high, ends[1]);
    survey.simulated_low = at::minimum(survey.simulated_low, ends[2]), survey.simulated_high = at::maximum(survey.simulated_high, ends[3]);
  } else {
    return;
  }
  const double* next = each.const_data_ptr<double>();
  for (int64_t i = 0; i < each.size(0); ++i, next += 2) survey.samples.emplace_back(next[0], next[1]);
}

}  // namespace ppq
