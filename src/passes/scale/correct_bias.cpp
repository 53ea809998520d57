#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>

#include "calibration/batching.h"
#include "calibration/reference.h"
#include "calibration/visit.h"
#include "graph/readers.h"
#include "ops/op_facts.h"
#include "passes/equalize/pairs.h"
#include "passes/passes.h"
#include "ppq/error.h"

/// Empirical bias correction (arXiv 1906.04721, section 4.2): rounding weights and activations moves the mean of each output
/// channel; the bias takes the shift back.
/// For each batch of samples the float network gives the means of every Conv, ConvTranspose and Gemm output; then the simulated
/// network runs, and each output is moved to its float mean before the next operation reads it, so that every layer sees
/// corrected inputs. The shifts, averaged over the samples, go into the biases.
/// A batch is as large as memory allows: the larger, the less a layer's shift owes to single samples that the layers before it
/// were moved for.
/// Does not fire for a layer whose weight is not quantized. Kept only where it lowers the error of the network's outputs on
/// every other sample (with 64 samples or more these gave no means): all layers, or none. In a trial on a copy it is kept: the trial judges
/// the copy.
namespace ppq::passes {
namespace {

constexpr size_t kMostSamples = 32, kMostJudged = 16, kLargestBatch = 32;
constexpr size_t kBatchBytes = size_t{256} << 20;  ///< activations of one batch, where the user set no limit

struct Layer {
  Node* node;
  at::Tensor batch_shift;  ///< float mean - quantized mean of that batch
  at::Tensor shift;        ///< Σ over samples
};

at::Tensor broadcast_channels(const Node& node, const at::Tensor& channels, int64_t rank) {
  std::vector<int64_t> sizes(static_cast<size_t>(rank), 1);
  sizes[static_cast<size_t>(output_channel_axis(node, rank))] = channels.numel();
  return channels.reshape(sizes);
}

class CorrectBias final : public Pass {
 public:
  const char* name() const override { return "correct-bias"; }

  size_t run(Graph& graph, PassContext& context) override {
    if (!context.calibration || context.calibration->size() == 0)
      throw Error(ErrorKind::Data, "bias correction", "no samples: got 0, expected at least 1");
    collect(graph, context);
    if (layers_.empty()) return 0;
    PassContext wide = context;
    wide.batch_size = batch_size(graph, context);
    const size_t samples = measure_shifts(graph, wide);
    const auto before = context.trial ? nullptr : graph.clone();
    std::vector<at::Tensor> old;
    const Pinned pinned(graph);
    for (Layer& layer : layers_) old.push_back(add_shift(graph, layer, samples, pinned));
    if (context.trial || is_better(graph, *before, context)) return layers_.size();
    for (size_t i = 0; i < layers_.size(); ++i) layers_[i].node->input(2)->set_constant(old[i]);
    return 0;
  }

