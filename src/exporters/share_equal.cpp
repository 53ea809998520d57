#include "exporters/share_equal.h"

#include <ATen/ATen.h>

#include "graph/quant_slots.h"
#include "ops/op_facts.h"

namespace ppq {
namespace {

bool known(const TensorQuantPtr& quant) { return quant && quant->params.defined(); }

}  // namespace

bool same_quantization(const TensorQuant& a, const TensorQuant& b) {
  return a.scheme == b.scheme && at::equal(a.params.scale, b.params.scale) && at::equal(a.params.offset, b.params.offset);
}

void share_equal(Graph& graph, const std::set<std::string>& activations) {
  QuantSlots slots(graph);
  for (Node* node : graph.nodes()) {
    for (size_t i = 0; i < node->input_quant.size(); ++i) {
      const Value* value = node->input(i);
      const TensorQuantPtr quant = node->input_quant[i], source = value ? producer_quant(*value) : nullptr;
      if (quant != source && known(quant) && known(source) && same_quantization(*quant, *source)) slots.set({node, i, false}, source);
    }
    if (!is_passive(*node) && !activations.count(node->op_type)) continue;
    const TensorQuantPtr input = node->quant_of_input(0);
    for (const TensorQuantPtr& output : std::vector<TensorQuantPtr>(node->output_quant))
      if (input != output && known(input) && known(output) && same_quantization(*input, *output)) slots.replace(output, input);
  }
}

}  // namespace ppq
