#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ppq/quant.h"

namespace ppq {

/// Targets, numbered as in PPQ (settings files hold these numbers). Only those with a PlatformSpec can be quantized for;
/// QNN_HTP_* are ours.
enum class TargetPlatform : int {
  MNN_INT8 = 100,
  TRT_INT8 = 101,
  NCNN_INT8 = 102,
  OPENVINO_INT8 = 103,
  TENGINE_INT8 = 104,
  TRT_FP8 = 105,
  ASC_INT8 = 106,
  PPL_CUDA_INT8 = 201,
  PPL_CUDA_INT4 = 202,
  PPL_CUDA_FP16 = 203,
  PPL_CUDA_MIX = 204,
  PPL_DSP_INT8 = 301,
  SNPE_INT8 = 302,
  PPL_DSP_TI_INT8 = 303,
  QNN_DSP_INT8 = 304,
  QNN_HTP_INT8 = 310,
  QNN_HTP_A16W8 = 311,
  HOST_INT8 = 401,
  NXP_INT8 = 501,
  FPGA_INT8 = 502,
  RKNN_INT8 = 601,
  METAX_INT8_C = 701,
  METAX_INT8_T = 702,
  HEXAGON_INT8 = 801,
  GRAPHCORE_FP8 = 901,
  FP32 = 0,
  FP16 = 1,
  BF16 = 2,
  FP8 = 3,
  INT8 = 4,
  SOI = -1,
  UNSPECIFIED = -2,
  BOUNDARY = -3,
  ONNX = -4,
  CAFFE = -5,
  NATIVE = -6,
  ONNXRUNTIME = -7,
  EXTENSION = -10086,
};
/// Every name of the enumeration with its value, in the order above.
const std::vector<std::pair<const char*, TargetPlatform>>& target_platforms();
/// "QNN_DSP_INT8"; the number in digits for values that are not in the enumeration.
std::string name_of(TargetPlatform platform);
/// The platform of that name: case ignored, '-' as '_'; nullopt when there is none.
std::optional<TargetPlatform> parse_target_platform(const std::string& name);

/// How the target quantizes biases (input 2 of computing operations).
enum class BiasRule { Float, Passive };

/// A target as data: everything the passes need to know of it, and nothing about how they work.
struct PlatformSpec {
  TargetPlatform id;
  std::string name;                  ///< "qnn_dsp_int8": the CLI's word
  std::vector<std::string> aliases;  ///< other accepted spellings ("QNN_DSP_INT8" is accepted by case-folding)
  std::string summary;               ///< one line for `list platforms`
  QuantScheme activation;
  QuantScheme weight;  ///< of Conv, ConvTranspose, Gemm, MatMul parameters (axis is set by op type)
  bool weight_per_channel = false;
  BiasRule bias = BiasRule::Passive;
  QuantScheme bias_scheme;
  std::set<std::string> quant_types;        ///< op types computed in integers
  std::set<std::string> fused_activations;  ///< types that merge into the computing op before them
  /// Outputs with a fixed range whatever the data: Sigmoid and Softmax 0..1.
  std::map<std::string, std::pair<double, double>> fixed_output_ranges;
  std::string default_setting;         ///< factory name: "dsp"
  std::vector<std::string> exporters;  ///< default --export
};

/// Every platform, in listing order.
const std::vector<PlatformSpec>& platform_table();
/// By name or alias, case ignored, '-' as '_'. Throws Usage with candidates, Unsupported for targets of PPQ that have no
/// PlatformSpec here.
const PlatformSpec& find_platform(const std::string& name);
const PlatformSpec& find_platform(TargetPlatform id);

}  // namespace ppq
