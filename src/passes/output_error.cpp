#include "passes/output_error.h"

#include <algorithm>
#include <vector>

#include "analysis/measure.h"

namespace ppq::passes {

namespace {

double difference(const Graph& graph, ExecutionMode mode, const Graph& plain, const PassContext& context, size_t most) {
  LowerOptions options;
  options.device = context.device;
  const auto reference = lower(plain, options);
  options.mode = mode;
  const auto simulated = lower(graph, options);
  BatchLoader loader(context.calibration, context.batch_size);
  std::vector<Measure> outputs;
  for (size_t done = 0; done < std::min(context.calibration->size(), most);) {
    const auto batch = loader.next();
    if (!batch) break;
    const Tensors expected = ppq::run(*reference, batch->tensors), got = ppq::run(*simulated, batch->tensors);
    outputs.resize(got.size());
    for (size_t i = 0; i < got.size(); ++i)
      if (got[i].is_floating_point()) outputs[i].add(got[i], expected[i]);
    done += batch->count;
  }
  double sum = 0;
  for (const Measure& output : outputs) sum += output.snr();
  return sum;
}

}  // namespace

double output_error(const Graph& quantized, const Graph& plain, const PassContext& context, size_t most) {
  return difference(quantized, ExecutionMode::Simulated, plain, context, most);
}

double float_change(const Graph& changed, const Graph& plain, const PassContext& context) {
  return difference(changed, ExecutionMode::Float, plain, context, context.calibration->size());
}

}  // namespace ppq::passes
