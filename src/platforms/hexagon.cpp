#include "platforms/platforms.h"

namespace ppq::platforms {
namespace {

/// SNPE and QNN widen narrower activation ranges to this.
constexpr double kMinRange = 1e-4;

QuantScheme symmetric(int bits, double limit_low, double limit_high) {
  QuantScheme scheme;
  scheme.bits = bits;
  scheme.quant_min = limit_low;
  scheme.quant_max = limit_high;
  scheme.symmetric = true;
  return scheme;
}

}  // namespace

std::set<std::string> hexagon_types() {
  return {// computing
          "Conv", "ConvTranspose", "Gemm", "MatMul",
          // activations
          "Relu", "PRelu", "LeakyRelu", "Clip", "Sigmoid", "Softmax", "HardSigmoid", "HardSwish", "Tanh", "Gelu", "Elu",
          // arithmetic
          "Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Scale",
          // pooling, reduction, normalization, resampling
          "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool", "ReduceMean", "BatchNormalization", "InstanceNormalization",
          "LayerNormalization", "Resize", "Upsample", "Interp",
          // data movement
          "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Concat", "Split", "Slice", "Gather", "Pad", "DepthToSpace",
          "SpaceToDepth", "Expand", "Tile", "Identity", "Dropout"};
}

PlatformSpec hexagon_dsp() {
  PlatformSpec spec;
  spec.activation.bits = 8;
  spec.activation.quant_min = 0;
  spec.activation.quant_max = 255;
  spec.activation.observer = "minmax";
  spec.activation.min_range = kMinRange;
  spec.weight.bits = 8;
  spec.weight.quant_min = 0;
  spec.weight.quant_max = 255;
  spec.weight.observer = "minmax";
  spec.bias = BiasRule::Passive;
  spec.bias_scheme = symmetric(30, -static_cast<double>(1 << 29), static_cast<double>((1 << 29) - 1));
  spec.quant_types = hexagon_types();
  spec.fused_activations = {"Relu", "Clip"};
  spec.fixed_output_ranges = {{"Sigmoid", {0, 1}}, {"Softmax", {0, 1}}};
  spec.default_setting = "dsp";
  spec.exporters = {"onnx", "encodings"};
  return spec;
}

PlatformSpec hexagon_htp() {
  PlatformSpec spec = hexagon_dsp();
  spec.weight = symmetric(8, -128, 127);
  spec.weight.granularity = Granularity::PerChannel;
  spec.weight_per_channel = true;
  spec.bias_scheme = symmetric(32, -2147483648.0, 2147483647.0);
  spec.bias_scheme.granularity = Granularity::PerChannel;
  return spec;
}

}  // namespace ppq::platforms
