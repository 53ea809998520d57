#include "platforms/operator_sets.h"
#include "platforms/platforms.h"

namespace ppq::platforms {

namespace {

/// PPQ's FP8 targets: E4M3, scales that are powers of two.
PlatformSpec fp8() {
  PlatformSpec spec;
  const QuantScheme scheme = rules::minifloat(/*exponent_bits=*/4);
  spec.slots = plain_slots(scheme, rules::per_channel(scheme));
  spec.fusion.activations = {"Relu", "Clip", "Sigmoid", "LeakyRelu", "Swish", "Mish", "PRelu"};
  spec.exporters = {"onnx-qdq"};
  return spec;
}

}  // namespace

/// Graphcore's IPU, as PPQ's GRAPHCORE_FP8.
PlatformSpec graphcore_fp8() {
  PlatformSpec spec = fp8();
  spec.id = TargetPlatform::GRAPHCORE_FP8;
  spec.name = "graphcore_fp8";
  spec.aliases = {"graphcore"};
  spec.summary = "Graphcore IPU: FP8 (E4M3) activations, FP8 per-channel weights, biases in float";
  spec.quant_types = ppl_cuda_types() + Types{"MatMul"};
  return spec;
}

/// NVIDIA TensorRT in FP8, as PPQ's TRT_FP8: outputs of layers stay float.
PlatformSpec trt_fp8() {
  PlatformSpec spec = fp8();
  spec.id = TargetPlatform::TRT_FP8;
  spec.name = "trt_fp8";
  spec.aliases = {"tensorrt_fp8"};
  spec.summary = "NVIDIA TensorRT: FP8 (E4M3) inputs of layers, FP8 per-channel weights, the rest in float";
  const Types layers = {"Conv", "Gemm", "ConvTranspose", "MatMul"};
  spec.quant_types = layers + Types{"AveragePool", "GlobalAveragePool"};
  spec.slots.insert(spec.slots.begin(), rules::in_float(SlotRole::Output, layers));
  spec.default_setting = "trt";
  return spec;
}

}  // namespace ppq::platforms
