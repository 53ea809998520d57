#include "calibration/visit.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "data/upload_ahead.h"
#include "ppq/error.h"

namespace ppq {

bool out_of_memory() {
  try {
    rethrow_with_context(ErrorKind::Internal, "samples");
  } catch (const Error& error) {
    return error.kind() == ErrorKind::Resource;
  }
}

bool divides(const Tensors& inputs, size_t samples) {
  return std::all_of(inputs.begin(), inputs.end(),
                     [&](const at::Tensor& x) { return x.dim() > 0 && x.size(0) % static_cast<int64_t>(samples) == 0; });
}

Tensors rows_of(const Tensors& inputs, size_t samples, size_t first, size_t count) {
  Tensors result;
  for (const at::Tensor& x : inputs) {
    const int64_t rows = x.size(0) / static_cast<int64_t>(samples);
    result.push_back(x.narrow(0, static_cast<int64_t>(first) * rows, static_cast<int64_t>(count) * rows));
  }
  return result;
}

std::string halving_text(size_t samples, size_t now) {
  return "out of memory with batches of " + std::to_string(samples) + " samples; going on with batches of " + std::to_string(now);
}

void visit_samples(const DatasetPtr& samples, const RunContext& context, const std::string& what,
                   const std::function<void(const Tensors&, size_t, size_t)>& show) {
  size_t most = std::max<size_t>(context.batch_size, 1);
  const std::function<void(const Tensors&, size_t, size_t)> show_parts = [&](const Tensors& inputs, size_t first, size_t count) {
    if (count <= most) {
      try {
        return show(inputs, first, count);
      } catch (...) {
        if (count < 2 || !divides(inputs, count) || !out_of_memory()) throw;
      }
      most = (count + 1) / 2;
      context.warn(halving_text(count, most));
    }
    for (size_t done = 0, size = 0; done < count; done += size) {
      size = std::min(most, count - done);
      show_parts(rows_of(inputs, count, done, size), first + done, size);
    }
  };
  BatchLoader loader(samples, context.batch_size, loading_threads(context.device));
  UploadedBatches batches(loader, context.device);
  while (const auto batch = batches.next()) {
    show_parts(batch->tensors, batch->first, batch->count);
    if (context.progress && !what.empty()) context.progress(what, batch->first + batch->count, samples->size());
  }
}

}  // namespace ppq
