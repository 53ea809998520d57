#include "analysis/sensitivity.h"

#include <algorithm>
#include <cstdio>
#include <functional>

#include "analysis/macs.h"
#include "executor/fused.h"
#include "graph/patterns.h"
#include "graph/quant_slots.h"
#include "ops/op_facts.h"

namespace ppq {
namespace {

bool has_quantization(const Node& node) {
  const auto any = [](const std::vector<TensorQuantPtr>& quants) { return std::any_of(quants.begin(), quants.end(), std::identity()); };
  return any(node.input_quant) || any(node.output_quant);
}

/// The operations that round something of their own. What a table brings is quantized without saying so at the nodes.
std::vector<const Node*> layers_of(const Graph& graph, const Pinned& pinned) {
  std::vector<const Node*> layers;
  for (const Node* node : graph.nodes()) {
    const Value* data = node->input(0);
    if (has_quantization(*node) && !is_passive(*node) && !(data && is_fused_interior(*data, pinned))) layers.push_back(node);
  }
  return layers;
}

}  // namespace

std::vector<LayerSensitivity> rank_layers(const Graph& quantized, const Graph& reference, const DatasetPtr& samples,
                                          const AnalysisOptions& options) {
  const auto float_parameters = quantized.clone();
  for (const Slot& slot : quant_slots(*float_parameters))
    if (slot.is_constant()) slot.quant() = nullptr;
  const Pinned pinned(quantized);
  const std::vector<const Node*> layers = layers_of(quantized, pinned);
  std::vector<const Node*> twins;
  for (const Node* node : layers) twins.push_back(float_parameters->find_node(node->name));
  const auto errors = errors_alone(layers, reference, samples, options), activations = errors_alone(twins, reference, samples, options);
  const auto all = static_cast<double>(std::max<int64_t>(1, count_macs(quantized, 0).all));
  std::vector<LayerSensitivity> ranking;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (!errors[i]) continue;
    const Node& node = *layers[i];
    LayerSensitivity layer{node.name, node.op_type, {pattern_of(quantized, node)}, errors[i]->sum(), activations[i]->sum(), 0};
    if (const Value* output = node.output(); output && is_fused_interior(*output, pinned))
      layer.patterns.push_back(pattern_of(quantized, *output->uses()[0].node));
    layer.macs_share = static_cast<double>(std::max<int64_t>(0, macs_of(node))) / all;
    ranking.push_back(std::move(layer));
  }
  std::stable_sort(ranking.begin(), ranking.end(), [](const LayerSensitivity& a, const LayerSensitivity& b) { return a.error > b.error; });
  return ranking;
}

std::string advice(const LayerSensitivity& layer) {
  if (2 * layer.activations >= layer.error) return "--bits '" + layer.patterns[0] + "=16'";
  std::string options;
  for (const std::string& pattern : layer.patterns) options += (options.empty() ? "" : " ") + ("--keep-float '" + pattern + "'");
  return options;
}

std::string to_text(const std::vector<LayerSensitivity>& layers, size_t most) {
  std::string text = "noise/signal at the outputs of each layer alone (with parameters in float; share of MACs; to try):\n";
  for (size_t i = 0; i < std::min(most, layers.size()); ++i) {
    char figures[128];
    std::snprintf(figures, sizeof figures, "  %10.3g  %10.3g  %6.2f %%  ", layers[i].error, layers[i].activations,
                  100 * layers[i].macs_share);
    text += figures + layers[i].name + " (" + layers[i].type + ")  " + advice(layers[i]) + "\n";
  }
  if (layers.size() > most) text += "  and " + std::to_string(layers.size() - most) + " more in report.json\n";
  return text;
}

}  // namespace ppq
