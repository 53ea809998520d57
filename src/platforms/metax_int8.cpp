#include <cmath>

#include "platforms/operator_sets.h"
#include "platforms/platforms.h"
#include "ppq/graph.h"

namespace ppq::platforms {

namespace {

/// What both kinds have in common. The target has no Gemm: it becomes MatMul and Add, whose constant stays float, as it belongs to the
/// accumulator. (PPQ gives it 8 bits.)
PlatformSpec metax() {
  PlatformSpec spec;
  spec.quant_types = {
      "Conv", "Relu", "PRelu",     "Clip",  "Gemm",   "Resize",    "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool",
      "Mul",  "Add",  "LeakyRelu", "Split", "Concat", "Transpose", "Slice",   "Reshape",     "Flatten",       "MatMul"};
  spec.fusion.activations = {"Relu", "Clip"};
  spec.passes = {{"split-gemm", "", nullptr}};
  spec.exporters = {"onnx-qdq", "ppq-json"};
  return spec;
}

SlotRule bias_of_product_in_float() {
  SlotRule rule = rules::in_float(SlotRole::Constant, {"Add"});
  rule.when = [](const Node& node, size_t index) {
    const Value* other = node.input(1 - index);
    return other && other->producer() && other->producer()->is("MatMul");
  };
  return rule;
}

}  // namespace

/// MetaX, weights per channel, as PPQ's METAX_INT8_C.
PlatformSpec metax_int8_c() {
  PlatformSpec spec = metax();
  spec.id = TargetPlatform::METAX_INT8_C;
  spec.name = "metax_int8_c";
  spec.aliases = {"metax_per_channel"};
  spec.summary = "MetaX: int8 activations, int8 per-channel weights, 30-bit biases";
  spec.slots = plain_slots(rules::narrow_symmetric(8), rules::per_channel(rules::narrow_symmetric(8)));
  spec.slots.insert(spec.slots.begin(), bias_of_product_in_float());
  spec.slots.push_back(bias_of(rules::limited(rules::per_channel(rules::signed_symmetric(30)), -std::exp2(29), std::exp2(29))));
  return spec;
}

/// MetaX, weights per tensor, as PPQ's METAX_INT8_T.
PlatformSpec metax_int8_t() {
  PlatformSpec spec = metax();
  spec.id = TargetPlatform::METAX_INT8_T;
  spec.name = "metax_int8_t";
  spec.aliases = {"metax", "metax_per_tensor"};
  spec.summary = "MetaX: uint8 activations and weights per tensor, biases in float";
  spec.slots = plain_slots(rules::unsigned_asymmetric(8), rules::unsigned_asymmetric(8));
  spec.slots.insert(spec.slots.begin(), bias_of_product_in_float());
  spec.default_setting = "metax_pertensor";
  spec.adjust_setting = equalize;
  return spec;
}

}  // namespace ppq::platforms
