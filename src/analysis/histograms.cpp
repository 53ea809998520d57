#include "analysis/histograms.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "calibration/samples.h"
#include "calibration/visit.h"
#include "executor/program.h"
#include "kernels/kernels.h"
#include "ppq/executor.h"
#include "ppq/quant.h"

namespace ppq {
namespace {

constexpr int64_t kGatheredBins = 1024, kMostBins = 160;

/// A tensor in both networks, and what its values are counted in.
struct Wanted {
  const Value *quantized, *reference;
  TensorQuantPtr quant;
  /// Bins are counted in steps of the quantization, from half a step below zero on; else in the tensor's own unit.
  bool in_steps() const { return quant->params.scale.numel() == 1 && quant->scheme.format == NumberFormat::Linear; }
  double unit() const { return in_steps() ? quant->params.scale.item<double>() : 1; }
  double shift() const { return in_steps() ? 0.5 : 0; }
};

TensorQuantPtr quant_of(const Value& value) {
  if (value.producer())
    if (auto quant = value.producer()->quant_of_output(value.producer_index())) return quant;
  for (const Use& use : value.uses())
    if (auto quant = use.node->quant_of_input(use.index)) return quant;
  return nullptr;
}

std::vector<Wanted> find(const Graph& quantized, const Graph& reference, const std::vector<std::string>& tensors) {
  std::vector<Wanted> found;
  for (const std::string& name : tensors) {
    const Value *mine = quantized.find_value(name), *other = reference.find_value(name);
    if (!mine || !other) continue;
    if (auto quant = quant_of(*mine); quant && quant->params.defined()) found.push_back({mine, other, std::move(quant)});
  }
  return found;
}

/// One of the two networks, run as far as the last tensor that is wanted.
class Network {
 public:
  Network(const Graph& graph, LowerOptions lowering, const std::vector<Wanted>& wanted) : wanted_(wanted), device_(lowering.device) {
    simulated_ = lowering.mode == ExecutionMode::Simulated;
    for (const Wanted& one : wanted) lowering.watch.push_back(simulated_ ? one.quantized : one.reference);
    program_ = lower(graph, lowering);
    for (size_t i = 0; i < wanted.size(); ++i) histograms_.push_back(empty());
  }

  std::vector<kernels::Histogram> count(const Tensors& batch) const {
    std::vector<kernels::Histogram> counts;
    for (size_t i = 0; i < wanted_.size(); ++i) counts.push_back(empty());
    SteppedRun run(*program_, batch);
    for (size_t seen = 0; seen < wanted_.size(); ++seen) {
      const auto watched = run.next();
      if (!watched) break;
      if (watched->value.defined() && watched->value.is_floating_point())
        count(watched->value, wanted_[watched->index], counts[watched->index]);
    }
    return counts;
  }
  void add(const std::vector<kernels::Histogram>& counts) {
    for (size_t i = 0; i < counts.size(); ++i) kernels::merge(histograms_[i], counts[i]);
  }
  const kernels::Histogram& histogram(size_t i) const { return histograms_[i]; }

 private:
  kernels::Histogram empty() const { return kernels::make_histogram(1, kGatheredBins, device_); }
  void count(at::Tensor value, const Wanted& wanted, kernels::Histogram& histogram) const {
    value = value.to(at::kFloat);
    if (simulated_ && !wanted.quantized->producer()) value = fake_quantize(value, *wanted.quant);
    kernels::observe(wanted.in_steps() ? value.div(wanted.unit()).add_(wanted.shift()) : value, -1, histogram);
  }

  const std::vector<Wanted>& wanted_;
  at::Device device_;
  bool simulated_;
  std::shared_ptr<const Program> program_;
  std::vector<kernels::Histogram> histograms_;
};

/// Counts on the grid of bins [i × 2^exponent, (i+1) × 2^exponent), from the first to the last that holds anything.
struct Counts {
  int exponent = kernels::kEmptyExponent;
  int64_t first = 0;
  std::vector<int64_t> bins;
  bool empty() const { return bins.empty(); }
  int64_t last() const { return first + static_cast<int64_t>(bins.size()) - 1; }

