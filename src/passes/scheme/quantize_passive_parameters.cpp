#include <cmath>

#include "graph/quant_slots.h"
#include "ops/op_facts.h"
#include "passes/passes.h"

/// Quantization of what follows other tensors: biases of Conv, ConvTranspose and Gemm get input scale × weight scale,
/// offset 0 (the accumulator's scale); Clip's bounds and Pad's value get their data's. They are simulated, never written.
/// Does not fire where the data or the weight is float.
namespace ppq::passes {
namespace {

class QuantizePassiveParameters final : public Pass {
 public:
  const char* name() const override { return "quantize-passive-parameters"; }

  size_t run(Graph& graph, PassContext&) override {
    size_t changed = 0;
    for (Node* node : graph.nodes())
      for (size_t i = 0; i < node->input_quant.size(); ++i) {
        const TensorQuantPtr& quant = node->input_quant[i];
        if (!quant || quant->state != QuantState::Passive || quant->fixed) continue;
        changed += is_computing(*node) ? bias(*node, *quant) : bound(*node, *quant);
      }
    return changed;
  }

 private:
  static bool known(const TensorQuantPtr& quant) { return quant && quant->params.defined(); }

  static size_t bias(const Node& node, TensorQuant& quant) {
    const TensorQuantPtr data = node.quant_of_input(0), weight = node.quant_of_input(1);
    if (!known(data) || !known(weight)) return 0;
    at::Tensor scale = weight->params.scale.cpu() * data->params.scale.cpu();
    const int64_t channels = node.constant_input(2).numel();
    if (scale.numel() > 1 && scale.numel() != channels) {
      // ConvTranspose: scales of one group serve every group.
      if (channels % scale.numel()) return 0;
      scale = scale.repeat({channels / scale.numel()});
    }
    if (node.is("Gemm")) {
      // alpha·A·B + beta·C: the accumulator of C is alpha/beta times as fine.
      const double ratio = std::abs(node.attributes.get_float("alpha", 1) / node.attributes.get_float("beta", 1));
      if (ratio != 1 && ratio > 0 && std::isfinite(ratio)) scale = scale * ratio;
    }
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
};

}  // namespace

std::unique_ptr<Pass> make_quantize_passive_parameters() { return std::make_unique<QuantizePassiveParameters>(); }

}  // namespace ppq::passes