 private:
  void collect(const Graph& graph, const PassContext& context) {
    const auto& wanted = context.setting->bias_correct_setting.interested_layers;
    for (Node* node : graph.nodes()) {
      if (!node->quantized || !takes_bias(*node) || !node->constant_input(1).defined()) continue;
      if (!node->quant_of_input(1) || (node->is("Gemm") && node->attributes.get_float("beta", 1) != 1)) continue;
      if (node->input(2) && (!node->constant_input(2).defined() || node->constant_input(2).numel() != output_channels(*node))) continue;
      if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), node->name) == wanted.end()) continue;
      layers_.push_back({node, {}, {}});
    }
  }

  /// As large as memory allows, where the network allows batches at all.
  static size_t batch_size(const Graph& graph, const PassContext& context) {
    const size_t memory = context.max_memory ? context.max_memory : kBatchBytes;
    if (context.largest_batch == 0)
      return std::max(context.batch_size, choose_batch_size(graph, *context.calibration, context.device, memory, kLargestBatch).batch);
    const size_t fitting = memory / std::max<size_t>(context.sample_bytes, 1);
    return std::max(context.batch_size, std::min({fitting, kLargestBatch, context.largest_batch}));
  }

  size_t measure_shifts(const Graph& graph, const PassContext& context) {
    // The other half judges, where half of the samples is enough. A trial's samples are all there to fit.
    const bool enough = !context.trial && context.calibration->size() >= 2 * kMostSamples;
    const Part fit = (enough ? Part::even() : Part::all()).spread(kMostSamples);
    const DatasetPtr samples = part_of(context.calibration, fit);
    FloatMeans own, &means = context.outputs ? context.outputs->means : own;
    means.know(graph, means_wanted(), samples, context);
    LowerOptions simulated;
    simulated.mode = ExecutionMode::Simulated;
    simulated.device = context.device;
    for (const Layer& layer : layers_) simulated.watch.push_back(layer.node->output());
    const auto program = lower(graph, simulated);
    const std::vector<size_t> places = places_of(samples);
    visit_samples(samples, context, "correct bias", [&](const Tensors& inputs, size_t first, size_t count) {
      const std::vector<size_t> here(places.begin() + static_cast<std::ptrdiff_t>(first),
                                     places.begin() + static_cast<std::ptrdiff_t>(first + count));
      ppq::run(*program, inputs, [&](size_t i, const at::Tensor& value) {
        Layer& layer = layers_[i];
        layer.batch_shift =
            means.mean(layer.node->output()->name(), here) - channel_means(value, output_channel_axis(*layer.node, value.dim()));
        // The output was just made and nobody has read it: moved in place, it is what a corrected layer would give.
        value.add_(broadcast_channels(*layer.node, layer.batch_shift, value.dim()).to(value.scalar_type()));
      });
      // Only now: memory may have run out before.
      for (Layer& layer : layers_) {
        const at::Tensor shift = layer.batch_shift * static_cast<double>(count);
        layer.shift = layer.shift.defined() ? layer.shift + shift : shift;
      }
      if (context.work) context.work->simulated_forwards += count;
    });
    return samples->size();
  }

  std::vector<FloatMeans::Layer> means_wanted() const {
    std::vector<FloatMeans::Layer> wanted;
    for (const Layer& layer : layers_) wanted.push_back({layer.node->output(), op_facts(*layer.node).traits.channel_axis});
    return wanted;
  }

  /// Whether the outputs are nearer to the float network's on samples held back.
  static bool is_better(const Graph& corrected, const Graph& before, const PassContext& context) {
    const std::shared_ptr<Reference> outputs =
        context.outputs ? context.outputs : std::make_shared<Reference>(before, context.calibration, context);
    const Part judge = Part::odd().spread(kMostJudged);
    const double without = outputs->errors(before, judge).pooled(), with = outputs->errors(corrected, judge).pooled();
    if (context.record) {
      char text[128];
      std::snprintf(text, sizeof text, "%s: noise over signal at the outputs %.4g before, %.4g after", with < without ? "kept" : "undone",
                    without, with);
      context.record->decision = text;
    }
    return with < without;
  }

  /// Returns the bias before.
  static at::Tensor add_shift(Graph& graph, Layer& layer, size_t samples, const Pinned& pinned) {
    Node* node = layer.node;
    if (!node->input(2)) {
      graph.set_input(node, 2, graph.add_constant(graph.unique_name(node->name + "_bias"), at::zeros({output_channels(*node)})));
    } else {
      own_parameters(graph, *node, pinned);
    }
    const at::Tensor old = node->constant_input(2);
    const at::Tensor shift = (layer.shift / static_cast<double>(samples)).cpu();
    node->input(2)->set_constant((old.to(at::kDouble) + shift.reshape(old.sizes())).to(old.scalar_type()));
    return old;
  }

  std::vector<Layer> layers_;
};

}  // namespace

std::unique_ptr<Pass> make_correct_bias() { return std::make_unique<CorrectBias>(); }

}  // namespace ppq::passes
