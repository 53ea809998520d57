#include "passes/scheme/fusion.h"

#include "ops/op_facts.h"

namespace ppq::passes {

bool joins_producer(const Node& activation, const PlatformSpec& platform, const Pinned& pinned) {
  if (!platform.fusion.activations.count(activation.op_type)) return false;
  const Value* inner = activation.input(0);
  const Node* node = inner ? inner->producer() : nullptr;
  if (!node || !node->quantized || !activation.quantized || only_reader(inner, pinned) != &activation) return false;
  const bool linear = activation.is("Relu") || activation.is("Clip");
  return is_computing(*node) || (linear && !is_passive(*node));
}

}  // namespace ppq::passes
