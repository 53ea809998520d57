// Samples are loaded by several threads, batches are handed out in order. A bounded number of batches is in the making or
// waiting, so memory does not grow with the data.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <omp.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

#include "kernels/cpu/parallel.h"
#include "ppq/dataset.h"
#include "ppq/error.h"

namespace ppq {
namespace {

/// at::cat along the first dimension, by all threads: a batch is megabytes, and a GPU waits for it.
at::Tensor put_together(const std::vector<at::Tensor>& parts, bool pinned) {
  for (const at::Tensor& part : parts)
    if (!part.is_cpu() || !part.is_contiguous()) return at::cat(parts);
  std::vector<size_t> places = {0};
  int64_t rows = 0;
  for (const at::Tensor& part : parts) rows += part.size(0), places.push_back(places.back() + part.nbytes());
  std::vector<int64_t> sizes = parts[0].sizes().vec();
  sizes[0] = rows;
  at::Tensor whole = at::empty(sizes, parts[0].options().pinned_memory(pinned));
  char* to = static_cast<char*>(whole.mutable_data_ptr());
  kernels::cpu::parallel_for(static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) std::memcpy(to + places[i], parts[i].const_data_ptr(), parts[i].nbytes());
  });
  return whole;
}

at::Tensor concatenated(const std::vector<Tensors>& samples, size_t input, const Dataset& dataset, size_t first, bool pinned) {
  std::vector<at::Tensor> parts;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (samples[i].size() != samples[0].size())
      throw Error(ErrorKind::Data, dataset.name(first + i),
                  "number of tensors: got " + std::to_string(samples[i].size()) + ", expected " + std::to_string(samples[0].size()));
    const at::Tensor& part = samples[i][input];
    if (samples.size() == 1) return part;
    const bool same = part.dim() > 0 && part.dim() == parts.emplace_back(part).dim() && part.scalar_type() == parts[0].scalar_type() &&
                      part.dim() == parts[0].dim() && part.sizes().slice(1) == parts[0].sizes().slice(1);
    if (!same)
      throw Error(ErrorKind::Data, dataset.name(first + i),
                  "shape does not go into one batch with " + dataset.name(first) + ": got " + to_string(part.sizes()) + ", expected " +
                      to_string(samples[0][input].sizes()),
                  "use a batch size of 1, or bring the samples to one size");
  }
  return put_together(parts, pinned);
}

/// Every thread that meets OpenMP has a team of its own: sixteen that load samples would have as many as the machine has cores
/// each. LibTorch sets a thread's number when it first asks, so it is asked before; at::set_num_threads is the whole process's.
void compute_alone() {
  at::get_num_threads();
  at::internal::lazy_init_num_threads();
  omp_set_num_threads(1);
}

}  // namespace

struct BatchLoader::State {
  DatasetPtr dataset;
  size_t batch_size, batches;

  struct Slot {
    std::vector<Tensors> samples;
    size_t waiting = 0;  ///< samples that are not there yet
    std::exception_ptr error;
    size_t error_sample = SIZE_MAX;  ///< of several, the first in order counts
  };
  std::mutex mutex;
  std::condition_variable room, ready;
  std::vector<Slot> slots;  ///< batch b lives in slot b % slots.size()
  size_t next_sample = 0;   ///< to be claimed by a worker
  size_t next_batch = 0;    ///< to be handed out
  bool stop = false, pinned = false;
  std::exception_ptr failed;
  std::vector<std::thread> workers;

  size_t first_of(size_t batch) const { return batch * batch_size; }
  size_t count_of(size_t batch) const { return std::min(batch_size, dataset->size() - first_of(batch)); }
  void open_slot(size_t batch) {
    if (batch >= batches) return;
    Slot& slot = slots[batch % slots.size()];
    slot = Slot{};
    slot.waiting = count_of(batch);
    slot.samples.resize(slot.waiting);
  }

  void work() {
    compute_alone();
    std::unique_lock lock(mutex);
    while (true) {
      room.wait(lock, [&] { return stop || next_sample >= dataset->size() || next_sample < first_of(next_batch + slots.size()); });
      if (stop || next_sample >= dataset->size()) return;
      const size_t index = next_sample++;
      lock.unlock();
      Tensors tensors;
      std::exception_ptr error;
      try {
        tensors = dataset->sample(index);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      const size_t batch = index / batch_size;
      Slot& slot = slots[batch % slots.size()];
      if (error && index < slot.error_sample) {
        slot.error = error;
        slot.error_sample = index;
      }
      slot.samples[index - first_of(batch)] = std::move(tensors);
      if (--slot.waiting == 0) ready.notify_all();
    }
  }
};

BatchLoader::BatchLoader(DatasetPtr dataset, size_t batch_size, size_t threads) : state_(std::make_unique<State>()) {
  if (!dataset) throw Error(ErrorKind::Internal, "BatchLoader", "no dataset");
  if (batch_size == 0) throw Error(ErrorKind::Usage, "batch_size", "got 0, expected at least 1");
  state_->dataset = std::move(dataset);
  state_->batch_size = batch_size;
  state_->batches = (state_->dataset->size() + batch_size - 1) / batch_size;
  if (state_->batches == 0) return;
  threads = std::max<size_t>(threads, 1);
  // The batch being loaded and the next one; of small batches as many as keep every thread busy.
  state_->slots.resize(std::max<size_t>(2, (2 * threads + batch_size - 1) / batch_size));
  for (size_t i = 0; i < state_->slots.size(); ++i) state_->open_slot(i);
  try {
    for (size_t i = 0; i < threads; ++i) state_->workers.emplace_back([state = state_.get()] { state->work(); });
  } catch (...) {
    // Fewer threads are fine, none are not.
    if (state_->workers.empty()) throw Error(ErrorKind::Resource, "BatchLoader", "cannot start a thread");
  }
}

BatchLoader::~BatchLoader() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->room.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

void BatchLoader::collate_pinned() { state_->pinned = true; }

size_t BatchLoader::batch_count() const { return state_->batches; }

std::optional<BatchLoader::Batch> BatchLoader::next() {
  State& state = *state_;
  std::vector<Tensors> samples;
  Batch batch;
  {
    std::unique_lock lock(state.mutex);
    if (state.failed) std::rethrow_exception(state.failed);
    if (state.next_batch >= state.batches) return std::nullopt;
    State::Slot& slot = state.slots[state.next_batch % state.slots.size()];
    state.ready.wait(lock, [&] { return slot.waiting == 0; });
    if (slot.error) {
      state.failed = slot.error;
      state.stop = true;
      state.room.notify_all();
      std::rethrow_exception(state.failed);
    }
    batch.first = state.first_of(state.next_batch);
    batch.count = state.count_of(state.next_batch);
    samples = std::move(slot.samples);
    state.open_slot(state.next_batch + state.slots.size());
    ++state.next_batch;
  }
  state.room.notify_all();
  for (size_t input = 0; input < samples[0].size(); ++input)
    batch.tensors.push_back(concatenated(samples, input, *state.dataset, batch.first, state.pinned));
  return batch;
}

}  // namespace ppq
