#include <ATen/ATen.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include <unordered_set>

#include "executor/at_once.h"
#include "executor/program.h"
#include "ppq/error.h"

namespace ppq {
namespace {

[[noreturn]] void wrong_input(const ProgramInput& input, const std::string& problem) {
  throw Error(ErrorKind::Data, "input " + input.name, problem);
}

/// Rank and every known dimension but the first must fit; the first may be any batch.
void check_input(const ProgramInput& input, const at::Tensor& tensor) {
  if (!tensor.defined()) wrong_input(input, "no tensor was given");
  if (input.dtype != DataType::Undefined && tensor.scalar_type() != to_scalar_type(input.dtype))
    wrong_input(input, std::string("wrong element type: got ") + name_of(to_data_type(tensor.scalar_type())) + ", expected " +
                           name_of(input.dtype));
  if (!input.shape) return;
  bool fits = tensor.dim() == static_cast<int64_t>(input.shape->size());
  for (int64_t i = 1; fits && i < tensor.dim(); ++i) {
    const Dim& dim = (*input.shape)[i];
    fits = !dim.known() || dim.value == tensor.size(i);
  }
  if (!fits) wrong_input(input, "wrong shape: got " + to_string(tensor.sizes()) + ", expected " + to_string(*input.shape));
}

std::vector<at::Tensor> start_frame(const Program& program, const Tensors& inputs) {
  if (inputs.size() != program.inputs.size())
    throw Error(ErrorKind::Data, "inputs",
                "wrong number: got " + std::to_string(inputs.size()) + ", expected " + std::to_string(program.inputs.size()));
  std::vector<at::Tensor> frame = program.initial;
  for (size_t i = 0; i < inputs.size(); ++i) {
    check_input(program.inputs[i], inputs[i]);
    // Towards the host nothing would wait for the copy.
    frame[program.inputs[i].slot] = inputs[i].to(program.device, /*non_blocking=*/!program.device.is_cpu());
  }
  return frame;
}

}  // namespace

namespace {

/// Rethrows what a step's kernel threw; lack of memory says for which tensor.
[[noreturn]] void fail_step(const Step& step) {
  const std::string where = "node " + step.where;
  try {
    rethrow_with_context(ErrorKind::Model, where);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Resource || step.makes.empty()) throw;
    throw Error(error.kind(), error.where(), "tensor " + step.makes + " " + error.problem(), error.hint());
  }
}

/// One step over one frame. `in` and `out` are room that is used again.
void run_step(const Step& step, std::vector<at::Tensor>& frame, std::vector<at::Tensor>& in, std::vector<at::Tensor>& out) {
  in.clear();
  for (int slot : step.inputs) in.push_back(slot == kNoSlot ? at::Tensor() : frame[slot]);
  // The kernel gets the last reference to what dies here, and may write into it (ops/expendable.h).
  for (int slot : step.dies) frame[slot].reset();
  out.assign(step.outputs.size(), at::Tensor());
  try {
    step.kernel(in, out);
  } catch (...) {
    fail_step(step);
  }
  in.clear();
  for (size_t i = 0; i < out.size(); ++i)
    if (step.outputs[i] != kNoSlot) frame[step.outputs[i]] = std::move(out[i]);
}

/// Every step over every frame; `report` gets each watched value where it is made.
template <typename Report>
void run_frames(const Program& program, at::ArrayRef<std::vector<at::Tensor>*> frames, const Report& report) {
  size_t next_watch = 0;
  auto report_after = [&](int after) {
    for (; next_watch < program.watches.size() && program.watches[next_watch].after == after; ++next_watch)
      report(program.watches[next_watch]);
  };
  report_after(-1);
  std::vector<at::Tensor> in, out;
  for (size_t s = 0; s < program.steps.size(); ++s) {
    if (frames.size() == 1) {
      run_step(program.steps[s], *frames[0], in, out);
    } else {
      for_each_at_once(program.device, frames.size(), [&](size_t i) {
        at::AutoDispatchBelowAutograd no_autograd;
        std::vector<at::Tensor> own_in, own_out;
        run_step(program.steps[s], *frames[i], own_in, own_out);
      });
    }
    report_after(static_cast<int>(s));
    for (auto* frame : frames)
      for (int slot : program.steps[s].dies_unread) (*frame)[slot].reset();
  }
}

}  // namespace

