#include "platforms/platforms.h"

namespace ppq::platforms {

/// Alibaba MNN, as PPQ's MNN_INT8.
PlatformSpec mnn_int8() {
  PlatformSpec spec;
  spec.id = TargetPlatform::MNN_INT8;
  spec.name = "mnn_int8";
  spec.aliases = {"mnn"};
  spec.summary = "Alibaba MNN: int8 activations of Conv, Gemm and Add, int8 weights, per channel for Conv, biases in float";
  spec.quant_types = {"Conv", "Add", "Gemm"};
  const QuantScheme plain = rules::rounded(rules::narrow_symmetric(8), Rounding::HalfFarFromZero);
  spec.slots = plain_slots(plain, plain);
  spec.slots.insert(spec.slots.begin(), rules::quantized(SlotRole::Weight, rules::per_channel(plain), {"Conv"}));
  spec.fusion.activations = {"Relu", "Clip", "Swish", "Softplus", "Sigmoid"};
  spec.default_setting = "mnn";
  spec.exporters = {"onnx", "mnn-json"};
  return spec;
}

}  // namespace ppq::platforms
