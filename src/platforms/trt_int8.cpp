#include "platforms/platforms.h"

namespace ppq::platforms {

/// NVIDIA TensorRT, as PPQ's TRT_INT8.
PlatformSpec trt_int8() {
  PlatformSpec spec = tensorrt_int8();
  spec.id = TargetPlatform::TRT_INT8;
  spec.name = "trt_int8";
  spec.aliases = {"trt", "tensorrt", "tensorrt_int8"};
  spec.summary = "NVIDIA TensorRT: int8 activations, int8 per-channel weights, biases in float";
  spec.default_setting = "trt";
  spec.exporters = {"onnx-qdq", "onnx", "tensorrt-json"};
  return spec;
}

}  // namespace ppq::platforms
