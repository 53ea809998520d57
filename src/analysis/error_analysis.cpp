#include "analysis/error_analysis.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>

#include "data/upload_ahead.h"
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

class GraphwiseAnalysis {
 public:
  GraphwiseAnalysis(const Graph& quantized, const Graph& reference, const Graph& original, const AnalysisOptions& options)
      : pairs_(quantized_activations(quantized, reference)) {
    LowerOptions simulated, plain, outputs;
    simulated.mode = ExecutionMode::Simulated;
    simulated.watch_quantized = true;
    for (const Pair& pair : pairs_) {
      simulated.watch.push_back(pair.quantized);
      plain.watch.push_back(pair.reference);
      result_.tensors.push_back(describe(pair));
    }
    simulated.device = plain.device = outputs.device = options.device;
    simulated_ = lower(quantized, simulated);
    plain_ = lower(reference, plain);
    // Its outputs are the reference's own then.
    if (!is_same_network(reference, original)) original_ = lower(original, outputs);
    for (const Value* value : original.outputs()) result_.outputs.emplace_back(value->name(), Measure{});
    clipped_.resize(pairs_.size());
    counted_.resize(pairs_.size());
  }

  void add(const Tensors& batch, size_t count) {
    std::vector<at::Tensor> floats(pairs_.size());
    const Tensors reference = run(*plain_, batch, [&](size_t i, const at::Tensor& value) { floats[i] = value; });
    const Tensors simulated = run(*simulated_, batch, [&](size_t i, const at::Tensor& value) {
      if (!floats[i].defined() || !value.is_floating_point() || floats[i].sizes() != value.sizes()) return;
      TensorError& error = result_.tensors[i];
      const at::Tensor q = error.name.empty() || pairs_[i].quantized->producer() ? value : fake_quantize(value, *pairs_[i].quant);
      error.graphwise.add(q, floats[i]);
      clipped_[i] += count_clipped(floats[i], error);
      counted_[i] += static_cast<double>(floats[i].numel());
      floats[i].reset();
    });
    const Tensors expected = original_ ? run(*original_, batch) : reference;
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
  std::map<std::string, std::pair<int64_t, int64_t>> scores_;
  std::shared_ptr<const Program> simulated_, plain_, original_;
  ErrorAnalysis result_;
  std::vector<double> clipped_, counted_;
};

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

void analyze_layerwise(const Graph& quantized, const Graph& reference, const DatasetPtr& samples, const AnalysisOptions& options,
                       ErrorAnalysis& result) {
  auto scratch = reference.clone();
  for (Node* node : scratch->nodes()) node->input_quant.clear(), node->output_quant.clear();
  LowerOptions lowering;
  lowering.device = options.device;
  auto plain = lower(*scratch, lowering);
  std::vector<Tensors> inputs, expected;
  for (size_t i = 0; i < std::min(options.layerwise_samples, samples->size()); ++i) {
    inputs.push_back(samples->sample(i));
    expected.push_back(run(*plain, inputs.back()));
  }
  std::unordered_map<std::string, std::vector<TensorError*>> by_op;
  for (TensorError& error : result.tensors) by_op[error.op].push_back(&error);
  std::vector<const Node*> todo;
  for (const Node* node : quantized.nodes())
    if (node->quantized && by_op.count(node->name)) todo.push_back(node);
  lowering.mode = ExecutionMode::Simulated;
  for (size_t done = 0; done < todo.size(); ++done) {
    if (options.progress) options.progress("layerwise analysis", done, todo.size());
    Node* target = scratch->find_node(todo[done]->name);
    if (!target) continue;
    quantize_only(*target, *todo[done]);
    auto alone = lower(*scratch, lowering);
    Measure measure;
    for (size_t s = 0; s < inputs.size(); ++s) {
      const Tensors got = run(*alone, inputs[s]);
      for (size_t i = 0; i < got.size(); ++i)
        if (got[i].is_floating_point() && got[i].sizes() == expected[s][i].sizes()) measure.add(got[i], expected[s][i]);
    }
    for (TensorError* error : by_op.at(todo[done]->name)) error->layerwise_snr = measure.snr();
    target->input_quant.clear();
    target->output_quant.clear();
  }
}

}  // namespace

ErrorAnalysis analyze_errors(const Graph& quantized, const Graph& reference, const Graph& original, const DatasetPtr& samples,
                             const AnalysisOptions& options) {
  GraphwiseAnalysis analysis(quantized, reference, original, options);
  BatchLoader loader(samples, options.batch_size, loading_threads(options.device));
  UploadedBatches batches(loader, options.device);
  while (auto batch = batches.next()) {
    analysis.add(batch->tensors, batch->count);
    if (options.progress) options.progress("graphwise analysis", batch->first + batch->count, samples->size());
  }
  ErrorAnalysis result = analysis.finish();
  if (options.layerwise_samples > 0) analyze_layerwise(quantized, reference, samples, options, result);
  return result;
}

double output_snr(const ErrorAnalysis& analysis) {
  Measure all;
  for (const auto& [name, measure] : analysis.outputs) all.add(measure);
  return all.snr();
}

}  // namespace ppq
