#include "platforms/operator_sets.h"
#include "platforms/platforms.h"

namespace ppq::platforms {

/// OpenPPL on TI's DSPs, as PPQ's PPL_DSP_TI_INT8.
PlatformSpec ppl_dsp_ti_int8() {
  PlatformSpec spec;
  spec.id = TargetPlatform::PPL_DSP_TI_INT8;
  spec.name = "ppl_dsp_ti_int8";
  spec.aliases = {"ppl_dsp_ti"};
  spec.summary = "OpenPPL on TI's DSPs: int8 activations, int8 per-channel weights, biases in float";
  spec.quant_types = hexagon_types();
  spec.slots = plain_slots(rules::signed_symmetric(8), rules::per_channel(rules::signed_symmetric(8)));
  spec.fusion.activations = {"Relu", "Clip"};
  spec.default_setting = "dsp";
  spec.exporters = {"onnx", "encodings"};
  return spec;
}

}  // namespace ppq::platforms
