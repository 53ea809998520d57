#include "calibration/float_means.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "calibration/samples.h"
#include "calibration/visit.h"
#include "kernels/channel_sums.h"
#include "ppq/executor.h"

namespace ppq {

at::Tensor channel_means(const at::Tensor& output, int64_t axis) {
  if (output.scalar_type() != at::kFloat)
    return output.transpose(0, axis).reshape({output.size(axis), -1}).mean(1, /*keepdim=*/false, at::kDouble);
  return kernels::channel_sums(output, axis)[0] / static_cast<double>(output.numel() / output.size(axis));
}

void FloatMeans::know(const Graph& graph, const std::vector<Layer>& layers, const DatasetPtr& samples, const RunContext& context) {
  const std::vector<size_t> places = places_of(samples);
  std::vector<size_t> missing;
  for (size_t i = 0; i < places.size(); ++i)
    if (std::any_of(layers.begin(), layers.end(), [&](const Layer& one) { return !means_[one.value->name()].count(places[i]); }))
      missing.push_back(i);
  if (missing.empty()) return;
  LowerOptions lowering;
  lowering.device = context.device;
  for (const Layer& layer : layers) lowering.watch.push_back(layer.value);
  const auto program = lower(graph, lowering);
  RunContext quiet = context;
  quiet.progress = nullptr;
  visit_samples_at_once(subset(samples, missing), quiet, "",
                        [&](const Tensors& inputs, size_t first, size_t count) -> std::function<void()> {
                          std::vector<std::vector<at::Tensor>> found(layers.size());  // of each sample
                          ppq::run(*program, inputs, [&](size_t i, const at::Tensor& output) {
                            const int64_t rows = output.size(0) / static_cast<int64_t>(count);
                            for (size_t k = 0; k < count; ++k) {
                              const at::Tensor one = count == 1 ? output : output.narrow(0, static_cast<int64_t>(k) * rows, rows);
                              found[i].push_back(channel_means(one, layers[i].axis < 0 ? one.dim() - 1 : layers[i].axis));
                            }
                          });
                          return [&, first, count, found = std::move(found)] {
                            for (size_t i = 0; i < layers.size(); ++i)
                              for (size_t k = 0; k < found[i].size(); ++k)
                                means_[layers[i].value->name()][places[missing[first + k]]] = found[i][k];
                            if (context.work) context.work->float_forwards += count;
                          };
                        });
}

at::Tensor FloatMeans::mean(const std::string& value, const std::vector<size_t>& places) const {
  at::Tensor sum;
  for (const size_t place : places) {
    const at::Tensor& one = means_.at(value).at(place);
    sum = sum.defined() ? sum + one : one;
  }
  return sum / static_cast<double>(places.size());
}

void FloatMeans::scale(const std::string& value, const at::Tensor& scale) {
  const auto found = means_.find(value);
  if (found == means_.end()) return;
  for (auto& [place, mean] : found->second) mean = mean * scale.to(mean.device(), at::kDouble);
}

}  // namespace ppq
