#include "calibration/sweep.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "calibration/visit.h"
#include "executor/at_once.h"
#include "ppq/error.h"

namespace ppq {
namespace {

/// Every `shares`-th batch from number `share` on, so that batches are those of one device.
DatasetPtr share_of(const DatasetPtr& samples, size_t batch_size, size_t share, size_t shares) {
  if (shares == 1) return samples;
  std::vector<size_t> indices;
  for (size_t i = 0; i < samples->size(); ++i)
    if (i / batch_size % shares == share) indices.push_back(i);
  return subset(samples, std::move(indices));
}

/// Runs `work(k)` for each k < count, all but the first in threads of their own; rethrows the first error in order. `alone`: the
/// threads are the CPU's, and each computes alone.
void run_shards(size_t count, bool alone, std::atomic<bool>& failed, const std::function<void(size_t)>& work) {
  std::vector<std::exception_ptr> errors(count);
  auto guarded = [&](size_t k) {
    try {
      work(k);
    } catch (...) {
      errors[k] = std::current_exception();
      failed = true;
    }
  };
  if (alone) {
    for_each_at_once(at::kCPU, count, guarded);
    for (const std::exception_ptr& error : errors)
      if (error) std::rethrow_exception(error);
    return;
  }
  std::vector<std::thread> others;
  try {
    for (size_t k = 1; k < count; ++k) others.emplace_back(guarded, k);
  } catch (const std::system_error&) {
    failed = true;
    errors[0] = std::make_exception_ptr(Error(ErrorKind::Resource, "sweep over the samples", "cannot start a thread for each device"));
  }
  if (!failed) guarded(0);
  for (std::thread& thread : others) thread.join();
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

}  // namespace

size_t Sweep::want(const Value* value, std::function<Gathering()> make, const Part& part) {
  wishes_.push_back({value, std::move(make)});
  parts_.push_back(part);
  return wishes_.size() - 1;
}

/// Wishes for all samples alone make one group. Where parts are wanted too, each part is a group of its own batches.
std::vector<Sweep::Group> Sweep::groups() const {
  std::vector<Part> wanted;
  auto add = [&](const Part& part) {
    if (part != Part::all() && std::find(wanted.begin(), wanted.end(), part) == wanted.end()) wanted.push_back(part);
  };
  for (const Part& part : parts_) add(part);
  if (wanted.empty()) return {{Part::all(), {}}};
  // Who wants all samples wants the other half too.
  if (std::find(parts_.begin(), parts_.end(), Part::all()) != parts_.end()) add(Part::fitting()), add(Part::held_back());
  std::vector<Group> result;
  for (const Part& part : wanted) {
    std::vector<bool> asleep;
    for (const Part& mine : parts_) asleep.push_back(!(mine == Part::all() || mine == part));
    result.push_back({part, std::move(asleep)});
  }
  return result;
}

/// Who shares the batches. One CPU counts as many times as its threads work on batches of their own.
std::vector<at::Device> Sweep::sharing() const {
  if (in_order_) return {context_.device};
  if (!context_.devices.empty() && context_.devices != std::vector<at::Device>{context_.device}) return context_.devices;
  return std::vector<at::Device>(batches_at_once(context_), context_.device);
}

void Sweep::run(const DatasetPtr& samples) {
  if (!samples || samples->size() == 0) throw Error(ErrorKind::Data, what_, "no samples: got 0, expected at least 1");
  if (wishes_.empty()) return;
  const size_t batches = (samples->size() + context_.batch_size - 1) / context_.batch_size;
  const std::vector<at::Device> devices = sharing();
  for (size_t k = 0; k < std::max<size_t>(1, std::min(devices.size(), batches)); ++k)
    shards_.push_back(std::make_unique<SweepShard>(wishes_, devices[k]));
  for (size_t k = 1; k < shards_.size(); ++k)
    if (devices[k] == devices[0]) {
      shards_[0]->prepare(graph_, lowering_);
      shards_[k]->share_program(*shards_[0]);
    }
  const std::vector<Group> all = groups();
  size_t total = 0, done = 0;
  for (const Group& group : all) total += group.part.indices(samples->size()).size();
  for (const Group& group : all) run_group(part_of(samples, group.part), group, done, total);
  for (size_t k = 1; k < shards_.size(); ++k) shards_[0]->merge(*shards_[k]);
  batch_size_ = context_.batch_size;
  for (const auto& shard : shards_) batch_size_ = std::min(batch_size_, shard->batch_size());
}

void Sweep::run_group(const DatasetPtr& samples, const Group& group, size_t& done, size_t total) {
  std::mutex mutex;  // of progress, warnings and counts
  std::atomic<bool> failed = false;
  auto tick = [&](size_t count) {
    const std::lock_guard lock(mutex);
    done += count;
    if (context_.work) (lowering_.quantize_parameters ? context_.work->rounded_forwards : context_.work->float_forwards) += count;
    if (context_.progress) context_.progress(what_, done, total);
    return !failed;
  };
  auto warn = [&](std::string text) {
    const std::lock_guard lock(mutex);
    context_.warn(std::move(text));
  };
  const bool alone = context_.devices.size() < 2 && shards_[0]->device().is_cpu();
  run_shards(shards_.size(), alone, failed, [&](size_t k) {
    const DatasetPtr share = share_of(samples, context_.batch_size, k, shards_.size());
    if (share->size() == 0) return;
    SweepShard::Options options{context_.batch_size, context_.device_graphs ? capture_on(shards_[k]->device()) : nullptr, group.asleep};
    shards_[k]->run(graph_, lowering_, share, options, tick, warn);
  });
}

std::string Sweep::description() const {
  std::string text;
  for (const auto& shard : shards_) {
    if (context_.devices.size() < 2 && shard->device().is_cpu()) continue;
    text += (text.empty() ? "" : "; ") + shard->device().str() + ": " + std::to_string(shard->replays()) + " batches by a recorded graph";
    if (!shard->obstacle().empty()) text += " (" + shard->obstacle() + ")";
  }
  return text;
}

}  // namespace ppq
