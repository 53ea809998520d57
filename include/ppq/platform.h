#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "ppq/quant.h"

namespace ppq {

/// Targets, numbered as in PPQ. Only those with a PlatformSpec can be quantized for.
enum class TargetPlatform : int {
  PPL_DSP_INT8 = 301, SNPE_INT8 = 302, QNN_DSP_INT8 = 304,
  QNN_HTP_INT8 = 310, QNN_HTP_A16W8 = 311,
  FP32 = 0, SOI = -1, UNSPECIFIED = -2,
};

/// How the target quantizes biases (input 2 of computing operations).
enum class BiasRule { Float, Passive };

/// A target as data: everything the passes need to know of it, and nothing about how they work.
struct PlatformSpec {
  TargetPlatform id;
  std::string name;                  ///< "qnn_dsp_int8": the CLI's word
  std::vector<std::string> aliases;  ///< other accepted spellings ("QNN_DSP_INT8" is accepted by case-folding)
  std::string summary;               ///< one line for `list platforms`
  QuantScheme activation;
  QuantScheme weight;                ///< of Conv, ConvTranspose, Gemm, MatMul parameters (axis is set by op type)
  bool weight_per_channel = false;
  BiasRule bias = BiasRule::Passive;
  QuantScheme bias_scheme;
  std::set<std::string> quant_types;       ///< op types computed in integers
  std::set<std::string> fused_activations; ///< types that merge into the computing op before them
  /// Outputs with a fixed range whatever the data: Sigmoid and Softmax 0..1.
  std::map<std::string, std::pair<double, double>> fixed_output_ranges;
  std::string default_setting;             ///< factory name: "dsp"
  std::vector<std::string> exporters;      ///< default --export
};

/// Every platform, in listing order.
const std::vector<PlatformSpec>& platform_table();
/// By name or alias, case ignored, '-' as '_'. Throws Usage with candidates.
const PlatformSpec& find_platform(const std::string& name);
const PlatformSpec& find_platform(TargetPlatform id);

}  // namespace ppq
