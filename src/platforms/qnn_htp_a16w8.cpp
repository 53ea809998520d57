#include "platforms/platforms.h"

namespace ppq::platforms {

/// qnn_htp_int8 with 16-bit activations, for networks that lose too much at 8 bits.
PlatformSpec qnn_htp_a16w8() {
  PlatformSpec spec = hexagon_htp(/*activation_bits=*/16);
  spec.id = TargetPlatform::QNN_HTP_A16W8;
  spec.name = "qnn_htp_a16w8";
  spec.aliases = {"a16w8", "qnn_htp_int16"};
  spec.summary = "Qualcomm QNN on the Hexagon tensor processor: uint16 activations, int8 per-channel weights";
  return spec;
}

}  // namespace ppq::platforms
