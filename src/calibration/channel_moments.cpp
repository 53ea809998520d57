#include "calibration/channel_moments.h"
#include "data/upload_ahead.h"

#include <ATen/ATen.h>

namespace ppq::passes {
namespace {

struct Running {
  at::Tensor magnitude, sum, squares;  ///< float64 [C]
  double count = 0;

  void add(const at::Tensor& tensor) {
    const int64_t axis = tensor.dim() > 1 ? 1 : 0;
    std::vector<int64_t> others;
    for (int64_t i = 0; i < tensor.dim(); ++i)
      if (i != axis) others.push_back(i);
    const double infinity = std::numeric_limits<double>::infinity();
    const at::Tensor most = at::linalg_vector_norm(tensor, infinity, others, /*keepdim=*/false).to(at::kDouble);
    const at::Tensor total = tensor.sum(others, /*keepdim=*/false, at::kDouble);
    const at::Tensor power = at::linalg_vector_norm(tensor, 2, others, /*keepdim=*/false).to(at::kDouble).square();
    magnitude = magnitude.defined() ? at::maximum(magnitude, most) : most;
    sum = sum.defined() ? sum + total : total;
    squares = squares.defined() ? squares + power : power;
    count += static_cast<double>(tensor.numel() / tensor.size(axis));
  }
};

}  // namespace

std::unordered_map<std::string, ChannelMoments> channel_moments(const Graph& graph, const std::vector<const Value*>& values,
                                                                const PassContext& context) {
  std::unordered_map<std::string, ChannelMoments> result;
  if (values.empty()) return result;
  LowerOptions options;
  options.device = context.device;
  options.watch = values;
  const auto program = lower(graph, options);
  std::vector<Running> running(values.size());
  BatchLoader loader(context.calibration, context.batch_size, loading_threads(context.device));
  UploadedBatches batches(loader, context.device);
  while (const auto batch = batches.next())
    ppq::run(*program, batch->tensors, [&](size_t which, const at::Tensor& tensor) {
      if (tensor.is_floating_point() && tensor.dim() >= 2 && tensor.numel() > 0) running[which].add(tensor);
    });
  for (size_t i = 0; i < values.size(); ++i)
    if (const Running& r = running[i]; r.count > 0)
      result[values[i]->name()] = {r.magnitude.cpu(), (r.sum / r.count).cpu(), (r.squares / r.count).cpu()};
  return result;
}

}  // namespace ppq::passes
