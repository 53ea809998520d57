#include <cmath>

#include "platforms/operator_sets.h"
#include "platforms/platforms.h"

namespace ppq::platforms {

namespace {

Types rknn_types() {
  return Types{"Conv", "GlobalAveragePool", "AveragePool", "Relu", "Add",    "Mul",
               "Clip", "Sigmoid",           "MatMul",      "Gemm", "Concat", "LeakyRelu"} +
         moving_types();
}

SlotRule bias(QuantScheme scheme) { return bias_of(rules::limited(std::move(scheme), -std::exp2(29), std::exp2(29))); }

}  // namespace

/// Rockchip's NPUs, as PPQ's RKNN_INT8: weights per tensor.
PlatformSpec rknn_int8() {
  PlatformSpec spec;
  spec.id = TargetPlatform::RKNN_INT8;
  spec.name = "rknn_int8";
  spec.aliases = {"rknn", "rknn_int8_t"};
  spec.summary = "Rockchip RKNN: uint8 activations and weights per tensor, 32-bit biases";
  spec.quant_types = rknn_types();
  spec.slots = plain_slots(rules::unsigned_asymmetric(8), rules::unsigned_asymmetric(8));
  spec.slots.push_back(bias(rules::signed_symmetric(32)));
  spec.fusion.activations = {"Relu", "Clip"};
  spec.adjust_setting = equalize;
  spec.exporters = {"onnx", "ppq-json"};
  return spec;
}

/// Rockchip's NPUs with weights per channel, as PPQ's quantizer of that kind, which no platform of PPQ points to.
PlatformSpec rknn_int8_c() {
  PlatformSpec spec = rknn_int8();
  spec.id = TargetPlatform::RKNN_INT8_C;
  spec.name = "rknn_int8_c";
  spec.aliases = {"rknn_per_channel"};
  spec.summary = "Rockchip RKNN: uint8 activations, int8 weights per channel for Conv and MatMul, 30-bit biases";
  spec.slots = plain_slots(rules::unsigned_asymmetric(8), rules::unsigned_asymmetric(8));
  spec.slots.insert(spec.slots.begin(),
                    rules::quantized(SlotRole::Weight, rules::per_channel(rules::narrow_symmetric(8)), {"Conv", "MatMul"}));
  // PPQ gives biases of Conv alone integers: those of Gemm stay float.
  SlotRule of_conv = bias(rules::per_channel(rules::signed_symmetric(30)));
  of_conv.types = {"Conv"};
  spec.slots.push_back(of_conv);
  spec.adjust_setting = nullptr;
  return spec;
}

}  // namespace ppq::platforms