void run_steps(const Program& program, std::vector<at::Tensor>& frame, const Watcher& watcher) {
  run_frames(program, {&frame}, [&](const Watch& watch) {
    if (watcher) watcher(watch.index, frame[watch.slot]);
  });
}

void run_side_by_side(const Program& program, const std::vector<Tensors>& batches, const SideBySideWatcher& watcher) {
  at::AutoDispatchBelowAutograd no_autograd;
  std::vector<std::vector<at::Tensor>> frames;
  for (const Tensors& inputs : batches) frames.push_back(start_frame(program, inputs));
  std::vector<std::vector<at::Tensor>*> all;
  for (auto& frame : frames) all.push_back(&frame);
  run_frames(program, all, [&](const Watch& watch) {
    Tensors values;
    for (const auto& frame : frames) values.push_back(frame[watch.slot]);
    watcher(watch.index, values);
  });
}

Tensors run(const Program& program, const Tensors& inputs, const Watcher& watcher) {
  at::AutoDispatchBelowAutograd no_autograd;
  std::vector<at::Tensor> frame = start_frame(program, inputs);
  run_steps(program, frame, watcher);
  Tensors outputs;
  for (const auto& [name, slot] : program.outputs) outputs.push_back(frame[slot]);
  return outputs;
}

SteppedRun::SteppedRun(const Program& program, const Tensors& inputs) : program_(&program), frame_(start_frame(program, inputs)) {}

std::optional<SteppedRun::Watched> SteppedRun::next() {
  at::AutoDispatchBelowAutograd no_autograd;
  std::vector<at::Tensor> in, out;
  for (;; ++step_) {
    if (next_watch_ < program_->watches.size() && program_->watches[next_watch_].after == static_cast<int>(step_) - 1) {
      const Watch& watch = program_->watches[next_watch_++];
      return Watched{watch.index, frame_[watch.slot]};
    }
    if (step_ > 0)
      for (int slot : program_->steps[step_ - 1].dies_unread) frame_[slot].reset();
    if (step_ == program_->steps.size()) return std::nullopt;
    run_step(program_->steps[step_], frame_, in, out);
  }
}

Tensors SteppedRun::outputs() {
  while (next()) {
  }
  Tensors outputs;
  for (const auto& [name, slot] : program_->outputs) outputs.push_back(frame_[slot]);
  return outputs;
}

size_t live_bytes(const Program& program, const Tensors& inputs) {
  at::AutoDispatchBelowAutograd no_autograd;
  std::unordered_set<const void*> constants;
  for (const auto& tensor : program.initial)
    if (tensor.defined() && tensor.numel()) constants.insert(tensor.storage().data());
  std::vector<at::Tensor> frame = start_frame(program, inputs);
  size_t largest = 0;
  Program stepwise;
  stepwise.device = program.device;
  for (const Step& step : program.steps) {
    stepwise.steps.assign(1, step);
    stepwise.steps[0].dies.clear();
    stepwise.steps[0].dies_unread.clear();
    run_steps(stepwise, frame, nullptr);
    std::unordered_set<const void*> seen = constants;
    size_t live = 0;
    for (const auto& tensor : frame)
      if (tensor.defined() && tensor.numel() && seen.insert(tensor.storage().data()).second) live += tensor.storage().nbytes();
    largest = std::max(largest, live);
    for (int slot : step.dies) frame[slot].reset();
    for (int slot : step.dies_unread) frame[slot].reset();
  }
  return largest;
}

void reserve_memory(at::Device device, size_t bytes) {
  if (device.is_cpu()) return;
  with_error_context(ErrorKind::Internal, "memory for a batch", [&] {
    at::empty({static_cast<int64_t>(bytes)}, at::TensorOptions().device(device).dtype(at::kByte));  // let go at once
  });
}

}  // namespace ppq
