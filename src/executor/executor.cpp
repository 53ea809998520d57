#include "ppq/executor.h"

#include <ATen/ATen.h>

#include "executor/repeated_work.h"
#include "ppq/error.h"

namespace ppq {

TorchExecutor::TorchExecutor(Graph& graph, const std::string& device) : TorchExecutor(graph, resolve_device(device)) {}
TorchExecutor::TorchExecutor(Graph& graph, at::Device device) : graph_(&graph), device_(device) {}

Tensors TorchExecutor::forward(const Tensors& inputs) { return run_repeatedly(simulated_, ExecutionMode::Simulated, inputs); }
Tensors TorchExecutor::forward_float(const Tensors& inputs) { return run_repeatedly(float_, ExecutionMode::Float, inputs); }

Tensors TorchExecutor::run_repeatedly(std::shared_ptr<RepeatedProgram>& program, ExecutionMode mode, const Tensors& inputs) {
  if (!program) {
    LowerOptions options;
    options.mode = mode;
    options.device = device_;
    program = std::make_shared<RepeatedProgram>(lower(*graph_, options), device_graphs_ ? capture_on(device_) : nullptr);
  }
  Tensors here;
  for (const at::Tensor& x : inputs) here.push_back(x.defined() ? x.to(device_, /*non_blocking=*/!device_.is_cpu()) : x);
  return program->run(here);
}

void TorchExecutor::set_device_graphs(bool use) {
  device_graphs_ = use;
  load_graph(*graph_);
}

void TorchExecutor::tracing_operation_meta(const Tensors& inputs) {
  LowerOptions options;
  options.device = device_;
  std::vector<Value*> values;
  for (Value* value : graph_->values()) {
    if (value->is_constant() || value->is_outer() || !(value->producer() || value->is_graph_input())) continue;
    values.push_back(value);
    options.watch.push_back(value);
  }
  auto program = lower(*graph_, options);
  run(*program, inputs, [&](size_t index, const at::Tensor& tensor) {
    if (!tensor.defined()) return;
    Value& value = *values[index];
    if (value.dtype == DataType::Undefined) value.dtype = to_data_type(tensor.scalar_type());
    const bool known = value.shape && static_cast<int64_t>(value.shape->size()) == tensor.dim();
    if (!known) value.shape.emplace(static_cast<size_t>(tensor.dim()));
    // A symbolic dimension stays symbolic: the traced batch is only one of many.
    for (int64_t i = 0; i < tensor.dim(); ++i) {
      Dim& dim = (*value.shape)[i];
      if (!dim.known() && dim.symbol.empty()) dim.value = tensor.size(i);
    }
  });
  load_graph(*graph_);
}

void TorchExecutor::load_graph(Graph& graph) {
  graph_ = &graph;
  simulated_.reset();
  float_.reset();
}

}  // namespace ppq
