#include "calibration/output_error.h"

#include <algorithm>
#include <numeric>

#include "calibration/measure.h"
#include "data/upload_ahead.h"

namespace ppq::passes {
namespace {

constexpr size_t kKeptBytes = size_t{256} << 20;

std::shared_ptr<const Program> lowered(const Graph& graph, ExecutionMode mode, const PassContext& context) {
  LowerOptions options;
  options.device = context.device;
  options.mode = mode;
  return lower(graph, options);
}

size_t bytes_of(const Tensors& tensors) {
  return std::accumulate(tensors.begin(), tensors.end(), size_t{0},
                         [](size_t sum, const at::Tensor& x) { return sum + (x.defined() ? x.nbytes() : 0); });
}

DatasetPtr samples_from(const DatasetPtr& all, size_t first, size_t end) {
  if (first >= end) return nullptr;
  std::vector<size_t> indices(end - first);
  std::iota(indices.begin(), indices.end(), first);
  return subset(all, indices);
}

class Outputs {
 public:
  void add(const Tensors& got, const Tensors& expected) {
    measures_.resize(got.size());
    for (size_t i = 0; i < got.size(); ++i)
      // How many boxes or hits there are may differ: such a batch of an output says nothing (the report names the output).
      if (got[i].is_floating_point() && got[i].sizes() == expected[i].sizes()) measures_[i].add(got[i], expected[i]);
  }
  double sum() const {
    return std::accumulate(measures_.begin(), measures_.end(), 0.0, [](double sum, const Measure& m) { return sum + m.snr(); });
  }

 private:
  std::vector<Measure> measures_;
};

}  // namespace

OutputReference::OutputReference(const Graph& plain, const PassContext& context, size_t most)
    : context_(context), plain_(lowered(plain, ExecutionMode::Float, context)) {
  const size_t total = std::min(context.calibration->size(), most);
  BatchLoader loader(samples_from(context.calibration, 0, total), context.batch_size, loading_threads(context.device));
  UploadedBatches batches(loader, context.device);
  size_t done = 0, bytes = 0;
  while (bytes < kKeptBytes) {
    auto batch = batches.next();
    if (!batch) break;
    Tensors expected = ppq::run(*plain_, batch->tensors);
    bytes += bytes_of(batch->tensors) + bytes_of(expected);
    kept_.emplace_back(std::move(batch->tensors), std::move(expected));
    done += batch->count;
  }
  rest_ = samples_from(context.calibration, done, total);
}

double OutputReference::error(const Graph& quantized) const {
  const auto simulated = lowered(quantized, ExecutionMode::Simulated, context_);
  Outputs outputs;
  for (const auto& [inputs, expected] : kept_) outputs.add(ppq::run(*simulated, inputs), expected);
  if (!rest_) return outputs.sum();
  BatchLoader loader(rest_, context_.batch_size, loading_threads(context_.device));
  UploadedBatches batches(loader, context_.device);
  while (const auto batch = batches.next()) {
    const Tensors expected = ppq::run(*plain_, batch->tensors);
    outputs.add(ppq::run(*simulated, batch->tensors), expected);
  }
  return outputs.sum();
}

double output_error(const Graph& quantized, const Graph& plain, const PassContext& context, size_t most) {
  return OutputReference(plain, context, most).error(quantized);
}

double float_change(const Graph& changed, const Graph& plain, const PassContext& context) {
  const auto reference = lowered(plain, ExecutionMode::Float, context), other = lowered(changed, ExecutionMode::Float, context);
  BatchLoader loader(context.calibration, context.batch_size, loading_threads(context.device));
  UploadedBatches batches(loader, context.device);
  Outputs outputs;
  while (const auto batch = batches.next()) {
    const Tensors expected = ppq::run(*reference, batch->tensors);
    outputs.add(ppq::run(*other, batch->tensors), expected);
  }
  return outputs.sum();
}

}  // namespace ppq::passes
