#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>
#include <unordered_map>

#include "calibration/batching.h"
#include "calibration/measure.h"
#include "data/upload_ahead.h"
#include "graph/readers.h"
#include "ops/op_facts.h"
#include "passes/equalize/pairs.h"
#include "passes/passes.h"
#include "ppq/error.h"

/// Empirical bias correction (arXiv 1906.04721, section 4.2): rounding weights and activations moves the mean of each output
/// channel; the bias takes the shift back.
/// One pass over the samples. For each batch the float network gives the means of every Conv, ConvTranspose and Gemm output;
/// then the simulated network runs, and each output is moved to its float mean before the next operation reads it, so that
/// every layer sees corrected inputs. The shifts, averaged over the samples, go into the biases.
/// A batch is as large as memory allows: the larger, the less a layer's shift owes to single samples that the layers before it
/// were moved for.
/// Does not fire for a layer whose weight is not quantized. Kept only where it lowers the error of the network's outputs on
/// these samples: all layers, or none.
namespace ppq::passes {
namespace {

constexpr size_t kMostSamples = 64, kMostJudged = 32, kLargestBatch = 32;
constexpr size_t kBatchBytes = size_t{1} << 30;     ///< activations of one batch, where the user set no limit
constexpr size_t kJudgedBytes = size_t{256} << 20;  ///< of the samples that judge, and their float outputs

struct Layer {
  Node* node;
  at::Tensor float_mean;  ///< of the batch in flight, float64 [C]
  at::Tensor shift;       ///< Σ over samples of float mean - quantized mean, float64 [C]
};

/// Mean of each output channel: dimension 1 of a convolution's output, the last one of a matrix product's.
at::Tensor channel_means(const Node& node, const at::Tensor& output) {
  const int64_t axis = output_channel_axis(node, output.dim());
  return output.transpose(0, axis).reshape({output.size(axis), -1}).mean(1, /*keepdim=*/false, at::kDouble);
}

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
    const size_t memory = context.max_memory ? context.max_memory : kBatchBytes;
    batch_size_ = std::max(context.batch_size, choose_batch_size(graph, *context.calibration, context.device, memory, kLargestBatch).batch);
    const size_t samples = measure_shifts(graph, context);
    const double before = output_error(graph, context);
    std::vector<at::Tensor> old;
    const Pinned pinned(graph);
    for (Layer& layer : layers_) old.push_back(add_shift(graph, layer, samples, pinned));
    const double after = output_error(graph, context);
    if (context.record) {
      char text[128];
      std::snprintf(text, sizeof text, "%s: noise over signal at the outputs %.4g before, %.4g after", after < before ? "kept" : "undone",
                    before, after);
      context.record->decision = text;
    }
    if (after < before) return layers_.size();
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

  LowerOptions options_for(const PassContext& context, ExecutionMode mode) const {
    LowerOptions options;
    options.mode = mode;
    options.device = context.device;
    return options;
  }

  size_t measure_shifts(const Graph& graph, const PassContext& context) {
    LowerOptions plain = options_for(context, ExecutionMode::Float), simulated = options_for(context, ExecutionMode::Simulated);
    for (const Layer& layer : layers_) plain.watch.push_back(layer.node->output());
    simulated.watch = plain.watch;
    const auto float_program = lower(graph, plain), simulated_program = lower(graph, simulated);
    BatchLoader loader(context.calibration, batch_size_, loading_threads(context.device));
    UploadedBatches batches(loader, context.device);
    const size_t total = std::min(context.calibration->size(), kMostSamples);
    size_t done = 0;
    while (done < total) {
      const auto batch = batches.next();
      if (!batch) break;
      const double count = static_cast<double>(batch->count);
      Tensors expected = ppq::run(*float_program, batch->tensors, [&](size_t i, const at::Tensor& value) {
        layers_[i].float_mean = channel_means(*layers_[i].node, value);
      });
      if (done < kMostJudged && judged_bytes_ < kJudgedBytes) {
        for (const Tensors* tensors : {static_cast<const Tensors*>(&batch->tensors), static_cast<const Tensors*>(&expected)})
          for (const at::Tensor& tensor : *tensors) judged_bytes_ += tensor.nbytes();
        judged_.emplace_back(batch->tensors, std::move(expected));
      }
      ppq::run(*simulated_program, batch->tensors, [&](size_t i, const at::Tensor& value) {
        Layer& layer = layers_[i];
        const at::Tensor shift = layer.float_mean - channel_means(*layer.node, value);
        layer.shift = layer.shift.defined() ? layer.shift + shift * count : shift * count;
        // The output was just made and nobody has read it: moved in place, it is what a corrected layer would give.
        value.add_(broadcast_channels(*layer.node, shift, value.dim()).to(value.scalar_type()));
      });
      done += batch->count;
      if (context.progress) context.progress("correct bias", done, total);
    }
    return done;
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

  /// Noise over signal at the outputs, against the network before any bias was touched.
  double output_error(const Graph& graph, const PassContext& context) const {
    const auto simulated = lower(graph, options_for(context, ExecutionMode::Simulated));
    Measure all;
    for (const auto& [inputs, expected] : judged_) {
      const Tensors got = ppq::run(*simulated, inputs);
      for (size_t i = 0; i < got.size(); ++i)
        if (got[i].is_floating_point() && got[i].sizes() == expected[i].sizes()) all.add(got[i], expected[i]);
    }
    return all.snr();
  }

  std::vector<Layer> layers_;
  size_t batch_size_ = 1, judged_bytes_ = 0;
  std::vector<std::pair<Tensors, Tensors>> judged_;  ///< inputs and float outputs of the first batches
};

}  // namespace

std::unique_ptr<Pass> make_correct_bias() { return std::make_unique<CorrectBias>(); }

}  // namespace ppq::passes