  void coarsen(int to) {
    const int by = std::min(to - exponent, 63);  // further, what is left is the sign
    if (empty() || by <= 0) return;
    const int64_t start = first >> by;
    std::vector<int64_t> merged(static_cast<size_t>((last() >> by) - start) + 1);
    for (size_t i = 0; i < bins.size(); ++i) merged[static_cast<size_t>(((first + static_cast<int64_t>(i)) >> by) - start)] += bins[i];
    *this = {to, start, std::move(merged)};
  }
  std::vector<int64_t> over(int64_t from, int64_t to) const {
    std::vector<int64_t> all(static_cast<size_t>(to - from) + 1);
    std::copy(bins.begin(), bins.end(), all.begin() + (empty() ? 0 : first - from));
    return all;
  }
};

Counts counts_of(const kernels::Histogram& histogram) {
  const at::Tensor counts = histogram.counts.cpu();
  const int64_t *begin = counts.const_data_ptr<int64_t>(), *end = begin + counts.numel();
  const auto holds = [](int64_t count) { return count > 0; };
  const int64_t* first = std::find_if(begin, end, holds);
  if (first == end) return {};
  while (!holds(end[-1])) --end;
  return {histogram.exponent.item<int>(), histogram.first.item<int64_t>() + (first - begin), {first, end}};
}

TensorHistogram joined(const Wanted& wanted, Counts floats, Counts quantized) {
  int exponent = std::max(floats.exponent, quantized.exponent);
  if (wanted.in_steps()) exponent = std::max(exponent, 0);
  int64_t first = 0, last = 0;
  for (;; ++exponent) {
    floats.coarsen(exponent), quantized.coarsen(exponent);
    const Counts &a = floats.empty() ? quantized : floats, &b = quantized.empty() ? floats : quantized;
    first = std::min(a.first, b.first), last = std::max(a.last(), b.last());
    if (last - first < kMostBins) break;
  }
  const auto edge = [&](int64_t bin) { return (std::ldexp(static_cast<double>(bin), exponent) - wanted.shift()) * wanted.unit(); };
  return {wanted.quantized->name(), edge(first), edge(last + 1), floats.over(first, last), quantized.over(first, last)};
}

}  // namespace

std::vector<TensorHistogram> gather_histograms(const Graph& quantized, const Graph& reference, const DatasetPtr& samples,
                                               const std::vector<std::string>& tensors, const AnalysisOptions& options) {
  const std::vector<Wanted> wanted = find(quantized, reference, tensors);
  if (wanted.empty() || samples->size() == 0) return {};
  LowerOptions plain, simulated;
  plain.device = simulated.device = options.device;
  simulated.mode = ExecutionMode::Simulated, simulated.watch_quantized = true;
  Network floats(reference, plain, wanted), grid(quantized, simulated, wanted);
  const DatasetPtr few = part_of(samples, Part::all().spread(kHistogramSamples));
  RunContext context = options;
  context.sample_bytes *= 2;
  visit_samples_at_once(few, context, "histograms", [&](const Tensors& batch, size_t, size_t count) -> std::function<void()> {
    return [&, count, in_float = floats.count(batch), in_steps = grid.count(batch)] {
      floats.add(in_float), grid.add(in_steps);
      if (!options.work) return;
      options.work->float_forwards += count, options.work->simulated_forwards += count;
    };
  });
  std::vector<TensorHistogram> histograms;
  for (size_t i = 0; i < wanted.size(); ++i) {
    Counts in_float = counts_of(floats.histogram(i)), in_steps = counts_of(grid.histogram(i));
    if (!in_float.empty() || !in_steps.empty()) histograms.push_back(joined(wanted[i], std::move(in_float), std::move(in_steps)));
  }
  return histograms;
}

std::vector<TensorHistogram> histograms_of_worst(const Graph& quantized, const Graph& reference, const DatasetPtr& samples,
                                                 const ErrorAnalysis& errors, const AnalysisOptions& options) {
  std::vector<std::string> names;
  for (const TensorError* error : worst_tensors(errors, kWorstTensors, true)) names.push_back(error->name);
  return gather_histograms(quantized, reference, samples, names, options);
}

}  // namespace ppq
