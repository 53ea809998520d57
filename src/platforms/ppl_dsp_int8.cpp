#include "platforms/platforms.h"

namespace ppq::platforms {

/// OpenPPL on the Hexagon DSP, as PPQ's PPL_DSP_INT8.
PlatformSpec ppl_dsp_int8() {
  PlatformSpec spec = hexagon_dsp();
  spec.id = TargetPlatform::PPL_DSP_INT8;
  spec.name = "ppl_dsp_int8";
  spec.aliases = {"ppl_dsp"};
  spec.summary = "OpenPPL on the Hexagon DSP: uint8 activations, uint8 per-tensor weights";
  return spec;
}

}  // namespace ppq::platforms
