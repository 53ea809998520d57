#include "quant/fused.h"

#include <string>
#include <unordered_set>

namespace ppq {

bool is_fused_interior(const Value& value) {
  static const std::unordered_set<std::string> kActivations = {"Relu",     "Clip",        "LeakyRelu", "PRelu", "Sigmoid", "Gelu", "Tanh",
                                                               "Softplus", "HardSigmoid", "HardSwish", "Elu",   "Swish",   "Mish"};
  const Node* producer = value.producer();
  if (!producer || value.uses().size() != 1 || value.is_graph_output()) return false;
  const TensorQuantPtr quant = producer->quant_of_output(value.producer_index());
  const Node* reader = value.uses()[0].node;
  return quant && kActivations.count(reader->op_type) && reader->quant_of_input(value.uses()[0].index) == quant &&
         reader->quant_of_output() == quant;
}

}  // namespace ppq
