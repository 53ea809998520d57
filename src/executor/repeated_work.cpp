#include "executor/repeated_work.h"

#include <ATen/ATen.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include <utility>

#include "executor/host_waits.h"
#include "executor/program.h"
#include "ppq/error.h"

namespace ppq {
namespace {

constexpr size_t kPlainRuns = 2;
/// Recording gives the allocator's memory back and takes its own: not for a few small batches.
constexpr size_t kWorthRecording = 8;

}  // namespace

std::vector<RepeatedWork::Shape> RepeatedWork::shapes_of(const Tensors& inputs) {
  std::vector<Shape> shapes;
  for (const at::Tensor& x : inputs) shapes.push_back(x.defined() ? Shape{x.sizes().vec(), x.strides().vec(), x.scalar_type()} : Shape{});
  return shapes;
}

void RepeatedWork::forget() {
  graph_.reset();
  fixed_.clear();
  plain_runs_ = others_ = 0;
}

void RepeatedWork::run(const Tensors& inputs) {
  ++runs_;
  if (!capture_ || !obstacle_.empty()) return work_(inputs);
  std::vector<Shape> shapes = shapes_of(inputs);
  if (shapes != shapes_) {
    // A ragged last batch is no reason to give up the graph; batches that have become smaller are.
    if (graph_ && ++others_ < kPlainRuns) return work_(inputs);
    forget();
    shapes_ = std::move(shapes);
  }
  others_ = 0;
  if (!graph_ && plain_runs_ < kPlainRuns) return run_plainly(inputs);
  if (!graph_ && worth_recording()) record(inputs);
  if (!graph_) return work_(inputs);
  at::AutoDispatchBelowAutograd no_autograd;
  for (size_t i = 0; i < inputs.size(); ++i) fixed_[i].copy_(inputs[i], /*non_blocking=*/true);
  graph_->replay();
  ++replays_;
}

void RepeatedWork::run_plainly(const Tensors& inputs) {
  const HostWaits waits(inputs.empty() ? at::Device(at::kCPU) : inputs[0].device());
  work_(inputs);
  // The first run makes what the later ones keep.
  if (++plain_runs_ == kPlainRuns && waits.count() > 0) obstacle_ = waits.first() + " needs the host";
}

bool RepeatedWork::worth_recording() {
  if (expected_ >= runs_ - 1 + kWorthRecording) return true;
  obstacle_ = "too few batches to come";
  return false;
}

void RepeatedWork::record(const Tensors& inputs) {
  at::AutoDispatchBelowAutograd no_autograd;
  for (const at::Tensor& x : inputs) fixed_.push_back(x.clone());
  try {
    graph_ = capture_([this] { work_(fixed_); });
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Unsupported) throw;
    obstacle_ = error.problem();
    forget();
  }
}

RepeatedWork::Capture capture_on(at::Device device) {
  if (!device.is_cuda()) return nullptr;
  return [device](const std::function<void()>& work) { return kernels::capture(device, work); };
}

RepeatedProgram::RepeatedProgram(std::shared_ptr<const Program> program, RepeatedWork::Capture capture)
    : work_([this, program = std::move(program)](const Tensors& inputs) { outputs_ = ppq::run(*program, inputs); }, std::move(capture)) {}

Tensors RepeatedProgram::run(const Tensors& inputs) {
  const size_t before = work_.replays();
  work_.run(inputs);
  if (work_.replays() == before) return std::exchange(outputs_, {});
  // Recording left the tensors that every replay writes to.
  if (!outputs_.empty()) recorded_ = std::exchange(outputs_, {});
  at::AutoDispatchBelowAutograd no_autograd;
  Tensors kept;
  for (const at::Tensor& x : recorded_) kept.push_back(x.defined() ? x.clone() : x);
  return kept;
}

}  // namespace ppq
