#include "platforms/operator_sets.h"
#include "platforms/platforms.h"

namespace ppq::platforms {

/// NVIDIA TensorRT, of which only the inputs of layers and poolings are quantized, as PPQ's quantizer of that kind, which no platform
/// of PPQ points to.
PlatformSpec trt_int8_input_only() {
  PlatformSpec spec;
  spec.id = TargetPlatform::TRT_INT8_INPUT_ONLY;
  spec.name = "trt_int8_input_only";
  spec.summary = "NVIDIA TensorRT: int8 inputs of layers, int8 per-channel weights, the rest in float";
  const Types layers = {"Conv", "Gemm", "ConvTranspose", "MatMul"};
  spec.quant_types = layers + Types{"AveragePool", "GlobalAveragePool"};
  spec.slots = plain_slots(rules::signed_symmetric(8), rules::per_channel(rules::signed_symmetric(8)));
  spec.slots.insert(spec.slots.begin(), rules::in_float(SlotRole::Output, layers));
  spec.fusion.activations = {"Relu", "Clip"};
  spec.default_setting = "trt";
  spec.exporters = {"onnx-qdq"};
  return spec;
}

}  // namespace ppq::platforms
