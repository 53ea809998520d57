#include "platforms/platforms.h"

namespace ppq::platforms {

/// Qualcomm SNPE on the Hexagon DSP, as PPQ's SNPE_INT8.
PlatformSpec snpe_int8() {
  PlatformSpec spec = hexagon_dsp();
  spec.id = TargetPlatform::SNPE_INT8;
  spec.name = "snpe_int8";
  spec.aliases = {"snpe", "snpe_dsp_int8"};
  spec.summary = "Qualcomm SNPE on the Hexagon DSP: uint8 activations, uint8 per-tensor weights";
  return spec;
}

}  // namespace ppq::platforms
