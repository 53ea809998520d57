#include "platforms/platforms.h"

namespace ppq::platforms {

/// Qualcomm QNN on the Hexagon tensor processor (v68 and newer), which takes symmetric per-channel weights.
PlatformSpec qnn_htp_int8() {
  PlatformSpec spec = hexagon_htp(/*activation_bits=*/8);
  spec.id = TargetPlatform::QNN_HTP_INT8;
  spec.name = "qnn_htp_int8";
  spec.aliases = {"qnn_htp", "htp", "qnn_htp_a8w8"};
  spec.summary = "Qualcomm QNN on the Hexagon tensor processor: uint8 activations, int8 per-channel weights";
  return spec;
}

}  // namespace ppq::platforms
