#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "analysis/error_analysis.h"
#include "calibration/visit.h"
#include "executor/at_once.h"
#include "graph/extract.h"
#include "ppq/executor.h"
#include "ppq/quant.h"

/// Quantizes one node at a time. The float network runs once over the samples and its tensors are kept; then only what depends
/// on the node runs, on these.
namespace ppq {
namespace {

constexpr size_t kKeptBytes = size_t{128} << 20;  ///< float tensors of one sample

/// Quantization of `node` (weights from the float network, rounded anew) moved onto its counterpart, alone.
void quantize_only(Node& target, const Node& node) {
  auto copy = [](const std::vector<TensorQuantPtr>& from) {
    std::vector<TensorQuantPtr> to;
    for (const auto& quant : from) {
      auto alone = quant ? std::make_shared<TensorQuant>(*quant) : nullptr;
      if (alone && alone->state == QuantState::Baked) alone->state = QuantState::Active;
      if (alone && alone->state == QuantState::PassiveBaked) alone->state = QuantState::Passive;
      to.push_back(alone);
    }
    return to;
  };
  target.input_quant = copy(node.input_quant);
  target.output_quant = copy(node.output_quant);
}

bool has_sub_graphs(const Graph& graph) {
  for (const Node* node : graph.nodes())
    for (const auto& [key, value] : node->attributes)
      if (std::holds_alternative<std::shared_ptr<Graph>>(value)) return true;
  return false;
}

/// The node and everything that depends on it, in execution order.
std::vector<const Node*> dependents(const Graph& graph, const Node* start) {
  std::vector<const Node*> result;
  std::unordered_set<const Value*> changed;
  for (const Node* node : graph.nodes()) {
    const bool depends =
        node == start || std::any_of(node->inputs().begin(), node->inputs().end(), [&](const Value* v) { return changed.count(v); });
    if (!depends) continue;
    result.push_back(node);
    for (const Value* value : node->outputs())
      if (value) changed.insert(value);
  }
  return result;
}

/// The float network over one sample: its outputs and, where they are few enough, all its tensors.
struct FloatRun {
  Tensors inputs, outputs;
  std::unordered_map<const Value*, at::Tensor> values;
};

class Layerwise {
 public:
  Layerwise(const Graph& reference, const DatasetPtr& samples, const AnalysisOptions& options)
      : options_(options), scratch_(reference.clone()), whole_(has_sub_graphs(*scratch_)) {
    for (Node* node : scratch_->nodes()) node->input_quant.clear(), node->output_quant.clear();
    std::vector<const Value*> watch;
    for (const Value* value : scratch_->values())
      if (value->producer() || value->is_graph_input()) watch.push_back(value);
    LowerOptions plain;
    plain.device = options.device;
    plain.watch = whole_ ? std::vector<const Value*>() : watch;
    const auto program = lower(*scratch_, plain);
    for (size_t i = 0; i < std::min(options.layerwise_samples, samples->size()); ++i) keep(*program, samples->sample(i), plain.watch);
  }

  /// Lowers what depends on `node` (of the quantized graph), with it alone quantized. What it returns runs that over the samples, in
  /// any thread: the errors of the outputs. Null where the node has no counterpart.
  std::function<OutputErrors()> error(const Node& node) {
    Node* target = scratch_->find_node(node.name);
    if (!target) return nullptr;
    quantize_only(*target, node);
    auto measure = whole_ ? run_whole() : run_dependents(target);
    target->input_quant.clear();
    target->output_quant.clear();
    return measure;
  }

 private:
  void keep(const Program& program, Tensors inputs, const std::vector<const Value*>& watch) {
    FloatRun one;
    size_t bytes = 0;
    one.outputs = run(program, inputs, [&](size_t i, const at::Tensor& value) {
      if (!value.defined() || whole_) return;
      one.values[watch[i]] = value;
      bytes += value.nbytes();
    });
    one.inputs = std::move(inputs);
    runs_.push_back(std::move(one));
    if (bytes <= kKeptBytes) return;
    whole_ = true;
    for (FloatRun& other : runs_) other.values.clear();
  }

