#include "calibration/visit.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "data/upload_ahead.h"
#include "executor/at_once.h"
#include "kernels/cpu/parallel.h"
#include "ppq/error.h"

namespace ppq {
namespace {

// Activations of the batches that the CPU works on, where the user set no limit: at least, and a thread.
constexpr size_t kAtOnceBytes = size_t{256} << 20, kThreadBytes = size_t{32} << 20;

}  // namespace

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

namespace {

/// Shows a batch; in halves where memory does not suffice, and then later ones too.
class InHalves {
 public:
  using Show = std::function<void(const Tensors&, size_t, size_t)>;
  InHalves(const RunContext& context, Show show)
      : context_(context), show_(std::move(show)), most_(std::max<size_t>(context.batch_size, 1)) {}

  void operator()(const Tensors& inputs, size_t first, size_t count) {
    if (count <= most_) {
      try {
        return show_(inputs, first, count);
      } catch (...) {
        if (count < 2 || !divides(inputs, count) || !out_of_memory()) throw;
      }
      most_ = (count + 1) / 2;
      context_.warn(halving_text(count, most_));
    }
    for (size_t done = 0, size = 0; done < count; done += size) {
      size = std::min(most_, count - done);
      (*this)(rows_of(inputs, count, done, size), first + done, size);
    }
  }

 private:
  const RunContext& context_;
  Show show_;
  size_t most_;
};

}  // namespace

void visit_samples(const DatasetPtr& samples, const RunContext& context, const std::string& what,
                   const std::function<void(const Tensors&, size_t, size_t)>& show) {
  InHalves show_parts(context, show);
  BatchLoader loader(samples, context.batch_size, loading_threads(context.device));
  UploadedBatches batches(loader, context.device);
  while (const auto batch = batches.next()) {
    show_parts(batch->tensors, batch->first, batch->count);
    if (context.progress && !what.empty()) context.progress(what, batch->first + batch->count, samples->size());
  }
}

size_t batches_at_once(const RunContext& context) {
  if (!context.device.is_cpu()) return 1;
  const auto threads = static_cast<size_t>(kernels::cpu::thread_count());
  const size_t memory = context.max_memory ? context.max_memory : std::max(kAtOnceBytes, threads * kThreadBytes);
  return std::clamp<size_t>(memory / std::max<size_t>(context.sample_bytes * context.batch_size, 1), 1, threads);
}

void visit_samples_at_once(const DatasetPtr& samples, const RunContext& context, const std::string& what,
                           const std::function<std::function<void()>(const Tensors&, size_t, size_t)>& work) {
  const size_t most = batches_at_once(context);
  if (most == 1) return visit_samples(samples, context, what, [&](const Tensors& i, size_t f, size_t n) { work(i, f, n)(); });
  InHalves alone(context, [&](const Tensors& inputs, size_t first, size_t count) { work(inputs, first, count)(); });
  BatchLoader loader(samples, context.batch_size, loading_threads(context.device));
  std::vector<BatchLoader::Batch> together;
  auto flush = [&] {
    std::vector<std::function<void()>> rests(together.size());
    try {
      for_each_at_once(at::kCPU, together.size(),
                       [&](size_t i) { rests[i] = work(together[i].tensors, together[i].first, together[i].count); });
    } catch (...) {
      if (!out_of_memory()) throw;
      rests.clear();
      for (const BatchLoader::Batch& batch : together) alone(batch.tensors, batch.first, batch.count);
    }
    for (const auto& rest : rests) rest();
    if (context.progress && !what.empty()) context.progress(what, together.back().first + together.back().count, samples->size());
    together.clear();
  };
  while (auto batch = loader.next()) {
    together.push_back(std::move(*batch));
    if (together.size() == most) flush();
  }
  if (!together.empty()) flush();
}

}  // namespace ppq
