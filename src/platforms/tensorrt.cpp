#include "platforms/operator_sets.h"
#include "platforms/platforms.h"
#include "ppq/graph.h"

namespace ppq::platforms {

namespace {

/// What LayerNormalization and Attention take beside their data stays float.
SlotRule operands_in_float(SlotRole role) {
  SlotRule rule = rules::in_float(role, {"LayerNormalization", "Attention"});
  rule.when = [](const Node& node, size_t index) { return index >= (node.is("Attention") ? 2u : 1u); };
  return rule;
}

}  // namespace

PlatformSpec tensorrt_int8() {
  PlatformSpec spec;
  spec.quant_types = tensorrt_types();
  spec.computes_if = [](const Node& node) { return !node.is("Tanh"); };
  spec.slots = plain_slots(rules::signed_symmetric(8), rules::per_channel(rules::signed_symmetric(8)));
  for (SlotRole role : {SlotRole::Data, SlotRole::Constant, SlotRole::Weight})
    spec.slots.insert(spec.slots.begin(), operands_in_float(role));
  spec.fusion.activations = {"Relu", "Clip", "Swish", "Softplus", "Sigmoid", "Gelu"};
  // What has no Q and DQ inside is computed in float, in one kernel as well.
  spec.fusion.composites = {"LayerNormalization", "RMSNormalization", "Gelu"};
  spec.adjust_setting = scales_of_its_own;
  return spec;
}

}  // namespace ppq::platforms
