#include "ppq/executor.h"

#include "ppq/error.h"

namespace ppq {

TorchExecutor::TorchExecutor(Graph& graph, const std::string& device) : TorchExecutor(graph, resolve_device(device)) {}
TorchExecutor::TorchExecutor(Graph& graph, at::Device device) : graph_(&graph), device_(device) {}

Tensors TorchExecutor::forward(const Tensors& inputs) {
  if (!simulated_) {
    LowerOptions options;
    options.mode = ExecutionMode::Simulated;
    options.device = device_;
    simulated_ = lower(*graph_, options);
  }
  return run(*simulated_, inputs);
}

Tensors TorchExecutor::forward_float(const Tensors& inputs) {
  if (!float_) {
    LowerOptions options;
    options.device = device_;
    float_ = lower(*graph_, options);
  }
  return run(*float_, inputs);
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
