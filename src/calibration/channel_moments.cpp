#include "calibration/channel_moments.h"

#include <ATen/ATen.h>

#include "calibration/sweep.h"
#include "kernels/channel_sums.h"
#include "ppq/error.h"

namespace ppq {

void MomentStatistic::observe(const at::Tensor& value, int64_t) {
  if (value.dim() < 2 || value.numel() == 0) return;
  const int64_t channels = value.size(1);
  const bool narrow = value.scalar_type() == at::kFloat || value.scalar_type() == at::kHalf || value.scalar_type() == at::kBFloat16;
  const at::Tensor x = narrow ? value : value.to(at::kFloat);
  if (!seen()) {
    range_ = kernels::make_range(channels, x.device());
    sums_ = at::zeros({4, channels}, x.options().dtype(at::kDouble));
    count_ = at::zeros({}, x.options().dtype(at::kDouble));
  }
  kernels::observe_range(x, 1, range_);
  sums_.add_(kernels::channel_sums(x, 1, bound_));
  count_.add_(static_cast<double>(x.numel() / channels));
}

void MomentStatistic::merge(const Statistic& other) {
  const auto* from = dynamic_cast<const MomentStatistic*>(&other);
  if (!from) throw Error(ErrorKind::Internal, "moments", "merge: got a statistic of another kind");
  if (!from->seen()) return;
  if (!seen()) {
    range_ = {from->range_.minimum.clone(), from->range_.maximum.clone(), from->range_.nonfinite.clone()};
    sums_ = from->sums_.clone(), count_ = from->count_.clone();
    return;
  }
  const at::Device device = sums_.device();
  range_.minimum = at::minimum(range_.minimum, from->range_.minimum.to(device));
  range_.maximum = at::maximum(range_.maximum, from->range_.maximum.to(device));
  range_.nonfinite.add_(from->range_.nonfinite.to(device));
  sums_.add_(from->sums_.to(device));
  count_.add_(from->count_.to(device));
}

ChannelMoments MomentStatistic::moments() const {
  const at::Tensor sums = sums_.cpu() / count_.cpu();
  return {at::maximum(-range_.minimum, range_.maximum).cpu().to(at::kDouble), sums[0].clone(), sums[1].clone()};
}

ChannelReach MomentStatistic::reach() const {
  const at::Tensor sums = sums_.cpu();
  return {range_.minimum.cpu().to(at::kDouble), range_.maximum.cpu().to(at::kDouble), sums[3] / sums[2].clamp_min(1e-30)};
}

std::unordered_map<std::string, ChannelMoments> channel_moments(const Graph& graph, const std::vector<const Value*>& values,
                                                                const DatasetPtr& samples, const RunContext& context) {
  Sweep sweep(graph, {}, context, "channel moments");
  for (const Value* value : values) sweep.want<MomentStatistic>(value, Part::all());
  std::unordered_map<std::string, ChannelMoments> result;
  if (sweep.empty()) return result;
  sweep.run(samples);
  for (size_t i = 0; i < values.size(); ++i)
    if (const auto& one = sweep.found<MomentStatistic>(i); one.seen()) result[values[i]->name()] = one.moments();
  return result;
}

std::unordered_map<std::string, ChannelReach> channel_reach(const Graph& graph, const std::vector<BoundedValue>& values,
                                                            const DatasetPtr& samples, const RunContext& context) {
  Sweep sweep(graph, {}, context, "channel ranges");
  for (const BoundedValue& one : values) sweep.want<MomentStatistic>(one.value, Part::all(), one.bound);
  std::unordered_map<std::string, ChannelReach> result;
  if (sweep.empty()) return result;
  sweep.run(samples);
  for (size_t i = 0; i < values.size(); ++i)
    if (const auto& one = sweep.found<MomentStatistic>(i); one.seen()) result[values[i].value->name()] = one.reach();
  return result;
}

}  // namespace ppq
