#include "platforms/platforms.h"

namespace ppq::platforms {

/// Intel OpenVINO, as PPQ's OPENVINO_INT8: the rules of TensorRT.
PlatformSpec openvino_int8() {
  PlatformSpec spec = tensorrt_int8();
  spec.id = TargetPlatform::OPENVINO_INT8;
  spec.name = "openvino_int8";
  spec.aliases = {"openvino"};
  spec.summary = "Intel OpenVINO: int8 activations, int8 per-channel weights, biases in float";
  spec.exporters = {"onnx-qdq"};
  return spec;
}

}  // namespace ppq::platforms
