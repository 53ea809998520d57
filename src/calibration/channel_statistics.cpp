#include "calibration/channel_statistics.h"

#include <ATen/ATen.h>

#include "data/upload_ahead.h"
#include "kernels/kernels.h"

namespace ppq::passes {
namespace {

struct Running {
  kernels::Range range;
  at::Tensor positive, above;  ///< sums of squares above zero, and of what is above the bound, float64 [C]

  void add(const at::Tensor& tensor, double bound) {
    const int64_t axis = tensor.dim() > 1 ? 1 : 0, channels = tensor.size(axis);
    if (!positive.defined()) {
      range = kernels::make_range(channels, tensor.device());
      positive = at::zeros({channels}, tensor.options().dtype(at::kDouble));
      above = at::zeros_like(positive);
    }
    kernels::observe_range(tensor, axis, range);
    std::vector<int64_t> others;
    for (int64_t i = 0; i < tensor.dim(); ++i)
      if (i != axis) others.push_back(i);
    const auto power = [&](const at::Tensor& x) {
      return at::linalg_vector_norm(x, 2, others, /*keepdim=*/false).to(at::kDouble).square();
    };
    positive += power(tensor.clamp_min(0));
    above += power((tensor - bound).clamp_min_(0));
  }
};

}  // namespace

std::unordered_map<std::string, ChannelStatistics> channel_statistics(const Graph& graph, const std::vector<BoundedValue>& values,
                                                                      const PassContext& context) {
  std::unordered_map<std::string, ChannelStatistics> result;
  if (values.empty()) return result;
  LowerOptions options;
  options.device = context.device;
  for (const BoundedValue& bounded : values) options.watch.push_back(bounded.value);
  const auto program = lower(graph, options);
  std::vector<Running> running(values.size());
  BatchLoader loader(context.calibration, context.batch_size, loading_threads(context.device));
  UploadedBatches batches(loader, context.device);
  size_t done = 0;
  while (const auto batch = batches.next()) {
    ppq::run(*program, batch->tensors, [&](size_t which, const at::Tensor& tensor) {
      if (tensor.is_floating_point() && tensor.dim() >= 2 && tensor.numel() > 0) running[which].add(tensor, values[which].bound);
    });
    done += batch->count;
    if (context.progress) context.progress("channel ranges", done, context.calibration->size());
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (running[i].positive.defined())
      result[values[i].value->name()] = {running[i].range.minimum.cpu().to(at::kDouble), running[i].range.maximum.cpu().to(at::kDouble),
                                         (running[i].above / running[i].positive.clamp_min(1e-30)).cpu()};
  }
  return result;
}

}  // namespace ppq::passes
