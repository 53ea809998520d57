#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <unordered_map>

#include "core/words.h"
#include "graph/quant_slots.h"
#include "ops/op_facts.h"
#include "passes/equalize/pairs.h"
#include "passes/passes.h"

/// Quantization of what follows other tensors: biases of Conv, ConvTranspose and Gemm get input scale × weight scale,
/// offset 0 (the accumulator's scale); Clip's bounds and Pad's value get their data's. They are simulated, never written.
/// Where a bias does not fit its integers at that scale (weights that are all zero, or tiny beside the bias), the weight's scale grows
/// until it does, channel by channel where channels have scales, and a warning says so.
/// Does not fire where the data or the weight is float.
namespace ppq::passes {
namespace {

/// A layer of which this share of the weight's scales must grow computes little but its bias.
constexpr double kManyChannels = 0.5;

class QuantizePassiveParameters final : public Pass {
 public:
  const char* name() const override { return "quantize-passive-parameters"; }

  size_t run(Graph& graph, PassContext& context) override {
    for (const Slot& slot : quant_slots(graph)) ++slots_[slot.quant().get()];
    size_t changed = 0;
    for (Node* node : graph.nodes())
      for (size_t i = 0; i < node->input_quant.size(); ++i) {
        const TensorQuantPtr& quant = node->input_quant[i];
        if (!quant || quant->state != QuantState::Passive || quant->fixed) continue;
        changed += is_computing(*node) ? bias(*node, *quant) : bound(*node, *quant);
      }
    report(grown_, "bias-range", "the scales of their weights were enlarged until they do", context);
    if (context.record && quiet_ > 0)
      context.record->decision = "scales of dead channels of " + std::to_string(quiet_) + " layer(s) enlarged until their biases fit";
    report(clipped_, "bias-clipped", "they are clipped, because the scales of the weights are not free", context);
    return changed;
  }

 private:
  /// Layers whose bias did not fit.
  struct Beyond {
    std::vector<std::string> biases, layers;
    double most = 1;  ///< largest ratio of a bias to what its integers hold
    void add(const Node& node, double factor) {
      biases.push_back(node.input(2)->name());
      layers.push_back(node.name);
      most = std::max(most, factor);
    }
  };

  static void report(const Beyond& beyond, const char* code, const char* what, const PassContext& context) {
    if (beyond.biases.empty()) return;
    char factor[32];
    std::snprintf(factor, sizeof factor, "%.3g", beyond.most);
    context.warn({code,
                  "biases do not fit the integers of the accumulator at input scale × weight scale, by a factor of up to " +
                      std::string(factor) + ": " + what + "; layers: " + listed(beyond.layers),
                  beyond.biases,
                  {{"factor", beyond.most}, {"layers", static_cast<double>(beyond.layers.size())}},
                  ""});
  }

  static bool known(const TensorQuantPtr& quant) { return quant && quant->params.defined(); }

  /// The accumulator's scale, one an element of the bias or one for all; undefined where channels do not fit.
  static at::Tensor accumulator_scale(const Node& node) {
    at::Tensor scale = node.quant_of_input(1)->params.scale.cpu() * node.quant_of_input(0)->params.scale.cpu();
    const int64_t channels = node.constant_input(2).numel();
    if (scale.numel() > 1 && scale.numel() != channels) {
      // ConvTranspose: scales of one group serve every group.
      if (channels % scale.numel()) return {};
      scale = scale.repeat({channels / scale.numel()});
    }
    if (node.is("Gemm")) {
      // alpha·A·B + beta·C: the accumulator of C is alpha/beta times as fine.
      const double ratio = std::abs(node.attributes.get_float("alpha", 1) / node.attributes.get_float("beta", 1));
      if (ratio != 1 && ratio > 0 && std::isfinite(ratio)) scale = scale * ratio;
    }
    return scale;
  }

  /// The largest magnitude of each element of the bias that the output can tell from a larger one: beyond what the output holds and
  /// the products take away again, all is clipped. Infinite where that is not known.
  static at::Tensor reach_of_bias(const Node& node) {
    const at::Tensor bias = node.constant_input(2), weight = node.constant_input(1);
    const TensorQuantPtr output = node.quant_of_output();
    const at::Tensor open = at::full({bias.numel()}, INFINITY, at::kDouble);
    if (!known(output) || output->params.scale.numel() != 1 || !weight.defined()) return open;
    const auto most = [](const TensorQuant& quant) {
      const auto [low, high] = range_of(quant.params, quant.scheme);
      return std::max(-low.min().item<double>(), high.max().item<double>());
    };
    const at::Tensor products = output_rows(node).abs().to(at::kDouble).sum(1) * most(*node.quant_of_input(0));
    if (products.numel() != bias.numel()) return open;
    const double alpha = node.is("Gemm") ? node.attributes.get_float("alpha", 1) : 1,
                 beta = node.is("Gemm") ? node.attributes.get_float("beta", 1) : 1;
    // A step more: the ends of the range are rounded.
    return (products * std::abs(alpha) + most(*output) + output->params.scale.item<double>()) / std::abs(beta);
  }

