#include <cmath>

#include "platforms/operator_sets.h"
#include "platforms/platforms.h"

namespace ppq::platforms {

namespace {

/// OpenPPL on CUDA: activations per tensor, weights per channel.
PlatformSpec ppl_cuda(const QuantScheme& scheme) {
  PlatformSpec spec;
  spec.quant_types = ppl_cuda_types();
  spec.slots = plain_slots(scheme, rules::per_channel(scheme));
  spec.fusion.activations = {"Relu", "Clip", "Sigmoid", "LeakyRelu"};
  spec.default_setting = "pplcuda";
  spec.exporters = {"onnx", "ppq-json"};
  return spec;
}

SlotRule bias() { return bias_of(rules::limited(rules::per_channel(rules::signed_symmetric(32)), -std::exp2(31) + 1, std::exp2(31) - 1)); }

}  // namespace

/// OpenPPL on CUDA, as PPQ's PPL_CUDA_INT8.
PlatformSpec ppl_cuda_int8() {
  PlatformSpec spec = ppl_cuda(rules::signed_symmetric(8));
  spec.id = TargetPlatform::PPL_CUDA_INT8;
  spec.name = "ppl_cuda_int8";
  spec.aliases = {"ppl_cuda", "pplcuda"};
  spec.summary = "OpenPPL on CUDA: int8 activations, int8 per-channel weights, 32-bit biases";
  spec.exporters = {"onnx", "ppl-cuda-json"};
  spec.slots.push_back(bias());
  return spec;
}

/// The 4-bit kind, of which PPQ has the name alone: the rules of 8 bits with as many as the tensor cores' int4 has, on both sides.
PlatformSpec ppl_cuda_int4() {
  PlatformSpec spec = ppl_cuda(rules::signed_symmetric(4));
  spec.id = TargetPlatform::PPL_CUDA_INT4;
  spec.name = "ppl_cuda_int4";
  spec.summary = "OpenPPL on CUDA: int4 activations, int4 per-channel weights, 32-bit biases";
  spec.slots.push_back(bias());
  return spec;
}

/// The FP8 kind: E4M3 on both sides, biases in float.
PlatformSpec ppl_cuda_fp8() {
  PlatformSpec spec = ppl_cuda(rules::minifloat(/*exponent_bits=*/4));
  spec.id = TargetPlatform::PPL_CUDA_FP8;
  spec.name = "ppl_cuda_fp8";
  spec.summary = "OpenPPL on CUDA: FP8 (E4M3) activations, FP8 per-channel weights, biases in float";
  return spec;
}

}  // namespace ppq::platforms
