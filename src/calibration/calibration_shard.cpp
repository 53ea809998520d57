#include "calibration/calibration_shard.h"

#include <algorithm>

#include "data/upload_ahead.h"
#include "ppq/error.h"

namespace ppq::passes {
namespace {

/// Whether the exception in flight says that memory did not suffice.
bool out_of_memory() {
  try {
    rethrow_with_context(ErrorKind::Internal, "calibration");
  } catch (const Error& error) {
    return error.kind() == ErrorKind::Resource;
  }
}

bool divides(const Tensors& inputs, size_t samples) {
  return std::all_of(inputs.begin(), inputs.end(),
                     [&](const at::Tensor& x) { return x.dim() > 0 && x.size(0) % static_cast<int64_t>(samples) == 0; });
}

Tensors part(const Tensors& inputs, size_t samples, size_t first, size_t count) {
  Tensors result;
  for (const at::Tensor& x : inputs) {
    const int64_t rows = x.size(0) / static_cast<int64_t>(samples);
    result.push_back(x.narrow(0, static_cast<int64_t>(first) * rows, static_cast<int64_t>(count) * rows));
  }
  return result;
}

}  // namespace

CalibrationShard::CalibrationShard(const std::vector<Wanted>& wanted, at::Device device) : wanted_(wanted), device_(device) {
  for (const Wanted& one : wanted_) {
    auto& list = observers_.emplace_back();
    for (const std::string& name : one.observers) list.push_back(make_observer(name, one.scheme, one.value->name()));
    auto at = std::find(values_.begin(), values_.end(), one.value);
    if (at == values_.end()) {
      at = values_.insert(at, one.value);
      gathering_.emplace_back();
    }
    std::vector<Observer*> together;
    for (const auto& observer : list) together.push_back(observer.get());
    auto& gathering = gathering_[static_cast<size_t>(at - values_.begin())];
    for (Observer* observer : share_statistics(together)) gathering.push_back(observer);
  }
}

bool CalibrationShard::all_steady() const {
  for (const auto& list : gathering_)
    for (const Observer* observer : list)
      if (!observer->steady()) return false;
  return true;
}

void CalibrationShard::run(const Graph& graph, const DatasetPtr& samples, const Options& options, const Tick& tick, const Warn& warn) {
  LowerOptions lowering;
  lowering.device = device_;
  lowering.watch = values_;
  lowering.quantize_parameters = true;
  program_ = lower(graph, lowering);
  batch_size_ = options.batch_size;
  RepeatedWork::Capture capture = options.capture;
  if (capture && !all_steady()) capture = nullptr, obstacle_ = "an observer keeps books on the host";
  if (!device_.is_cpu()) reserve(live_bytes(*program_, samples->sample(0)), capture, warn);
  auto whole_batch = [this](const Tensors& inputs) {
    seen_.clear();
    broken_ = false;  // of a recording that was refused: nothing was executed
    observe(inputs);
  };
  work_ = std::make_unique<RepeatedWork>(whole_batch, std::move(capture));
  BatchLoader loader(samples, batch_size_, loading_threads(device_));
  work_->expect(loader.batch_count());
  UploadedBatches batches(loader, device_);
  while (auto batch = batches.next()) {
    seen_.clear();
    show(batch->tensors, batch->count, warn);
    if (!tick(batch->count)) break;
  }
  replays_ = work_->replays();
  if (obstacle_.empty()) obstacle_ = work_->obstacle();
  work_.reset();
  program_.reset();
}

/// A batch's live set is taken in one piece: now, or from the pool of the graph that the batch is recorded into.
void CalibrationShard::reserve(size_t sample_bytes, RepeatedWork::Capture& capture, const Warn& warn) {
  if (capture) {
    capture = [this, sample_bytes, record = capture](const std::function<void()>& work) {
      return record([&] {
        reserve_memory(device_, sample_bytes * samples_);
        work();
      });
    };
    return;
  }
  while (batch_size_ > 1) {
    try {
      return reserve_memory(device_, sample_bytes * batch_size_);
    } catch (...) {
      if (!out_of_memory()) throw;
    }
    halve(batch_size_, warn);
  }
}

/// What observers took in before memory ran out stays, so a batch may be shown again in parts.
void CalibrationShard::show(const Tensors& inputs, size_t samples, const Warn& warn) {
  if (samples > batch_size_) {
    const std::unordered_set<const Observer*> before = seen_;
    for (size_t first = 0; first < samples;) {
      const size_t count = std::min(batch_size_, samples - first);  // which may shrink on the way
      seen_ = before;
      show(part(inputs, samples, first, count), count, warn);
      first += count;
    }
    return;
  }
  samples_ = samples;
  try {
    // A recorded graph stands for observers that all look.
    seen_.empty() ? work_->run(inputs) : observe(inputs);
    return;
  } catch (...) {
    if (broken_ || samples < 2 || !divides(inputs, samples) || !out_of_memory()) throw;
  }
  halve(samples, warn);
  show(inputs, samples, warn);
}

void CalibrationShard::halve(size_t samples, const Warn& warn) {
  batch_size_ = (samples + 1) / 2;
  warn("out of memory with batches of " + std::to_string(samples) + " samples; going on with batches of " + std::to_string(batch_size_));
}

void CalibrationShard::observe(const Tensors& inputs) {
  ObservationQueue queue;
  try {
    ppq::run(*program_, inputs, [&](size_t which, const at::Tensor& tensor) {
      if (!tensor.defined() || !tensor.is_floating_point()) return;
      for (Observer* observer : gathering_[which]) {
        if (seen_.contains(observer)) continue;
        queue.observe(*observer, tensor, static_cast<int64_t>(samples_));
        seen_.insert(observer);
      }
    });
    queue.flush();
  } catch (...) {
    broken_ = true;
    if (!queue.broken()) {
      queue.flush();
      broken_ = false;
    }
    throw;
  }
}

void CalibrationShard::merge(const CalibrationShard& other) {
  for (size_t i = 0; i < observers_.size(); ++i)
    for (size_t k = 0; k < observers_[i].size(); ++k) observers_[i][k]->merge(*other.observers_[i][k]);
}

}  // namespace ppq::passes
