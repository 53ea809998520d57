#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <numeric>

#include "calibration/batching.h"
#include "calibration/reference.h"
#include "calibration/visit.h"
#include "data/upload_ahead.h"
#include "executor/at_once.h"
#include "executor/program.h"
#include "graph/readers.h"
#include "ops/op_facts.h"
#include "passes/equalize/pairs.h"
#include "passes/passes.h"
#include "ppq/error.h"

/// Empirical bias correction (arXiv 1906.04721, section 4.2): rounding weights and activations moves the mean of each output
/// channel; the bias takes the shift back.
/// For each group of samples the float network gives the means of every Conv, ConvTranspose and Gemm output; then the simulated
/// network runs on the whole group, step by step, and each output is moved to its float mean before the next operation reads it,
/// so that every layer sees corrected inputs. The shifts, averaged over the samples, go into the biases.
/// A group is as large as memory allows: the larger, the less a layer's shift owes to single samples that the layers before it
/// were moved for. Its size is the network's: neither the batch size nor the device changes what is found.
/// Does not fire for a layer whose weight is not quantized. Kept only where it lowers the error of the network's outputs on
/// the samples held back (with twice as many as bias_correct_setting.steps or more, 64, these gave no means): all layers, or none. In a
/// trial on a copy it is kept: the trial judges the copy.
namespace ppq::passes {
namespace {

constexpr size_t kMostJudged = 16, kLargestGroup = 32;
constexpr size_t kGroupBytes = size_t{256} << 20;  ///< activations of one group, where the user set no limit

struct Layer {
  Node* node;
  at::Tensor group_shift;  ///< float mean - quantized mean of a group
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
    const size_t samples = measure_shifts(graph, context);
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

  /// Samples that are looked at together, and how many of them go into a batch.
  struct Group {
    size_t samples, batch;
  };
  static Group group_of(const Graph& graph, const PassContext& context) {
    const size_t memory = context.max_memory ? context.max_memory : kGroupBytes;
    size_t bytes = context.sample_bytes, largest = context.largest_batch;
    if (largest == 0) {
      const BatchChoice choice = choose_batch_size(graph, *context.calibration, context.device, memory, kLargestGroup);
      bytes = choice.sample_bytes, largest = choice.largest;
    }
    const size_t samples = samples_at_once(bytes, memory, kLargestGroup);
    // The CPU takes samples side by side, one a thread.
    return {samples, std::bit_floor(std::min(samples, std::max<size_t>(1, context.device.is_cpu() ? context.batch_size : largest)))};
  }

  static size_t most_samples(const PassContext& context) {
    return static_cast<size_t>(std::max(1, context.setting->bias_correct_setting.steps));
  }

  size_t measure_shifts(const Graph& graph, const PassContext& context) {
    // The other half judges, where half of the samples is enough. A trial's samples are all there to fit.
    const size_t most = most_samples(context);
    const bool enough = !context.trial && context.calibration->size() >= 2 * most;
    const Part fit = (enough ? Part::fitting() : Part::all()).spread(most);
    const DatasetPtr samples = part_of(context.calibration, fit);
    FloatMeans own, &means = context.outputs ? context.outputs->means : own;
    const Group group = group_of(graph, context);
    PassContext grouped = context;
    grouped.batch_size = group.batch;
    means.know(graph, means_wanted(), samples, grouped);
    LowerOptions simulated;
    simulated.mode = ExecutionMode::Simulated;
    simulated.device = context.device;
    for (const Layer& layer : layers_) simulated.watch.push_back(layer.node->output());
    const auto program = lower(graph, simulated);
    const std::vector<size_t> places = places_of(samples);
    std::vector<Tensors> waiting;
    std::vector<size_t> counts;  // samples of each
    size_t first = 0, held = 0;
    BatchLoader loader(samples, group.batch, loading_threads(context.device));
    UploadedBatches batches(loader, context.device);
    while (auto batch = batches.next()) {
      waiting.push_back(std::move(batch->tensors)), counts.push_back(batch->count), held += batch->count;
      if (held < group.samples && first + held < samples->size()) continue;
      shift_group(*program, waiting, counts, at::ArrayRef<size_t>(places).slice(first, held), means, context);
      first += held, held = 0;
      waiting.clear(), counts.clear();
      if (context.progress) context.progress("correct bias", first, samples->size());
    }
    return samples->size();
  }

  /// Moves a group's outputs and adds its shifts; in halves, with a warning, where memory does not suffice.
  void shift_group(const Program& program, at::ArrayRef<Tensors> batches, at::ArrayRef<size_t> counts, at::ArrayRef<size_t> places,
                   const FloatMeans& means, const PassContext& context) {
    try {
      run_side_by_side(program, batches.vec(), [&](size_t i, const Tensors& values) {
        Layer& layer = layers_[i];
        Tensors own(values.size());
        for_each_at_once(context.device, values.size(), [&](size_t k) {
          const double share = static_cast<double>(counts[k]) / static_cast<double>(places.size());
          own[k] = channel_means(values[k], output_channel_axis(*layer.node, values[k].dim())) * share;
        });
        layer.group_shift = means.mean(layer.node->output()->name(), places.vec());
        for (const at::Tensor& mean : own) layer.group_shift = layer.group_shift - mean;
        // A channel that is masked by an infinite bias has nothing to correct.
        layer.group_shift = layer.group_shift.masked_fill(layer.group_shift.isfinite().logical_not(), 0);
        // The outputs were just made and nobody has read them: moved in place, they are what a corrected layer would give.
        for_each_at_once(context.device, values.size(), [&](size_t k) {
          values[k].add_(broadcast_channels(*layer.node, layer.group_shift, values[k].dim()).to(values[k].scalar_type()));
        });
      });
    } catch (...) {
      if (places.size() < 2 || (batches.size() == 1 && !divides(batches[0], counts[0])) || !out_of_memory()) throw;
      context.warn(halving_text(places.size(), (places.size() + 1) / 2));
      std::vector<Tensors> parts = batches.vec();
      std::vector<size_t> sizes = counts.vec();
      if (parts.size() == 1) {
        const size_t all = sizes[0], half = (all + 1) / 2;
        parts = {rows_of(batches[0], all, 0, half), rows_of(batches[0], all, half, all - half)}, sizes = {half, all - half};
      }
      const size_t half = parts.size() / 2;
      const size_t samples = std::accumulate(sizes.begin(), sizes.begin() + static_cast<std::ptrdiff_t>(half), size_t{0});
      const at::ArrayRef<Tensors> all_parts = parts;
      const at::ArrayRef<size_t> all_sizes = sizes;
      shift_group(program, all_parts.slice(0, half), all_sizes.slice(0, half), places.slice(0, samples), means, context);
      return shift_group(program, all_parts.slice(half), all_sizes.slice(half), places.slice(samples), means, context);
    }
    // Only now: memory may have run out before.
    for (Layer& layer : layers_) {
      const at::Tensor shift = layer.group_shift * static_cast<double>(places.size());
      layer.shift = layer.shift.defined() ? layer.shift + shift : shift;
    }
    if (context.work) context.work->simulated_forwards += places.size();
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
    const Part judge = Part::held_back().spread(kMostJudged);
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
      const at::Tensor zeros = at::zeros({output_channels(*node)}, node->constant_input(1).options());
      graph.set_input(node, 2, graph.add_constant(graph.unique_name(node->name + "_bias"), zeros));
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
