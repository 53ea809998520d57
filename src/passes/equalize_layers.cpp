#include "passes/equalization.h"
#include "passes/passes.h"
#include "ppq/error.h"

/// Layer-wise equalization (arXiv 1906.04721): between layers joined by scale-free operations (Relu, pooling, PRelu, …),
/// output channels of the upstream layer are multiplied by s and the downstream layer's input channels divided by it, so
/// that both have like ranges and one scale a tensor loses less. s = 1/sqrt(max|W_up| / max|W_down|), within 0.1 and 10,
/// as PPQ computes it in float32. The float result is unchanged but for rounding.
namespace ppq::passes {
namespace {

class EqualizeLayers final : public Pass {
 public:
  const char* name() const override { return "equalize-layers"; }

  size_t run(Graph& graph, PassContext& context) override {
    const EqualizationSetting& setting = context.setting->equalization_setting;
    EqualizationSearch search;
    search.through_add = setting.opt_level >= 2;
    std::vector<EqualizationPair> pairs = find_equalization_pairs(graph, search);
    for (EqualizationPair& pair : pairs) {
      for (Node* node : pair.upstream) own_parameters(graph, *node);
      for (Node* node : pair.downstream) own_parameters(graph, *node);
    }
    for (int i = 0; i < setting.iterations; ++i)
      for (EqualizationPair& pair : pairs) equalize(pair, setting);
    return pairs.size();
  }

 private:
  static void equalize(EqualizationPair& pair, const EqualizationSetting& setting) {
    std::vector<at::Tensor> up, down;
    for (const Node* node : pair.upstream) {
      up.push_back(output_rows(*node).abs().amax(1));
      if (const at::Tensor bias = node->constant_input(2); setting.including_bias && bias.defined() && bias.numel() == pair.channels)
        up.push_back(bias.reshape({-1}).abs() * setting.bias_multiplier);
    }
    for (const Node* node : pair.downstream) down.push_back(input_rows(*node, pair.channels).abs().amax(1));
    const at::Tensor u = at::stack(up).amax(0), d = at::stack(down).amax(0);
    at::Tensor scale = 1 / at::sqrt(u / d);
    scale = at::clamp(scale, 0.1, 10);
    // Both zero: nothing to balance (0/0).
    scale = at::where((u + d < setting.value_threshold).logical_or(at::isnan(scale)), at::ones_like(scale), scale);
    for (Node* node : pair.upstream) scale_outputs(*node, scale);
    for (Node* node : pair.downstream) scale_inputs(*node, scale);
  }
};

}  // namespace

std::unique_ptr<Pass> make_equalize_layers() { return std::make_unique<EqualizeLayers>(); }

}  // namespace ppq::passes
