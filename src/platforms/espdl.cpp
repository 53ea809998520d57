#include "platforms/operator_sets.h"
#include "platforms/platforms.h"

namespace ppq::platforms {

// Rules of Espressif's ESP-DL: those of esp-ppq's quantizer, which has power-of-two scales everywhere. What each chip adds: whether
// weights have channels, how halves round, how wide the accumulator of a bias is.
namespace {

struct Chip {
  int bits, bias_bits;
  bool channels;
  Rounding rounding;
};

PlatformSpec espdl(const Chip& chip) {
  PlatformSpec spec;
  spec.quant_types = Types{"Conv",
                           "ConvTranspose",
                           "Gemm",
                           "MatMul",
                           "Relu",
                           "PRelu",
                           "Clip",
                           "LeakyRelu",
                           "Sigmoid",
                           "HardSwish",
                           "HardSigmoid",
                           "Gelu",
                           "Tanh",
                           "Elu",
                           "Exp",
                           "Softmax",
                           "LogSoftmax",
                           "Resize",
                           "AveragePool",
                           "GlobalAveragePool",
                           "Mul",
                           "Add",
                           "Max",
                           "Sub",
                           "Div",
                           "Neg",
                           "Concat",
                           "ReduceL1",
                           "ReduceL2",
                           "ReduceMean",
                           "ReduceMin",
                           "ReduceMax",
                           "ReduceProd",
                           "ReduceSum",
                           "ReduceSumSquare",
                           "ReduceLogSum",
                           "ReduceLogSumExp",
                           "LayerNormalization",
                           "RMSNormalization",
                           "ScatterND",
                           "ReverseSequence",
                           "Mod"} +
                     moving_types();
  const QuantScheme plain = rules::rounded(rules::power_of_two(rules::signed_symmetric(chip.bits)), chip.rounding);
  const auto in_channels = [&](const QuantScheme& scheme) { return chip.channels ? rules::per_channel(scheme) : scheme; };
  spec.slots = plain_slots(plain, plain);
  // MatMul's constant is an operand like its data.
  spec.slots.insert(spec.slots.begin(), {rules::in_float(SlotRole::Output, {"Softmax", "LogSoftmax"}),
                                         rules::quantized(SlotRole::Weight, in_channels(plain), {"Conv", "ConvTranspose", "Gemm"})});
  spec.slots.push_back(bias_of(in_channels(rules::rounded(rules::power_of_two(rules::signed_symmetric(chip.bias_bits)), chip.rounding))));
  spec.fusion.activations = {"Relu", "Clip", "Swish"};
  spec.adjust_setting = equalize;
  spec.exporters = {"onnx", "ppq-json"};
  return spec;
}

}  // namespace

PlatformSpec espdl_int8() {
  PlatformSpec spec = espdl({8, 32, true, Rounding::HalfEven});
  spec.id = TargetPlatform::ESPDL_INT8;
  spec.name = "espdl_int8";
  spec.aliases = {"espdl", "esp32p4", "esp32p4_int8"};
  spec.summary = "Espressif ESP32-P4: int8 activations, int8 per-channel weights, 32-bit biases, scales that are powers of two";
  return spec;
}

PlatformSpec espdl_int16() {
  PlatformSpec spec = espdl({16, 40, true, Rounding::HalfEven});
  spec.id = TargetPlatform::ESPDL_INT16;
  spec.name = "espdl_int16";
  spec.aliases = {"esp32p4_int16"};
  spec.summary = "Espressif ESP32-P4: int16 activations, int16 per-channel weights, 40-bit biases, scales that are powers of two";
  return spec;
}

PlatformSpec espdl_s3_int8() {
  PlatformSpec spec = espdl({8, 20, false, Rounding::HalfUp});
  spec.id = TargetPlatform::ESPDL_S3_INT8;
  spec.name = "espdl_s3_int8";
  spec.aliases = {"esp32s3", "esp32s3_int8"};
  spec.summary = "Espressif ESP32-S3: int8 activations and weights per tensor, 20-bit biases, scales that are powers of two";
  return spec;
}

PlatformSpec espdl_s3_int16() {
  PlatformSpec spec = espdl({16, 40, false, Rounding::HalfUp});
  spec.id = TargetPlatform::ESPDL_S3_INT16;
  spec.name = "espdl_s3_int16";
  spec.aliases = {"esp32s3_int16"};
  spec.summary = "Espressif ESP32-S3: int16 activations and weights per tensor, 40-bit biases, scales that are powers of two";
  return spec;
}

PlatformSpec espdl_c_int8() {
  PlatformSpec spec = espdl({8, 32, false, Rounding::HalfUp});
  spec.id = TargetPlatform::ESPDL_C_INT8;
  spec.name = "espdl_c_int8";
  spec.aliases = {"esp32c", "esp32_int8"};
  spec.summary = "Espressif ESP-DL in C, any chip: int8 activations and weights per tensor, 32-bit biases, scales that are powers of two";
  return spec;
}

PlatformSpec espdl_c_int16() {
  PlatformSpec spec = espdl({16, 64, false, Rounding::HalfUp});
  spec.id = TargetPlatform::ESPDL_C_INT16;
  spec.name = "espdl_c_int16";
  spec.aliases = {"esp32c_int16"};
  spec.summary = "Espressif ESP-DL in C, any chip: int16 activations and weights per tensor, 64-bit biases, scales that are powers of two";
  return spec;
}

}  // namespace ppq::platforms