  std::function<OutputErrors()> run_whole() const {
    return [this, program = lower(*scratch_, simulated())] {
      OutputErrors errors;
      for (const FloatRun& one : runs_) errors.add(run(*program, one.inputs), one.outputs);
      return errors;
    };
  }

  std::function<OutputErrors()> run_dependents(const Node* target) const {
    const std::vector<const Node*> nodes = dependents(*scratch_, target);
    std::unordered_set<const Node*> inside(nodes.begin(), nodes.end());
    std::vector<const Value*> outputs;
    std::vector<size_t> places;  // of the network's outputs
    for (size_t i = 0; i < scratch_->outputs().size(); ++i)
      if (const Value* value = scratch_->outputs()[i]; inside.count(value->producer())) outputs.push_back(value), places.push_back(i);
    const auto part = extract(*scratch_, nodes, outputs);
    std::vector<const Value*> sources;
    for (const Value* input : part->inputs()) sources.push_back(scratch_->find_value(input->name()));
    return [this, places, sources, program = outputs.empty() ? nullptr : lower(*part, simulated())] {
      OutputErrors errors;
      for (const FloatRun& one : runs_) {
        Tensors inputs, expected;
        for (const Value* source : sources) inputs.push_back(one.values.at(source));
        for (const size_t i : places) expected.push_back(one.outputs[i]);
        Tensors got = program ? run(*program, inputs) : Tensors();
        // Outputs that do not depend on the node count with their signal.
        for (size_t i = 0; i < one.outputs.size(); ++i)
          if (std::find(places.begin(), places.end(), i) == places.end()) got.push_back(one.outputs[i]), expected.push_back(one.outputs[i]);
        errors.add(got, expected);
      }
      return errors;
    };
  }

  LowerOptions simulated() const {
    LowerOptions options;
    options.device = options_.device;
    options.mode = ExecutionMode::Simulated;
    return options;
  }

  const AnalysisOptions& options_;
  std::unique_ptr<Graph> scratch_;
  bool whole_;  ///< run the whole network each time
  std::vector<FloatRun> runs_;
};

}  // namespace

std::vector<std::optional<OutputErrors>> errors_alone(const std::vector<const Node*>& nodes, const Graph& reference,
                                                      const DatasetPtr& samples, const AnalysisOptions& options) {
  Layerwise layerwise(reference, samples, options);
  const size_t most = batches_at_once(options);
  std::vector<std::optional<OutputErrors>> errors(nodes.size());
  for (size_t done = 0; done < nodes.size(); done += most) {
    if (options.progress) options.progress("layerwise analysis", done, nodes.size());
    const size_t count = std::min(most, nodes.size() - done);
    std::vector<std::function<OutputErrors()>> measures;
    for (size_t i = 0; i < count; ++i) measures.push_back(layerwise.error(*nodes[done + i]));
    for_each_at_once(options.device, count, [&](size_t i) {
      if (measures[i]) errors[done + i] = measures[i]();
    });
  }
  return errors;
}

void analyze_layerwise(const Graph& quantized, const Graph& reference, const DatasetPtr& samples, const AnalysisOptions& options,
                       ErrorAnalysis& result) {
  std::unordered_map<std::string, std::vector<TensorError*>> by_op;
  for (TensorError& error : result.tensors) by_op[error.op].push_back(&error);
  std::vector<const Node*> todo;
  for (const Node* node : quantized.nodes())
    if (node->quantized && by_op.count(node->name)) todo.push_back(node);
  const auto errors = errors_alone(todo, reference, samples, options);
  for (size_t i = 0; i < todo.size(); ++i)
    if (errors[i])
      for (TensorError* tensor : by_op.at(todo[i]->name)) tensor->layerwise_snr = errors[i]->pooled();
}

}  // namespace ppq
