#include "analysis/error_analysis.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "calibration/visit.h"
#include "executor/fused.h"
#include "ppq/executor.h"
#include "ppq/quant.h"

namespace ppq {
namespace {

std::vector<double> to_doubles(const at::Tensor& tensor) {
  if (!tensor.defined()) return {};
  const at::Tensor flat = tensor.to(at::kCPU, at::kDouble).reshape({-1}).contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

/// A quantized activation and its counterpart in the reference graph.
struct Pair {
  const Value* quantized;
  const Value* reference;
  TensorQuantPtr quant;
};

std::vector<Pair> quantized_activations(const Graph& quantized, const Graph& reference) {
  std::vector<Pair> pairs;
  std::set<const Value*> seen;
  const Pinned pinned(quantized);
  auto add = [&](const Value* value, const TensorQuantPtr& quant) {
    if (!value || value->is_constant() || !quant || !quant->params.defined() || !quant->exported || is_fused_interior(*value, pinned))
      return;
    const Value* counterpart = reference.find_value(value->name());
    if (counterpart && (counterpart->producer() || counterpart->is_graph_input()) && seen.insert(value).second)
      pairs.push_back({value, counterpart, quant});
  };
  for (const Node* node : quantized.nodes()) {
    for (size_t i = 0; i < node->inputs().size(); ++i)
      if (const Value* v = node->input(i); v && !(v->producer() && v->producer()->quant_of_output(v->producer_index())))
        add(v, node->quant_of_input(i));
    for (size_t i = 0; i < node->outputs().size(); ++i) add(node->output(i), node->quant_of_output(i));
  }
  return pairs;
}

TensorError describe(const Pair& pair) {
  TensorError error;
  error.name = pair.quantized->name();
  const Node* node = pair.quantized->producer();
  if (!node && !pair.quantized->uses().empty()) node = pair.quantized->uses()[0].node;
  if (node) error.op = node->name, error.type = node->op_type;
  error.bits = pair.quant->scheme.bits;
  error.scale = to_doubles(pair.quant->params.scale);
  error.offset = to_doubles(pair.quant->params.offset);
  auto [lo, hi] = range_of(pair.quant->params, pair.quant->scheme);
  error.minimum = to_doubles(lo), error.maximum = to_doubles(hi);
  return error;
}

double count_clipped(const at::Tensor& value, const TensorError& error) {
  if (error.minimum.size() != 1) return 0;
  // Half a step outside is still rounded onto the range, not clipped.
  const double half = error.scale[0] / 2;
  return at::logical_or(value.lt(error.minimum[0] - half), value.gt(error.maximum[0] + half)).sum().item<double>();
}

/// The same nodes and the very same constants: nothing was rewritten between the two.
bool is_same_network(const Graph& a, const Graph& b) {
  const auto left = a.nodes(), right = b.nodes();
  if (left.size() != right.size() || a.outputs().size() != b.outputs().size()) return false;
  for (size_t n = 0; n < left.size(); ++n) {
    if (left[n]->name != right[n]->name || left[n]->op_type != right[n]->op_type || left[n]->inputs().size() != right[n]->inputs().size())
      return false;
    for (size_t i = 0; i < left[n]->inputs().size(); ++i) {
      const Value *x = left[n]->input(i), *y = right[n]->input(i);
      if ((x == nullptr) != (y == nullptr) || (x && (x->name() != y->name() || !x->constant().is_same(y->constant())))) return false;
    }
  }
  return true;
}

/// One quantized state of the network, against the reference's tensors.
class State {
 public:
  State(const Graph& quantized, const Graph& reference, const Graph& original, const AnalysisOptions& options)
      : pairs_(quantized_activations(quantized, reference)) {
    LowerOptions simulated;
    simulated.mode = ExecutionMode::Simulated;
    simulated.watch_quantized = true;
    simulated.device = options.device;
    for (const Pair& pair : pairs_) {
      simulated.watch.push_back(pair.quantized);
      result_.tensors.push_back(describe(pair));
    }
    program_ = lower(quantized, simulated);
    for (const Value* value : original.outputs()) result_.outputs.emplace_back(value->name(), Measure{});
    clipped_.resize(pairs_.size());
    counted_.resize(pairs_.size());
  }

  /// Values of the reference that are compared.
  std::vector<const Value*> references() const {
    std::vector<const Value*> values;
    for (const Pair& pair : pairs_) values.push_back(pair.reference);
    return values;
  }

  /// What a batch adds. Nothing is kept of one that memory does not suffice for.
  void add(const Tensors& batch, const std::unordered_map<const Value*, at::Tensor>& floats, const Tensors& expected, size_t count) {
    std::vector<Measure> measures(pairs_.size());
    std::vector<double> clipped(pairs_.size()), counted(pairs_.size());
    const Tensors simulated = run(*program_, batch, [&](size_t i, const at::Tensor& value) {
      const auto found = floats.find(pairs_[i].reference);
      if (found == floats.end() || !value.is_floating_point() || found->second.sizes() != value.sizes()) return;
      const at::Tensor q = pairs_[i].quantized->producer() ? value : fake_quantize(value, *pairs_[i].quant);
      measures[i].add(q, found->second);
      clipped[i] = count_clipped(found->second, result_.tensors[i]);
      counted[i] = static_cast<double>(found->second.numel());
    });
    for (size_t i = 0; i < pairs_.size(); ++i) {
      result_.tensors[i].graphwise.add(measures[i]);
      clipped_[i] += clipped[i], counted_[i] += counted[i];
    }
    for (size_t i = 0; i < expected.size() && i < simulated.size(); ++i) compare_output(i, simulated[i], expected[i]);
    result_.samples += count;
  }

  ErrorAnalysis finish() {
    for (const auto& [name, seen] : scores_)
      if (seen.second > 0) result_.agreement[name] = static_cast<double>(seen.first) / static_cast<double>(seen.second);
    for (size_t i = 0; i < pairs_.size(); ++i) result_.tensors[i].clipped = counted_[i] > 0 ? clipped_[i] / counted_[i] : 0;
    return std::move(result_);
  }

 private:
  void compare_output(size_t index, const at::Tensor& got, const at::Tensor& expected) {
    auto& [name, measure] = result_.outputs[index];
    if (got.sizes() != expected.sizes()) {
      result_.unlike.insert(name);
      return;
    }
    if (!got.is_floating_point()) return;
    measure.add(got, expected);
    // One row of scores a sample: [N, C] or [N, C, 1, 1].
    if (got.dim() < 2 || got.size(0) == 0 || got.size(1) < kFewestClasses || got.numel() != got.size(0) * got.size(1)) return;
    auto& [same, all] = scores_[name];
    same += got.flatten(1).argmax(1).eq(expected.flatten(1).argmax(1)).sum().item<int64_t>();
    all += got.size(0);
  }

  std::vector<Pair> pairs_;
  std::shared_ptr<const Program> program_;
  std::map<std::string, std::pair<int64_t, int64_t>> scores_;
  ErrorAnalysis result_;
  std::vector<double> clipped_, counted_;
};

}  // namespace

std::vector<ErrorAnalysis> analyze_states(const std::vector<const Graph*>& graphs, const Graph& reference, const Graph& original,
                                          const DatasetPtr& samples, const AnalysisOptions& options) {
  std::vector<State> states;
  LowerOptions plain, outputs;
  plain.device = outputs.device = options.device;
  std::set<const Value*> watched;
  for (const Graph* graph : graphs) {
    states.emplace_back(*graph, reference, original, options);
    for (const Value* value : states.back().references())
      if (watched.insert(value).second) plain.watch.push_back(value);
  }
  const auto plain_program = lower(reference, plain);
  // Its outputs are the reference's own where nothing was rewritten.
  const auto original_program = is_same_network(reference, original) ? nullptr : lower(original, outputs);
  RunContext context;
  context.device = options.device, context.batch_size = options.batch_size, context.progress = options.progress;
  visit_samples(samples, context, "graphwise analysis", [&](const Tensors& batch, size_t, size_t count) {
    std::unordered_map<const Value*, at::Tensor> floats;
    const Tensors exact = run(*plain_program, batch, [&](size_t i, const at::Tensor& value) {
      if (value.defined()) floats[plain.watch[i]] = value;
    });
    const Tensors expected = original_program ? run(*original_program, batch) : exact;
    for (State& state : states) state.add(batch, floats, expected, count);
    if (!options.work) return;
    options.work->float_forwards += original_program ? 2 * count : count;
    options.work->simulated_forwards += states.size() * count;
  });
  std::vector<ErrorAnalysis> results;
  for (State& state : states) results.push_back(state.finish());
  return results;
}

ErrorAnalysis analyze_errors(const Graph& quantized, const Graph& reference, const Graph& original, const DatasetPtr& samples,
                             const AnalysisOptions& options) {
  ErrorAnalysis result = std::move(analyze_states({&quantized}, reference, original, samples, options)[0]);
  if (options.layerwise_samples > 0) analyze_layerwise(quantized, reference, samples, options, result);
  return result;
}

double output_snr(const ErrorAnalysis& analysis) {
  Measure all;
  for (const auto& [name, measure] : analysis.outputs) all.add(measure);
  return all.nsr();
}

}  // namespace ppq
