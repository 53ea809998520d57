#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ppq {

struct PlatformSpec;

// Field names and defaults are those of PPQ 0.6.6 JSON files (also the misspelt ones).
struct GraphFormatSetting {
  bool format_constant_op = true, fuse_conv_bn = true, format_paramters = true, format_cast = true, delete_isolate = true;
  bool operator==(const GraphFormatSetting&) const = default;
};
struct SSDSetting {
  int opt_level = 1;
  double channel_ratio = 0.5, loss_threshold = 0.8;
  bool layer_norm = false;
  int iteration = 3;
  bool operator==(const SSDSetting&) const = default;
};
struct EqualizationSetting {
  int opt_level = 1, iterations = 10;
  double value_threshold = 0.5;
  bool including_bias = false;
  double bias_multiplier = 0.5;
  bool including_act = false;
  double act_multiplier = 0.5;
  bool operator==(const EqualizationSetting&) const = default;
};
struct WeightSplitSetting {
  std::vector<std::string> interested_layers;
  double value_threshold = 2.0;
  std::string method = "balance";
  bool operator==(const WeightSplitSetting&) const = default;
};
struct ActivationQuantSetting {
  std::string calib_algorithm;  ///< empty (JSON null): the platform's
  bool operator==(const ActivationQuantSetting&) const = default;
};
struct ParameterQuantSetting {
  std::string calib_algorithm;
  bool quantize_passive_parameter = true, baking_parameter = true;
  bool operator==(const ParameterQuantSetting&) const = default;
};
struct LSQSetting {
  std::vector<std::string> interested_layers;
  double lr = 1e-5;
  std::string collecting_device = "cuda";
  int steps = 500;
  bool is_scale_trainable = true;
  double gamma = 0.0;
  int block_size = 4;
  bool operator==(const LSQSetting&) const = default;
};
struct BlockwiseReconstructionSetting {
  std::vector<std::string> interested_layers;
  bool is_scale_trainable = false;
  double lr = 1e-3;
  int steps = 5000;
  double gamma = 1.0;
  std::string collecting_device = "cuda";
  int block_size = 4;
  bool operator==(const BlockwiseReconstructionSetting&) const = default;
};
struct BiasCorrectSetting {
  std::vector<std::string> interested_layers;
  int block_size = 4, steps = 32;
  std::string collecting_device = "executor";
  bool operator==(const BiasCorrectSetting&) const = default;
};
struct FusionSetting {
  bool remove_useless_quantization = true, fuse_activation = true, fuse_passive_op = true, align_quantization = true;
  std::string align_avgpooling_to = "None", align_elementwise_to = "Align to Large", align_concat_to = "Align to Output",
              align_resize_to = "Align to Output";
  bool force_alignment_overlap = true;
  bool operator==(const FusionSetting&) const = default;
};
struct MatrixFactorizationSetting {
  std::vector<std::string> interested_layers;
  std::string method = "svd";
  bool operator==(const MatrixFactorizationSetting&) const = default;
};

/// Our additions; in JSON under the separate key "ppq_torch", so PPQ still reads the file.
struct ExtraSetting {
  std::map<std::string, bool> passes;   ///< added and taken away, by name
  std::vector<std::string> keep_float;  ///< patterns: node name, op type or regex
  std::map<std::string, int> bits;      ///< pattern -> bits
  bool cross_clip_equalization = true;  ///< equalization looks through Clip(0, b)
  bool absorb_high_bias = false;
  bool choose_equalization_by_data = true;  ///< keep a pair's scales only where the measured error falls
  std::string weight_search = "auto";       ///< weight scale: "minmax", "grid", "mse", "output", "auto"
  bool compensate_rounding = true;          ///< errors of an output's weights make one another good
  bool smooth_layer_norm = false;           ///< LayerNormalization gives scale to the layers behind it where that lowers the error
  double smooth_alpha = 0.5;                ///< of the activations' unevenness, the share that the weights take
  double channel_split_ratio = 0.1;         ///< channel_split adds at most this share of a layer's channels
  bool operator==(const ExtraSetting&) const = default;
};

/// Everything a user can set about how a network is quantized.
struct QuantizationSetting {
  std::string dispatcher = "conservative";
  GraphFormatSetting graph_format_setting;
  bool ssd_equalization = false;
  SSDSetting ssd_setting;
  bool equalization = false;
  EqualizationSetting equalization_setting;
  bool weight_split = false;
  WeightSplitSetting weight_split_setting;
  bool channel_split = false;
  EqualizationSetting channel_split_setting;
  bool matrix_factorization = false;
  MatrixFactorizationSetting matrix_factorization_setting;
  bool quantize_activation = true;
  ActivationQuantSetting quantize_activation_setting;
  bool quantize_parameter = true;
  ParameterQuantSetting quantize_parameter_setting;
  bool lsq_optimization = false;
  LSQSetting lsq_optimization_setting;
  bool blockwise_reconstruction = false;
  BlockwiseReconstructionSetting blockwise_reconstruction_setting;
  bool bias_correct = false;
  BiasCorrectSetting bias_correct_setting;
  bool fusion = true;
  FusionSetting fusion_setting;
  bool extension = false;
  std::string version = "0.6.6";
  std::string signature = "PPL Quantization Tool";
  std::map<std::string, int> dispatching_table;  ///< op name -> platform number (0 float, -1 shape-or-index)
  ExtraSetting extra;

  /// PPQ's JSON (keys sorted, indent 4) plus our "ppq_torch" object.
  std::string to_json() const;
  /// Missing keys keep defaults, unknown keys are collected into `warnings`. Throws Usage listing every wrong type or
  /// value at once with its JSON path.
  static QuantizationSetting from_json(const std::string& text, std::vector<std::string>* warnings = nullptr);
  bool operator==(const QuantizationSetting&) const = default;
};

struct QuantizationSettingFactory {
  static QuantizationSetting default_setting();
  static QuantizationSetting academic_setting();
  static QuantizationSetting ncnn_setting();
  static QuantizationSetting mnn_setting();
  static QuantizationSetting pplcuda_setting();
  static QuantizationSetting metax_pertensor_setting();
  static QuantizationSetting ascend_setting();
  /// PPQ's setting for DSPs: layerwise equalization, 3 iterations, threshold 0.5.
  static QuantizationSetting dsp_setting();
  static QuantizationSetting nxp_setting();
  static QuantizationSetting fpga_setting();
  static QuantizationSetting trt_setting();
  /// Our default for a platform, chosen by measurement (docs/settings.md).
  static QuantizationSetting setting_for(const std::string& platform);
  static QuantizationSetting setting_for(const PlatformSpec& platform);
  /// "dsp", "default", … or a JSON file. Throws Usage with candidates; `option` is what errors call the place.
  static QuantizationSetting by_name(const std::string& name_or_file, std::vector<std::string>* warnings = nullptr,
                                     const std::string& option = "setting");
  static std::vector<std::string> names();
};

}  // namespace ppq
