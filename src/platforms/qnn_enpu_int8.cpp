#include "platforms/platforms.h"

namespace ppq::platforms {

/// Qualcomm's eNPU (v6 and v7): everything symmetric and per tensor.
PlatformSpec qnn_enpu_int8() {
  const QuantScheme plain = rules::signed_symmetric(8);
  PlatformSpec spec = hexagon_symmetric(plain, rules::signed_symmetric(32));
  spec.id = TargetPlatform::QNN_ENPU_INT8;
  spec.name = "qnn_enpu_int8";
  spec.aliases = {"enpu", "enpu_v6", "enpu_v7"};
  spec.summary = "Qualcomm eNPU (v6, v7): int8 activations and weights, symmetric and per tensor, 32-bit biases";
  return spec;
}

}  // namespace ppq::platforms
