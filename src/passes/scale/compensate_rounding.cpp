#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>
#include <unordered_set>

#include "calibration/batching.h"
#include "calibration/gram.h"
#include "calibration/sweep.h"
#include "executor/at_once.h"
#include "graph/quant_slots.h"
#include "passes/passes.h"
#include "passes/scale/compensated_rounding.h"
#include "passes/scale/weight_scales.h"
#include "passes/trial.h"

/// Weights of Conv, Gemm and MatMul are not rounded to nearest, but so that the errors of an output's weights make one another good on
/// what the samples multiply them with (GPTQ, arXiv 2210.17323; compensated_rounding.h), on the scales that quantize-parameters found.
/// Where biases are corrected later, an output's mean error costs nothing, and moments are taken about the mean.
/// Three quarters of the samples say how to round, the last one for which outputs that is better than to nearest, and whether the network's
/// outputs get better by it all, biases corrected where the pipeline does that.
/// Does not fire for weights that meet fewer places in the samples than half of what an output reads, of more than 8 bits, in minifloats or
/// blocks, of a scale that the user fixed, for ConvTranspose, with fewer than four samples, and without bake-parameters: what the target
/// rounds itself is rounded to nearest.
namespace ppq::passes {
namespace {

constexpr size_t kFewest = 4;  ///< samples
/// Three quarters of the samples say how, the last one whether.
const Part kFit = Part{0b0111}.spread(24), kCheck = Part{0b1000}.spread(8), kJudge = Part{0b1000}.spread(kJudgeSamples);
constexpr size_t kMomentBytes = size_t{128} << 20;  ///< kept at once, where the user set no limit
constexpr size_t kBatchBytes = size_t{64} << 20;    ///< activations of one batch
constexpr size_t kBatch = 8;
constexpr int64_t kWide = 512;  ///< columns
constexpr int kMostBits = 8;
constexpr double kDamping = 0.01;  ///< as in the paper

struct Layer {
  Slot slot;
  size_t fitting = 0, checking = 0;  ///< numbers of wishes
  at::Tensor rounded;                ///< the weight; undefined where it lies on its grid already
};

/// Numbers of a scheme, for each element of the weight: float64.
at::Tensor spread(const at::Tensor& numbers, const QuantScheme& scheme, const at::Tensor& weight) {
  at::Tensor x = numbers.cpu();
  if (scheme.granularity == Granularity::PerChannel) {
    std::vector<int64_t> shape(static_cast<size_t>(weight.dim()), 1);
    shape[static_cast<size_t>(scheme.axis)] = -1;
    x = x.reshape(shape);
  }
  return x.to(at::kDouble).expand(weight.sizes());
}

class CompensateRounding final : public Pass {
 public:
  const char* name() const override { return "compensate-rounding"; }

  size_t run(Graph& graph, PassContext& context) override {
    const auto pipeline = quantization_pipeline(*context.platform, *context.setting);
    const auto runs = [&](const char* pass) { return std::find(pipeline.begin(), pipeline.end(), pass) != pipeline.end(); };
    if (!context.calibration || context.calibration->size() < kFewest || !runs("bake-parameters")) return 0;
    collect(graph);
    mean_is_free_ = runs("correct-bias");
    for (size_t next = 0; next < layers_.size();) next = round_some(graph, next, context);
    std::erase_if(layers_, [](const Layer& layer) { return !layer.rounded.defined(); });
    if (layers_.empty()) return 0;
    const auto nearest = context.trial ? nullptr : graph.clone();
    for (const Layer& layer : layers_) layer.slot.quant()->params.rounded = layer.rounded;
    if (context.trial || is_better(graph, *nearest, context)) return layers_.size();
    for (const Layer& layer : layers_) layer.slot.quant()->params.rounded = at::Tensor();
    return 0;
  }

 private:
  void collect(const Graph& graph) {
    std::unordered_set<const TensorQuant*> quants;
    for (const Slot& slot : quant_slots(graph)) {
      const TensorQuantPtr& quant = slot.quant();
      if (slot.output || quant->state != QuantState::Active || quant->fixed || quant->params.rounded.defined()) continue;
      if (!has_searchable_scale(slot) || slot.node->is("ConvTranspose") || quant->scheme.bits > kMostBits) continue;
      if (quants.insert(quant.get()).second) layers_.push_back({slot, 0, 0, {}});
    }
  }

