#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <memory>
#include <optional>

#include "ppq/dataset.h"

namespace ppq {

/// Threads that decode and preprocess samples for `device`: two beside a network that computes on the CPU itself, and what
/// this machine has, at most 16, for one that would wait for them.
size_t loading_threads(at::Device device);

/// How a tensor of a batch comes to the device that computes with it.
enum class Transfer {
  None,    ///< it is there
  Staged,  ///< from the host, through pinned memory
  Direct,  ///< from another device, or to the host
};
Transfer transfer_of(at::Device from, at::Device to);

/// The batches of a loader, put together and brought to `device` ahead of the work that reads them, by a thread of their own:
/// one batch waits, one is in the making. For a device other than the CPU they are staged in pinned memory and copied on a
/// stream of their own, so that neither the caller nor the device's current stream waits longer than for the copy itself. Samples
/// may lie on devices already; what is then still computed there is waited for, by the device.
class UploadedBatches {
 public:
  /// `loader` outlives this.
  UploadedBatches(BatchLoader& loader, at::Device device);
  ~UploadedBatches();
  UploadedBatches(const UploadedBatches&) = delete;
  UploadedBatches& operator=(const UploadedBatches&) = delete;
  /// As BatchLoader::next. The tensors are for the device's current stream.
  std::optional<BatchLoader::Batch> next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ppq
