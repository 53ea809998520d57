#include "platforms/platforms.h"

namespace ppq::platforms {

/// qnn_htp_int8 as v85 of the tensor processor has it: Tanh's output is -1..1, and what NonMaxSuppression and Gather give is not
/// rounded anew.
PlatformSpec qnn_htp_v85_int8() {
  PlatformSpec spec = hexagon_htp(/*activation_bits=*/8);
  spec.id = TargetPlatform::QNN_HTP_V85_INT8;
  spec.name = "qnn_htp_v85_int8";
  spec.aliases = {"qnn_htp_v85", "htp_v85"};
  spec.summary = "Qualcomm QNN on the Hexagon tensor processor v85: uint8 activations, int8 per-channel weights";
  SlotRule tanh = rules::quantized(SlotRole::Output, spec.scheme(SlotRole::Output), {"Tanh"});
  tanh.range = std::pair{-1.0, 1.0};
  spec.slots.insert(spec.slots.begin(), {tanh, rules::in_float(SlotRole::Output, {"Cast", "Gather", "NonMaxSuppression"})});
  return spec;
}

}  // namespace ppq::platforms