  /// By how much each scale of the weight must grow so that the bias fits its integers at `scale`; undefined where it fits.
  static at::Tensor growth(const Node& node, const TensorQuant& quant, const at::Tensor& scale) {
    const double steps = std::min(-quant.scheme.quant_min, quant.scheme.quant_max);
    const at::Tensor bias = node.constant_input(2).to(at::kDouble).abs().reshape({-1});
    const at::Tensor step = scale.to(at::kDouble).reshape({-1});
    if (bias.numel() == 0 || (bias <= steps * step).all().item<bool>()) return {};
    const at::Tensor needed = at::minimum(bias, reach_of_bias(node)) / (steps * step);
    // More scales than elements: a bias of one element for all channels.
    const int64_t weights = node.quant_of_input(1)->params.scale.numel();
    const at::Tensor factor = weights == 1 ? needed.max().reshape({1}) : needed.reshape({-1, weights}).amax(0);
    if ((factor <= 1).all().item<bool>() || !at::isfinite(factor).all().item<bool>()) return {};
    // A little more than needed: scales are float32.
    return at::where(factor > 1, factor * (1 + 1e-6), at::ones_like(factor));
  }

  /// Lets the weight's scale grow until the bias fits.
  void make_room(Node& node, const TensorQuant& quant, const at::Tensor& scale) {
    TensorQuantPtr& weight = node.input_quant[1];
    at::Tensor factor = weight->scheme.granularity == Granularity::PerBlock ? at::Tensor() : growth(node, quant, scale);
    if (!factor.defined()) return;
    const bool free = node.input(1)->is_constant() && !weight->fixed && weight->state == QuantState::Active;
    // Some dead channels beside live ones are nothing strange, and lose nothing that an output step shows.
    if (free && (factor > 1).to(at::kDouble).mean().item<double>() < kManyChannels)
      ++quiet_;
    else
      (free ? grown_ : clipped_).add(node, factor.max().item<double>());
    if (!free) return;
    if (weight->scheme.power_of_two) factor = at::exp2(at::ceil(at::log2(factor)));
    // What other nodes read of the weight keeps its scale.
    if (slots_[weight.get()] > 1) weight = std::make_shared<TensorQuant>(*weight);
    const at::Tensor old = weight->params.scale;
    weight->params.scale = (old.cpu().to(at::kDouble) * factor.reshape(old.sizes())).to(at::kFloat).to(old.device());
  }

  size_t bias(Node& node, TensorQuant& quant) {
    const TensorQuantPtr data = node.quant_of_input(0), weight = node.quant_of_input(1);
    if (!known(data) || !known(weight)) return 0;
    at::Tensor scale = accumulator_scale(node);
    if (!scale.defined()) return 0;
    make_room(node, quant, scale);
    scale = accumulator_scale(node);
    quant.scheme.granularity = scale.numel() > 1 ? Granularity::PerChannel : Granularity::PerTensor;
    quant.scheme.axis = 0;
    if (scale.numel() > 1) {
      // A bias stored as [1, C]: channels lie on the last axis.
      quant.scheme.axis = static_cast<int>(node.constant_input(2).dim()) - 1;
    } else {
      scale = scale.reshape({});
    }
    quant.params = {scale, at::zeros_like(scale)};
    return 1;
  }

  static size_t bound(const Node& node, TensorQuant& quant) {
    const TensorQuantPtr data = node.quant_of_input(0);
    if (!known(data)) return 0;
    quant.scheme = data->scheme;
    quant.params = data->params;
    return 1;
  }

  std::unordered_map<const TensorQuant*, size_t> slots_;  ///< how many refer to each
  Beyond grown_, clipped_;
  size_t quiet_ = 0;  ///< layers of which only few channels had to grow
};

}  // namespace

std::unique_ptr<Pass> make_quantize_passive_parameters() { return std::make_unique<QuantizePassiveParameters>(); }

}  // namespace ppq::passes