  /// Rounds layers from `first` on, as many as memory for moments allows. Returns the first of those that are left.
  size_t round_some(const Graph& graph, size_t first, const PassContext& context) {
    RunContext in_order = context;
    in_order.batch_size =
        context.largest_batch > 1 ? std::min(context.largest_batch, samples_at_once(context.sample_bytes, kBatchBytes, kBatch)) : 1;
    Sweep sweep(graph, {}, in_order, "moments of what weights meet");
    sweep.keep_order();  // one set of moments, whatever the threads
    const size_t memory = context.max_memory ? std::min(context.max_memory / 2, kMomentBytes) : kMomentBytes;
    size_t bytes = 0, last = first;
    for (; last < layers_.size(); ++last) {
      const Node& node = *layers_[last].slot.node;
      bytes += 2 * GramStatistic::bytes_for(node);
      if (last > first && bytes > memory) break;
      const auto want = [&](const Part& part) { return sweep.want<GramStatistic>(node.input(0), part, &node); };
      layers_[last].fitting = want(kFit), layers_[last].checking = want(kCheck);
    }
    sweep.run(context.calibration);
    std::vector<Layer*> narrow;
    const auto round_one = [&](Layer& layer) {
      round(layer, sweep.found<GramStatistic>(layer.fitting), sweep.found<GramStatistic>(layer.checking));
    };
    // Wide ones, whose factors take memory, one after the other.
    for (size_t i = first; i < last; ++i)
      weight_rows(*layers_[i].slot.node, layers_[i].slot.value()->constant()).size(2) > kWide ? round_one(layers_[i])
                                                                                              : narrow.push_back(&layers_[i]);
    for_each_at_once(at::kCPU, narrow.size(), [&](size_t i) { round_one(*narrow[i]); });
    return last;
  }

  void round(Layer& layer, const GramStatistic& fitting, const GramStatistic& checking) const {
    if (!fitting.seen() || !checking.seen()) return;
    const Node& node = *layer.slot.node;
    const TensorQuant& quant = *layer.slot.quant();
    const at::Tensor& weight = layer.slot.value()->constant();
    const auto rows_of = [&](const at::Tensor& x) { return weight_rows(node, x); };
    const at::Tensor offset = quant.params.offset.defined() ? quant.params.offset : at::zeros_like(quant.params.scale);
    const at::Tensor rows = rows_of(weight.to(at::kDouble)), scales = rows_of(spread(quant.params.scale, quant.scheme, weight)),
                     offsets = rows_of(spread(offset, quant.scheme, weight));
    // So few places say nothing of most of what weights could make good.
    if (2 * fitting.count() < rows.size(2)) return;
    if (on_grid(rows, {scales, offsets, quant.scheme.quant_min, quant.scheme.quant_max})) return;
    at::Tensor result = at::empty(rows.sizes(), rows.options());
    int64_t start = 0;
    for (size_t block = 0; block < fitting.squares().size(); ++block) {
      const int64_t end = start + fitting.squares()[block].size(2);
      const Grid grid{scales.slice(2, start, end), offsets.slice(2, start, end), quant.scheme.quant_min, quant.scheme.quant_max};
      const at::Tensor some = rows.slice(2, start, end), nearest = nearest_rounding(some, grid);
      const at::Tensor chosen = compensated_rounding(some, moments(fitting, block, start, end), grid, kDamping);
      const at::Tensor check = moments(checking, block, start, end);
      const auto errors = [&](const at::Tensor& integers) { return output_errors(integers * grid.scale - some, check); };
      const at::Tensor better = errors(chosen) < errors(nearest);
      result.slice(2, start, end).copy_(at::where(better.unsqueeze(2), chosen, nearest));
      start = end;
    }
    // As fake_quantize multiplies: in float32.
    layer.rounded =
        weight_from_rows(node, result, weight.sizes()).to(at::kFloat) * spread(quant.params.scale, quant.scheme, weight).to(at::kFloat);
  }

  static bool on_grid(const at::Tensor& rows, const Grid& grid) {
    constexpr double kExactly = 1e-3;  ///< steps
    return ((nearest_rounding(rows, grid) * grid.scale - rows) / grid.scale).abs().max().item<double>() < kExactly;
  }

  at::Tensor moments(const GramStatistic& gram, size_t block, int64_t start, int64_t end) const {
    const double count = static_cast<double>(gram.count());
    at::Tensor squares = gram.squares()[block].cpu().to(at::kDouble).div_(count);
    const at::Tensor mean = gram.sums().slice(1, start, end).cpu() / count;
    return mean_is_free_ ? squares.baddbmm_(mean.unsqueeze(2), mean.unsqueeze(1), 1, -1) : squares;
  }

  /// Whether the network's outputs are nearer to the float network's on samples held back.
  bool is_better(const Graph& compensated, const Graph& nearest, const PassContext& context) const {
    Trial trial(nearest, context, {Part::fitting().spread(kFewFitSamples), kJudge});
    const auto error = [&](const Graph& graph) {
      const auto copy = graph.clone();
      if (mean_is_free_) trial.run(*copy, {"correct-bias"});
      return trial.judge(*copy).error;
    };
    const double without = error(nearest), with = error(compensated);
    if (context.record) {
      char text[160];
      std::snprintf(
          text, sizeof text,
          "%s, by the error that rounded weights make at the network's outputs on samples held back: to nearest %.3g, compensated %.3g",
          with < without ? "kept" : "undone", without, with);
      context.record->decision = text;
    }
    return with < without;
  }

  std::vector<Layer> layers_;
  bool mean_is_free_ = false;
};

}  // namespace

std::unique_ptr<Pass> make_compensate_rounding() { return std::make_unique<CompensateRounding>(); }

}  // namespace ppq::passes
