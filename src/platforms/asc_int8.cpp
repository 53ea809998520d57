#include "platforms/platforms.h"
#include "ppq/graph.h"

namespace ppq::platforms {

/// Huawei Ascend, as PPQ's ASC_INT8. PPQ wants an attribute of Gemm that ONNX does not have; what counts is that it scales nothing.
PlatformSpec asc_int8() {
  PlatformSpec spec;
  spec.id = TargetPlatform::ASC_INT8;
  spec.name = "asc_int8";
  spec.aliases = {"asc", "ascend", "ascend_int8"};
  spec.summary = "Huawei Ascend: uint8 activations, int8 weights, per channel for convolutions, biases in float";
  spec.quant_types = {"Conv", "ConvTranspose", "Gemm", "AveragePool"};
  spec.computes_if = [](const Node& node) {
    return !node.is("Gemm") || (node.attributes.get_float("alpha", 1) == 1 && node.attributes.get_float("beta", 1) == 1);
  };
  const auto rounded = [](const QuantScheme& scheme) { return rules::rounded(scheme, Rounding::HalfFarFromZero); };
  spec.slots = plain_slots(rounded(rules::unsigned_asymmetric(8)), rounded(rules::per_channel(rules::signed_symmetric(8))));
  spec.slots.insert(spec.slots.begin(), rules::quantized(SlotRole::Weight, rounded(rules::signed_symmetric(8)), {"Gemm"}));
  spec.fusion.activations = {"Relu", "Clip"};
  spec.default_setting = "ascend";
  spec.exporters = {"onnx", "ascend-record"};
  return spec;
}

}  // namespace ppq::platforms
