#include "calibration/sweep_shard.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <optional>

#include "calibration/visit.h"
#include "data/upload_ahead.h"
#include "observers/observer.h"
#include "ppq/error.h"

namespace ppq {

SweepShard::SweepShard(const std::vector<Wish>& wishes, at::Device device) : device_(device) {
  for (const Wish& wish : wishes) {
    auto at = std::find(values_.begin(), values_.end(), wish.value);
    if (at == values_.end()) {
      at = values_.insert(at, wish.value);
      wishes_of_.emplace_back();
    }
    wishes_of_[static_cast<size_t>(at - values_.begin())].push_back(gatherings_.size());
    gatherings_.push_back(wish.make());
  }
}

void SweepShard::choose_awake(const std::vector<bool>& asleep) {
  shown_.assign(values_.size(), {});
  for (size_t v = 0; v < values_.size(); ++v)
    for (const size_t wish : wishes_of_[v])
      if (asleep.empty() || !asleep[wish])
        shown_[v].insert(shown_[v].end(), gatherings_[wish].shown.begin(), gatherings_[wish].shown.end());
}

bool SweepShard::all_steady() const {
  for (const auto& list : shown_)
    for (const Statistic* statistic : list)
      if (!statistic->steady()) return false;
  return true;
}

void SweepShard::prepare(const Graph& graph, LowerOptions lowering) {
  if (program_) return;
  lowering.device = device_;
  lowering.watch = values_;
  program_ = lower(graph, lowering);
}

void SweepShard::run(const Graph& graph, LowerOptions lowering, const DatasetPtr& samples, const Options& options, const Tick& tick,
                     const Warn& warn) {
  choose_awake(options.asleep);
  prepare(graph, std::move(lowering));
  if (batch_size_ == 0) batch_size_ = options.batch_size;
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
  // One of several threads of a CPU loads for itself: what would load ahead would start threads for each of them.
  std::optional<UploadedBatches> ahead;
  if (!at::in_parallel_region()) ahead.emplace(loader, device_);
  while (auto batch = ahead ? ahead->next() : loader.next()) {
    seen_.clear();
    show(batch->tensors, batch->count, warn);
    if (!tick(batch->count)) break;
  }
  replays_ += work_->replays();
  if (obstacle_.empty()) obstacle_ = work_->obstacle();
  work_.reset();
}

/// A batch's live set is taken in one piece: now, or from the pool of the graph that the batch is recorded into.
void SweepShard::reserve(size_t sample_bytes, RepeatedWork::Capture& capture, const Warn& warn) {
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

/// What statistics took in before memory ran out stays, so a batch may be shown again in parts.
void SweepShard::show(const Tensors& inputs, size_t samples, const Warn& warn) {
  if (samples > batch_size_) {
    const std::unordered_set<const Statistic*> before = seen_;
    for (size_t first = 0; first < samples;) {
      const size_t count = std::min(batch_size_, samples - first);  // which may shrink on the way
      seen_ = before;
      show(rows_of(inputs, samples, first, count), count, warn);
      first += count;
    }
    return;
  }
  samples_ = samples;
  try {
    // A recorded graph stands for statistics that all look.
    seen_.empty() ? work_->run(inputs) : observe(inputs);
    return;
  } catch (...) {
    if (broken_ || samples < 2 || !divides(inputs, samples) || !out_of_memory()) throw;
  }
  halve(samples, warn);
  show(inputs, samples, warn);
}

void SweepShard::halve(size_t samples, const Warn& warn) {
  batch_size_ = (samples + 1) / 2;
  warn(halving_text(samples, batch_size_));
}

void SweepShard::observe(const Tensors& inputs) {
  ObservationQueue queue;
  try {
    ppq::run(*program_, inputs, [&](size_t which, const at::Tensor& tensor) {
      if (!tensor.defined()) return;
      for (Statistic* statistic : shown_[which]) {
        if (seen_.contains(statistic) || !(tensor.is_floating_point() || statistic->takes_all_types())) continue;
        queue.observe(*statistic, tensor, static_cast<int64_t>(samples_));
        seen_.insert(statistic);
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

void SweepShard::merge(const SweepShard& other) {
  for (size_t i = 0; i < gatherings_.size(); ++i)
    for (size_t k = 0; k < gatherings_[i].statistics.size(); ++k) gatherings_[i].statistics[k]->merge(*other.gatherings_[i].statistics[k]);
}

}  // namespace ppq
