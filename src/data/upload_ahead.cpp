#include "data/upload_ahead.h"

#include <ATen/ATen.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "ppq/error.h"

namespace ppq {
namespace {

/// A batch on its way.
struct Upload {
  BatchLoader::Batch batch;
  std::optional<c10::Event> arrival;
};

}  // namespace

size_t loading_threads(at::Device device) {
  constexpr unsigned kFew = 2, kMany = 16;
  return device.is_cpu() ? kFew : std::clamp(std::thread::hardware_concurrency(), kFew, kMany);
}

Transfer transfer_of(at::Device from, at::Device to) {
  if (from == to || (from.is_cpu() && to.is_cpu())) return Transfer::None;
  return from.is_cpu() ? Transfer::Staged : Transfer::Direct;
}

struct UploadedBatches::State {
  BatchLoader& loader;
  at::Device device;
  std::optional<c10::Stream> stream;  ///< of the copies; none on the CPU

  std::mutex mutex;
  std::condition_variable taken, arrived;
  std::optional<Upload> waiting;
  std::exception_ptr error;
  bool end = false, stop = false;
  std::thread worker;

  State(BatchLoader& batches, at::Device where) : loader(batches), device(where) {
    if (device.is_cpu()) return;
    stream = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device, /*isHighPriority=*/true);
    loader.collate_pinned();
  }

  Upload start(BatchLoader::Batch batch) const {
    Upload upload;
    upload.batch = std::move(batch);
    if (!stream) return upload;
    wait_for_what_is_there(upload.batch.tensors);
    const c10::StreamGuard guard(*stream);
    // The allocator of pinned memory keeps a block that is let go until the copies from it are done.
    for (at::Tensor& tensor : upload.batch.tensors) {
      const Transfer transfer = transfer_of(tensor.device(), device);
      if (transfer == Transfer::Staged && !tensor.is_pinned()) tensor = tensor.pin_memory();
      if (transfer != Transfer::None) tensor = tensor.to(device, /*non_blocking=*/true);
    }
    upload.arrival.emplace(device.type());
    upload.arrival->record(*stream);
    return upload;
  }

  /// Tensors that are on the device were made, and put together, by its current stream.
  void wait_for_what_is_there(const Tensors& tensors) const {
    const bool any = std::any_of(tensors.begin(), tensors.end(), [&](const at::Tensor& x) { return x.device().type() == device.type(); });
    if (!any) return;
    c10::Event made(device.type());
    made.record(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
    made.block(*stream);
  }

  void work() {
    at::AutoDispatchBelowAutograd no_autograd;
    while (true) {
      std::optional<Upload> next;
      std::exception_ptr failed;
      try {
        if (auto batch = loader.next()) next = start(std::move(*batch));
      } catch (...) {
        failed = std::current_exception();
      }
      std::unique_lock lock(mutex);
      taken.wait(lock, [&] { return stop || !waiting; });
      if (stop) return;
      error = failed;
      end = !next;
      waiting = std::move(next);
      arrived.notify_all();
      if (end) return;
    }
  }
};

UploadedBatches::UploadedBatches(BatchLoader& loader, at::Device device) : state_(std::make_unique<State>(loader, device)) {
  try {
    state_->worker = std::thread([state = state_.get()] { state->work(); });
  } catch (const std::system_error&) {
    throw Error(ErrorKind::Resource, "UploadedBatches", "cannot start a thread");
  }
}

UploadedBatches::~UploadedBatches() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->taken.notify_all();
  state_->worker.join();
}

std::optional<BatchLoader::Batch> UploadedBatches::next() {
  State& state = *state_;
  std::optional<Upload> upload;
  {
    std::unique_lock lock(state.mutex);
    state.arrived.wait(lock, [&] { return state.waiting || state.end; });
    if (!state.waiting) {
      if (state.error) std::rethrow_exception(state.error);
      return std::nullopt;
    }
    upload = std::move(state.waiting);
    state.waiting.reset();
  }
  state.taken.notify_all();
  if (upload->arrival) {
    const c10::Stream current = c10::impl::VirtualGuardImpl(state.device.type()).getStream(state.device);
    upload->arrival->block(current);
    for (const at::Tensor& tensor : upload->batch.tensors) tensor.record_stream(current);
  }
  return std::move(upload->batch);
}

}  // namespace ppq
