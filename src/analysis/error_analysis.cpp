#include "analysis/error_analysis.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "calibration/finite.h"
#include "calibration/visit.h"
#include "executor/fused.h"
#include "executor/program.h"
#include "kernels/count_outside.h"
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
  const std::string& observed = pair.quant->observed;
  error.fixed = pair.quant->fixed || is_saturated(*pair.quant) || (!observed.empty() && observed != error.name);
  error.scale = to_doubles(pair.quant->params.scale);
  error.offset = to_doubles(pair.quant->params.offset);
  auto [lo, hi] = range_of(pair.quant->params, pair.quant->scheme);
  error.minimum = to_doubles(lo), error.maximum = to_doubles(hi);
  return error;
}

/// Half a step outside is still rounded onto the range, not clipped. Not counted where each channel has a range.
at::Tensor count_clipped(const at::Tensor& value, const TensorError& error) {
  if (error.minimum.size() != 1) return at::zeros({}, value.options().dtype(at::kDouble));
  const double half = error.scale[0] / 2;
  return kernels::count_outside(value, error.minimum[0] - half, error.maximum[0] + half);
}

/// What saturates is right at the end of the range.
at::Tensor clipped_to(const at::Tensor& value, const TensorError& error) {
  return error.minimum.size() == 1 ? value.clamp(error.minimum[0], error.maximum[0]) : value;
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
      : pairs_(options.outputs_only ? std::vector<Pair>() : quantized_activations(quantized, reference)), survey_(options.survey) {
    LowerOptions simulated;
    simulated.mode = ExecutionMode::Simulated;
    simulated.watch_quantized = true;
    simulated.device = options.device;
    for (const Pair& pair : pairs_) {
      simulated.watch.push_back(pair.quantized);
      result_.tensors.push_back(describe(pair));
      axes_.push_back(channel_axis(*pair.quantized));
    }
    program_ = lower(quantized, simulated);
    for (const Value* value : original.outputs()) {
      result_.outputs.emplace_back(value->name(), Measure{});
      std::vector<OutputPart> parts = parts_of_output(*value);
      if (parts.size() > 1) result_.parts[value->name()] = std::move(parts);
    }
    clipped_.resize(pairs_.size());
    counted_.resize(pairs_.size());
  }

  /// Values of the reference that are compared.
  std::vector<const Value*> references() const {
    std::vector<const Value*> values;
    for (const Pair& pair : pairs_) values.push_back(pair.reference);
    return values;
  }

  /// One batch, in step with the reference.
  class Run {
   public:
    Run(const State& state, const Tensors& batch, size_t samples)
        : state_(&state), samples_(samples), run_(*state.program_, batch), found_(state.pairs_.size()) {
      step();
    }

    /// The tensor of the reference that it needs to go on; null at its end.
    const Value* waits_for() const { return next_ ? state_->pairs_[next_->index].reference : nullptr; }
    /// Compares with it and runs on. Undefined: the reference has none.
    void take(at::Tensor reference) {
      const Pair& pair = state_->pairs_[next_->index];
      const at::Tensor& value = next_->value;
      if (reference.defined() && value.is_floating_point() && reference.sizes() == value.sizes()) {
        if (is_saturated(*pair.quant)) reference = clipped_to(reference, state_->result_.tensors[next_->index]);
        const at::Tensor q = pair.quantized->producer() ? value : fake_quantize(value, *pair.quant);
        const at::Tensor clipped = count_clipped(reference, state_->result_.tensors[next_->index]);
        found_[next_->index] = {at::cat({Measure::sums_of(q, reference), clipped.reshape({1})}), reference.numel(), {}};
        if (state_->survey_) found_[next_->index].survey = BatchSurvey(reference, q, state_->axes_[next_->index], samples_);
      }
      step();
    }
    Tensors outputs() { return run_.outputs(); }

   private:
    friend class State;
    /// Σ of the measure and the clipped values, on the device, and how many elements.
    struct Found {
      at::Tensor sums;
      int64_t elements = 0;
      BatchSurvey survey;
    };
    void step() {
      next_.reset();  // what is held is not written over
      next_ = run_.next();
    }

    const State* state_;
    size_t samples_;
    SteppedRun run_;
    std::optional<SteppedRun::Watched> next_;
    std::vector<Found> found_;
  };

  /// What a batch adds, in the order of the samples.
  void add(Run run, const Tensors& expected, size_t count) {
    std::vector<at::Tensor> sums;
    for (const Run::Found& one : run.found_)
      if (one.sums.defined()) sums.push_back(one.sums);
    const at::Tensor all = sums.empty() ? at::Tensor() : at::stack(sums).cpu();  // one wait a batch
    const double* next = sums.empty() ? nullptr : all.const_data_ptr<double>();
    for (size_t i = 0; i < pairs_.size(); ++i) {
      if (!run.found_[i].sums.defined()) continue;
      result_.tensors[i].graphwise.add_sums(next, run.found_[i].elements);
      clipped_[i] += next[4], counted_[i] += static_cast<double>(run.found_[i].elements);
      next += 5;
      run.found_[i].survey.add_to(result_.tensors[i].survey);
    }
    const Tensors simulated = run.outputs();
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
  void compare_parts(const std::string& name, const at::Tensor& got, const at::Tensor& expected) {
    const auto parts = result_.parts.find(name);
    if (parts == result_.parts.end()) return;
    for (OutputPart& part : parts->second) {
      at::Tensor mine = got, other = expected;
      for (const PartPlace& place : part.places) {
        if (place.axis >= mine.dim() || place.begin + place.length > mine.size(place.axis)) return;
        mine = mine.narrow(place.axis, place.begin, place.length), other = other.narrow(place.axis, place.begin, place.length);
      }
      part.measure.add(mine.contiguous(), other.contiguous());
    }
  }

  void compare_output(size_t index, const at::Tensor& got, const at::Tensor& expected) {
    auto& [name, measure] = result_.outputs[index];
    if (got.sizes() != expected.sizes()) {
      result_.unlike.insert(name);
      return;
    }
    if (!got.is_floating_point()) return;
    measure.add(got, expected);
    compare_parts(name, got, expected);
    // One row of scores a sample: [N, C] or [N, C, 1, 1].
    if (got.dim() < 2 || got.size(0) == 0 || got.size(1) < kFewestClasses || got.numel() != got.size(0) * got.size(1)) return;
    auto& [same, all] = scores_[name];
    const auto best = [](const at::Tensor& x) { return (at::isFloat8Type(x.scalar_type()) ? x.to(at::kFloat) : x).flatten(1).argmax(1); };
    same += best(got).eq(best(expected)).sum().item<int64_t>();
    all += got.size(0);
  }

  std::vector<Pair> pairs_;
  std::vector<int64_t> axes_;  ///< of their channels
  bool survey_;
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
  OutputErrors moved;
  // How many states wait for a tensor of the reference.
  std::unordered_map<const Value*, size_t> readers;
  for (const State& state : states)
    for (const Value* value : state.references()) ++readers[value];
  RunContext context = options;
  if (context.device.is_cpu()) {
    if (context.sample_bytes == 0 && samples->size() > 1) context.sample_bytes = live_bytes(*plain_program, samples->sample(0));
    context.sample_bytes *= 1 + states.size();
  }
  visit_samples_at_once(samples, context, "graphwise analysis", [&](const Tensors& batch, size_t, size_t count) -> std::function<void()> {
    std::vector<State::Run> runs;
    for (const State& state : states) runs.emplace_back(state, batch, count);
    std::unordered_map<const Value*, std::pair<at::Tensor, size_t>> floats;  // and how many will read it
    // As far as what there is of the reference allows.
    auto go_on = [&](bool all) {
      for (State::Run& run : runs)
        while (const Value* value = run.waits_for()) {
          const auto found = floats.find(value);
          if (found == floats.end() && !all) break;
          run.take(found == floats.end() ? at::Tensor() : found->second.first);
          if (found != floats.end() && --found->second.second == 0) floats.erase(found);
        }
    };
    SteppedRun plain_run(*plain_program, batch);
    while (auto watched = plain_run.next()) {
      const Value* value = plain.watch[watched->index];
      if (!watched->value.defined()) continue;
      floats[value] = {std::move(watched->value), readers.at(value)};
      go_on(false);
    }
    go_on(true);
    Tensors rewritten = plain_run.outputs(), expected = original_program ? run(*original_program, batch) : rewritten;
    for (State::Run& run : runs) run.outputs();
    return [&, count, runs = std::move(runs), rewritten = std::move(rewritten), expected = std::move(expected)]() mutable {
      if (original_program) moved.add(rewritten, expected);
      for (size_t k = 0; k < states.size(); ++k) states[k].add(std::move(runs[k]), expected, count);
      if (!options.work) return;
      options.work->float_forwards += original_program ? 2 * count : count;
      options.work->simulated_forwards += states.size() * count;
    };
  });
  std::vector<ErrorAnalysis> results;
  for (State& state : states) {
    results.push_back(state.finish());
    if (original_program) results.back().moved = moved.pooled();
  }
  return results;
}

ErrorAnalysis analyze_errors(const Graph& quantized, const Graph& reference, const Graph& original, const DatasetPtr& samples,
                             const AnalysisOptions& options) {
  ErrorAnalysis result = std::move(analyze_states({&quantized}, reference, original, samples, options)[0]);
  if (options.layerwise_samples > 0) analyze_layerwise(quantized, reference, samples, options, result);
  return result;
}

std::vector<const TensorError*> worst_tensors(const ErrorAnalysis& analysis, size_t count, bool apart) {
  std::vector<const TensorError*> worst;
  for (const TensorError& error : analysis.tensors)
    if (error.graphwise.count > 0) worst.push_back(&error);
  const auto noise = [](auto* error) { return std::isnan(error->graphwise.nsr()) ? HUGE_VAL : error->graphwise.nsr(); };
  std::stable_sort(worst.begin(), worst.end(), [&](auto* a, auto* b) { return noise(a) > noise(b); });
  const auto same = [](double a, double b) { return std::abs(a - b) <= 1e-9 * std::abs(b); };
  const auto copies = [&](auto* a, auto* b) {
    return same(a->graphwise.noise, b->graphwise.noise) && same(a->graphwise.signal, b->graphwise.signal);
  };
  if (apart) worst.erase(std::unique(worst.begin(), worst.end(), copies), worst.end());
  worst.resize(std::min(count, worst.size()));
  return worst;
}

double output_snr(const ErrorAnalysis& analysis) {
  Measure all;
  for (const auto& [name, measure] : analysis.outputs) all.add(measure);
  return all.nsr();
}

}  // namespace ppq
