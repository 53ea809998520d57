#include "passes/equalize/path_trial.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <unordered_set>

#include "calibration/keep.h"
#include "calibration/sweep.h"
#include "graph/extract.h"
#include "graph/patterns.h"
#include "graph/readers.h"
#include "ops/op_facts.h"
#include "passes/trial.h"
#include "ppq/error.h"

namespace ppq::passes {
namespace {

constexpr size_t kGroupBytes = size_t{256} << 20;

/// Error sums of one output, channel by channel (dimension 1; the last one of a matrix), in float64.
struct ChannelErrors {
  at::Tensor sum, squares;  ///< [C]
  double signal = 0, count = 0;

  void add(const at::Tensor& got, const at::Tensor& expected) {
    const int64_t axis = expected.dim() > 1 ? 1 : 0, channels = expected.size(axis);
    const at::Tensor difference = (got - expected).transpose(0, axis).reshape({channels, -1});
    const at::Tensor s = difference.sum(1, /*keepdim=*/false, at::kDouble);
    const at::Tensor q = at::linalg_vector_norm(difference, 2, {1}, /*keepdim=*/false).to(at::kDouble).square();
    sum = sum.defined() ? sum + s : s;
    squares = squares.defined() ? squares + q : q;
    signal += at::linalg_vector_norm(expected).to(at::kDouble).square().item<double>();
    count += static_cast<double>(difference.size(1));
  }
  double snr(bool without_mean) const {
    if (!sum.defined() || count == 0) return 0;
    const at::Tensor noise = without_mean ? squares - sum.square() / count : squares;
    return noise.sum().item<double>() / std::max(signal, 1e-30);
  }
};

void drop_quantization(Graph& graph, const TensorQuantPtr& quant) {
  for (Node* node : graph.nodes())
    for (auto* slots : {&node->input_quant, &node->output_quant}) std::replace(slots->begin(), slots->end(), quant, TensorQuantPtr());
}

/// Of a value by its declared shape, which holds one sample; the whole budget where that is unknown.
size_t bytes_of(const Value* value, size_t samples) {
  if (!value->shape) return kGroupBytes;
  size_t elements = samples;
  for (size_t i = 1; i < value->shape->size(); ++i) {
    if (!(*value->shape)[i].known()) return kGroupBytes;
    elements *= static_cast<size_t>((*value->shape)[i].value);
  }
  return 4 * elements;
}

/// One sweep of the float network fills in what flows into and out of each path.
void keep_samples(const Graph& graph, std::vector<std::unique_ptr<PathTrial>>& group, const DatasetPtr& samples,
                  const PassContext& context) {
  RunContext in_order = context;
  in_order.progress = nullptr;
  Sweep sweep(graph, {}, in_order, "paths");
  sweep.keep_order();
  std::unordered_map<const Value*, size_t> wish_of;
  for (const auto& trial : group)
    for (const auto* values : {&trial->sources(), &trial->results()})
      for (const Value* value : *values)
        if (!wish_of.count(value)) wish_of[value] = sweep.want<KeepStatistic>(value, Part::all());
  sweep.run(samples);
  auto batch = [&](const std::vector<const Value*>& values, size_t index) {
    Tensors tensors;
    for (const Value* value : values) tensors.push_back(sweep.found<KeepStatistic>(wish_of.at(value)).batches().at(index));
    return tensors;
  };
  for (const auto& trial : group)
    for (size_t i = 0; i < sweep.found<KeepStatistic>(wish_of.at(trial->results().at(0))).batches().size(); ++i) {
      trial->inputs.push_back(batch(trial->sources(), i));
      trial->outputs.push_back(batch(trial->results(), i));
    }
}

}  // namespace

PathTrial::PathTrial(const Graph& graph, const EqualizationPair& pair, const PassContext& context) : context_(context) {
  std::unordered_set<const Node*> inside(pair.upstream.begin(), pair.upstream.end());
  inside.insert(pair.relays.begin(), pair.relays.end());
  inside.insert(pair.downstream.begin(), pair.downstream.end());
  const Pinned pinned(graph);
  for (const Node* node : pair.downstream) {
    const Value* result = node->output();
    if (const Node* reader = only_reader(result, pinned); reader && is_activation(*reader) && reader->input(0) == result) {
      inside.insert(reader);
      result = reader->output();
    }
    results_.push_back(result);
  }
  std::vector<const Node*> nodes;
  for (const Node* node : graph.nodes())
    if (inside.count(node)) nodes.push_back(node);
  graph_ = extract(graph, nodes, results_);
  for (const Value* input : graph_->inputs()) sources_.push_back(graph.find_value(input->name()));
}

double PathTrial::error(const Graph& path) const {
  QuantizationSetting setting = *context_.setting;
  const bool without_mean = setting.bias_correct;
  setting.bias_correct = false;
  setting.extra.passes.clear();
  without_moving_scale(setting);
  setting.extra.weight_search = "minmax";
  setting.extra.compensate_rounding = false;
  setting.dispatching_table.clear();
  // What the user said of other parts of the network names nothing here.
  std::erase_if(setting.extra.keep_float,
                [&](const std::string& pattern) { return !names_a_node(path, pattern, "setting ppq_torch.keep_float"); });
  std::erase_if(setting.extra.bits, [&](const auto& entry) {
    std::string_view pattern = entry.first;
    for (const std::string_view prefix : {"activation:", "weight:"})
      if (pattern.starts_with(prefix)) pattern.remove_prefix(prefix.size());
    return !names_a_node(path, std::string(pattern), "setting ppq_torch.bits");
  });
  setting.quantize_activation_setting.calib_algorithm = "minmax";
  PassContext trial = quiet_context(context_, Part::all());
  trial.setting = &setting;
  trial.calibration = make_dataset(inputs);
  trial.batch_size = 1;
  trial.work = nullptr;  // a part of the network
  const auto copy = path.clone();
  run_passes(*copy, quantization_pipeline(*context_.platform, setting), trial);
  for (const Value* output : copy->outputs()) drop_quantization(*copy, output->producer()->quant_of_output(output->producer_index()));
  LowerOptions options;
  options.device = context_.device;
  options.mode = ExecutionMode::Simulated;
  const auto program = lower(*copy, options);
  std::vector<ChannelErrors> errors(results_.size());
  for (size_t batch = 0; batch < inputs.size(); ++batch) {
    const Tensors got = ppq::run(*program, inputs[batch]);
    for (size_t i = 0; i < got.size(); ++i) errors[i].add(got[i], outputs[batch][i]);
  }
  return std::accumulate(errors.begin(), errors.end(), 0.0, [&](double sum, const ChannelErrors& e) { return sum + e.snr(without_mean); });
}

void visit_paths(const Graph& graph, const std::vector<EqualizationPair>& pairs, size_t samples, const PassContext& context,
                 const std::function<void(size_t, const PathTrial&)>& visit) {
  const DatasetPtr few = part_of(context.calibration, Part::all().spread(samples));
  for (size_t first = 0; first < pairs.size();) {
    std::vector<std::unique_ptr<PathTrial>> group;
    size_t bytes = 0;
    while (first + group.size() < pairs.size()) {
      auto trial = std::make_unique<PathTrial>(graph, pairs[first + group.size()], context);
      for (const auto* values : {&trial->sources(), &trial->results()})
        for (const Value* value : *values) bytes += bytes_of(value, few->size());
      if (!group.empty() && bytes > kGroupBytes) break;
      group.push_back(std::move(trial));
    }
    keep_samples(graph, group, few, context);
    for (size_t i = 0; i < group.size(); ++i) {
      visit(first + i, *group[i]);
      group[i].reset();
    }
    first += group.size();
  }
}

EqualizationPair pair_in(const Graph& graph, const EqualizationPair& pair) {
  EqualizationPair twin;
  twin.channels = pair.channels;
  auto find = [&](const std::vector<Node*>& nodes) {
    std::vector<Node*> found;
    for (const Node* node : nodes) {
      found.push_back(graph.find_node(node->name));
      if (!found.back()) throw Error(ErrorKind::Internal, "equalization", "no node '" + node->name + "' in the copy of the network");
    }
    return found;
  };
  twin.upstream = find(pair.upstream), twin.downstream = find(pair.downstream), twin.relays = find(pair.relays);
  return twin;
}

}  // namespace ppq::passes
