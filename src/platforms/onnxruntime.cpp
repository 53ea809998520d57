#include "platforms/operator_sets.h"
#include "platforms/platforms.h"
#include "ppq/graph.h"

namespace ppq::platforms {

/// onnxruntime, as PPQ's ONNXRUNTIME. PPQ quantizes constant weights of a MatMul per tensor; its kernels take a scale a column.
PlatformSpec onnxruntime() {
  PlatformSpec spec;
  spec.id = TargetPlatform::ONNXRUNTIME;
  spec.name = "onnxruntime";
  spec.aliases = {"ort", "onnxruntime_int8"};
  spec.summary = "onnxruntime: int8 activations, int8 per-channel weights, biases in float";
  spec.quant_types = onnxruntime_types() + moving_types() + Types{"Softplus", "Tanh"};
  spec.computes_if = [](const Node& node) { return in_mish(node) || (node.op_type != "Softplus" && node.op_type != "Tanh"); };
  spec.slots = plain_slots(rules::signed_symmetric(8), rules::per_channel(rules::signed_symmetric(8)));
  spec.fusion.activations = {"Relu", "Clip", "Sigmoid", "Swish", "Mish", "LeakyRelu"};
  // Its optimizer looks for them.
  spec.fusion.composites = {"LayerNormalization", "RMSNormalization", "Gelu"};
  spec.adjust_setting = scales_of_its_own;
  spec.exporters = {"onnx-qdq"};
  return spec;
}

}  // namespace ppq::platforms
