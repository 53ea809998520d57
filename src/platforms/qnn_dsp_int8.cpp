#include "platforms/platforms.h"

namespace ppq::platforms {

/// Qualcomm QNN on the Hexagon DSP (up to v66), as PPQ's QNN_DSP_INT8.
PlatformSpec qnn_dsp_int8() {
  PlatformSpec spec = hexagon_dsp();
  spec.id = TargetPlatform::QNN_DSP_INT8;
  spec.name = "qnn_dsp_int8";
  spec.aliases = {"qnn", "qnn_dsp"};
  spec.summary = "Qualcomm QNN on the Hexagon DSP: uint8 activations, uint8 per-tensor weights";
  return spec;
}

}  // namespace ppq::platforms
