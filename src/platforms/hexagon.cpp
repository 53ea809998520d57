// Rules of Qualcomm's Hexagon back-ends.
// - Schemes, fusion and what is never written: PPQ 0.6.6's quantizer for its DSP targets (PPL_DSP_INT8, SNPE_INT8, QNN_DSP_INT8).
// - Types: those of that quantizer, and the data movement, activations and normalizations that SNPE and QNN compute in integers as
//   well; a float operation between two integer ones would leave tensors without encodings.
// - Ranges: the tools widen activations narrower than 1e-4 (SNPE, "Quantized vs Non-Quantized Models"), and take 0..1 for the
//   outputs of Sigmoid and Softmax.
// - Operators written out: QNN has no Erf and no kernel for the square of a difference in 8 bits worth having; onnxruntime's QNN back-end
//   puts Gelu (pull request 26417) and LayerNormalization (onnxruntime-qnn, pull request 167) together again. What a converter leaves
//   apart has no encodings inside, so that it stays float or gets the converter's own.
// - The tensor processor's weights are symmetric and per channel, its biases 32 bits wide (QNN's HTP operator definitions).
#include "platforms/operator_sets.h"
#include "platforms/platforms.h"

namespace ppq::platforms {
namespace {

constexpr double kMinRange = 1e-4;

std::vector<SlotRule> hexagon_slots(QuantScheme activation, const QuantScheme& weight, const QuantScheme& bias) {
  using enum SlotRole;
  activation.min_range = kMinRange;
  SlotRule zero_to_one = rules::quantized(Output, activation, {"Sigmoid", "Softmax"});
  zero_to_one.range = std::pair{0.0, 1.0};
  return {zero_to_one,
          rules::quantized(Output, activation),
          rules::quantized(Data, activation),
          rules::quantized(Constant, activation),
          rules::quantized(Weight, weight),
          rules::passive(Bias, bias),
          rules::passive(Bound, activation)};
}

/// What both kinds of back-end have in common.
PlatformSpec hexagon(std::vector<SlotRule> slots) {
  PlatformSpec spec;
  spec.quant_types = hexagon_types();
  spec.slots = std::move(slots);
  spec.fusion.activations = {"Relu", "Clip"};
  spec.fusion.composites = {"LayerNormalization", "RMSNormalization", "Gelu"};
  spec.default_setting = "dsp";
  // Hexagon's Add takes inputs of different scales, and one common scale costs residual networks half of their precision
  // (docs/accuracy.md).
  spec.adjust_setting = scales_of_its_own;
  spec.exporters = {"onnx", "encodings"};
  return spec;
}

}  // namespace

PlatformSpec hexagon_dsp() {
  return hexagon(hexagon_slots(rules::unsigned_asymmetric(8), rules::unsigned_asymmetric(8), rules::signed_symmetric(30)));
}

PlatformSpec hexagon_htp(int activation_bits) {
  return hexagon(hexagon_slots(rules::unsigned_asymmetric(activation_bits), rules::per_channel(rules::signed_symmetric(8)),
                               rules::per_channel(rules::signed_symmetric(32))));
}

PlatformSpec hexagon_symmetric(const QuantScheme& scheme, const QuantScheme& bias) { return hexagon(hexagon_slots(scheme, scheme, bias)); }

}  // namespace ppq::platforms
