#include "platforms/operator_sets.h"
#include "platforms/platforms.h"

namespace ppq::platforms {

/// OPEN AI LAB Tengine, as PPQ's TENGINE_INT8.
PlatformSpec tengine_int8() {
  PlatformSpec spec;
  spec.id = TargetPlatform::TENGINE_INT8;
  spec.name = "tengine_int8";
  spec.aliases = {"tengine"};
  spec.summary = "Tengine: uint8 activations and weights per tensor, 30-bit biases";
  // PPQ lists ConvTranspose among the layers with weights, and not among those that it quantizes.
  spec.quant_types = {"Conv", "ConvTranspose", "GlobalAveragePool", "AveragePool", "Relu", "Add", "Mul", "Clip", "Sigmoid", "MatMul",
                      "Gemm", "Concat",        "LeakyRelu",         "Softmax"};
  spec.slots = plain_slots(rules::unsigned_asymmetric(8), rules::unsigned_asymmetric(8));
  spec.slots.push_back(bias_of(rules::signed_symmetric(30)));
  spec.fusion.activations = {"Relu", "Clip"};
  spec.adjust_setting = equalize;
  spec.exporters = {"onnx", "tengine-scale"};
  return spec;
}

}  // namespace ppq::platforms
