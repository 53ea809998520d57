#pragma once

#include <limits>
#include <string>
#include <vector>

#include "ppq/setting.h"

namespace ppq::setting_fields {

/// What a field may hold, beyond its type.
struct Rule {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  std::vector<std::string> choices;  ///< of strings; empty means any
  bool any_case = false;
  bool nullable = false;  ///< JSON null is the empty string
};
inline Rule at_least(double min) { return {.min = min}; }
inline Rule between(double min, double max) { return {.min = min, .max = max}; }
inline Rule one_of(std::vector<std::string> choices) { return {.choices = std::move(choices)}; }

inline Rule device() { return one_of({"cpu", "cuda", "executor"}); }
inline Rule observer() { return {.nullable = true}; }

// The fields of each group, once, for reading and writing. A visitor has `field(name, member, rule)` for plain members
// and `group(name, setting)` for nested objects.

template <class V>
void visit(V& v, GraphFormatSetting& s) {
  v.field("format_constant_op", s.format_constant_op);
  v.field("fuse_conv_bn", s.fuse_conv_bn);
  v.field("format_paramters", s.format_paramters);
  v.field("format_cast", s.format_cast);
  v.field("delete_isolate", s.delete_isolate);
}

template <class V>
void visit(V& v, SSDSetting& s) {
  v.field("opt_level", s.opt_level, between(1, 1));
  v.field("channel_ratio", s.channel_ratio, between(0, 1));
  v.field("loss_threshold", s.loss_threshold, at_least(0));
  v.field("layer_norm", s.layer_norm);
  v.field("iteration", s.iteration, at_least(0));
}

template <class V>
void visit(V& v, EqualizationSetting& s) {
  v.field("opt_level", s.opt_level, between(1, 2));
  v.field("iterations", s.iterations, at_least(0));
  v.field("value_threshold", s.value_threshold, at_least(0));
  v.field("including_bias", s.including_bias);
  v.field("bias_multiplier", s.bias_multiplier, at_least(0));
  v.field("including_act", s.including_act);
  v.field("act_multiplier", s.act_multiplier, at_least(0));
}

template <class V>
void visit(V& v, WeightSplitSetting& s) {
  v.field("interested_layers", s.interested_layers);
  v.field("value_threshold", s.value_threshold, at_least(0));
  v.field("method", s.method, one_of({"balance", "random"}));
}

template <class V>
void visit(V& v, MatrixFactorizationSetting& s) {
  v.field("interested_layers", s.interested_layers);
  v.field("method", s.method, one_of({"svd", "training"}));
}

template <class V>
void visit(V& v, ActivationQuantSetting& s) {
  v.field("calib_algorithm", s.calib_algorithm, observer());
}

template <class V>
void visit(V& v, ParameterQuantSetting& s) {
  v.field("calib_algorithm", s.calib_algorithm, observer());
  v.field("quantize_passive_parameter", s.quantize_passive_parameter);
  v.field("baking_parameter", s.baking_parameter);
}

template <class V>
void visit(V& v, LSQSetting& s) {
  v.field("interested_layers", s.interested_layers);
  v.field("lr", s.lr, at_least(0));
  v.field("collecting_device", s.collecting_device, device());
  v.field("steps", s.steps, at_least(0));
  v.field("is_scale_trainable", s.is_scale_trainable);
  v.field("gamma", s.gamma, at_least(0));
  v.field("block_size", s.block_size, at_least(1));
}

template <class V>
void visit(V& v, BlockwiseReconstructionSetting& s) {
  v.field("interested_layers", s.interested_layers);
  v.field("is_scale_trainable", s.is_scale_trainable);
  v.field("lr", s.lr, at_least(0));
  v.field("steps", s.steps, at_least(0));
  v.field("gamma", s.gamma, at_least(0));
  v.field("collecting_device", s.collecting_device, device());
  v.field("block_size", s.block_size, at_least(1));
}

template <class V>
void visit(V& v, BiasCorrectSetting& s) {
  v.field("interested_layers", s.interested_layers);
  v.field("block_size", s.block_size, at_least(1));
  v.field("steps", s.steps, at_least(1));
  v.field("collecting_device", s.collecting_device, device());
}

template <class V>
void visit(V& v, FusionSetting& s) {
  const std::string none = "None", input = "Align to Input", output = "Align to Output", large = "Align to Large";
  v.field("remove_useless_quantization", s.remove_useless_quantization);
  v.field("fuse_activation", s.fuse_activation);
  v.field("fuse_passive_op", s.fuse_passive_op);
  v.field("align_quantization", s.align_quantization);
  v.field("align_avgpooling_to", s.align_avgpooling_to, one_of({none, input, output}));
  v.field("align_elementwise_to", s.align_elementwise_to, one_of({none, large, output}));
  v.field("align_concat_to", s.align_concat_to, one_of({none, large, output}));
  v.field("align_resize_to", s.align_resize_to, one_of({none, input, output}));
  v.field("force_alignment_overlap", s.force_alignment_overlap);
}

template <class V>
void visit(V& v, ExtraSetting& s) {
  v.field("passes", s.passes);
  v.field("keep_float", s.keep_float);
  v.field("bits", s.bits, between(2, 32));
  v.field("cross_clip_equalization", s.cross_clip_equalization);
  v.field("absorb_high_bias", s.absorb_high_bias);
  v.field("choose_equalization_by_data", s.choose_equalization_by_data);
  v.field("weight_search", s.weight_search, one_of({"minmax", "grid", "mse", "output", "auto"}));
  v.field("compensate_rounding", s.compensate_rounding);
  v.field("smooth_layer_norm", s.smooth_layer_norm);
  v.field("smooth_alpha", s.smooth_alpha, between(0, 1));
  v.field("channel_split_ratio", s.channel_split_ratio, between(0, 1));
}

template <class V>
void visit(V& v, QuantizationSetting& s) {
  v.field("dispatcher", s.dispatcher,
          {.choices = {"conservative", "pointwise", "allin", "perseus", "pursus", "pplnn", "aggresive", "aggressive"}, .any_case = true});
  v.group("graph_format_setting", s.graph_format_setting);
  v.field("ssd_equalization", s.ssd_equalization);
  v.group("ssd_setting", s.ssd_setting);
  v.field("equalization", s.equalization);
  v.group("equalization_setting", s.equalization_setting);
  v.field("weight_split", s.weight_split);
  v.group("weight_split_setting", s.weight_split_setting);
  v.field("channel_split", s.channel_split);
  v.group("channel_split_setting", s.channel_split_setting);
  v.field("matrix_factorization", s.matrix_factorization);
  v.group("matrix_factorization_setting", s.matrix_factorization_setting);
  v.field("quantize_activation", s.quantize_activation);
  v.group("quantize_activation_setting", s.quantize_activation_setting);
  v.field("quantize_parameter", s.quantize_parameter);
  v.group("quantize_parameter_setting", s.quantize_parameter_setting);
  v.field("lsq_optimization", s.lsq_optimization);
  v.group("lsq_optimization_setting", s.lsq_optimization_setting);
  v.field("blockwise_reconstruction", s.blockwise_reconstruction);
  v.group("blockwise_reconstruction_setting", s.blockwise_reconstruction_setting);
  v.field("bias_correct", s.bias_correct);
  v.group("bias_correct_setting", s.bias_correct_setting);
  v.field("fusion", s.fusion);
  v.group("fusion_setting", s.fusion_setting);
  v.field("extension", s.extension);
  v.field("version", s.version);
  v.field("signature", s.signature);
  v.group("ppq_torch", s.extra);
}

}  // namespace ppq::setting_fields
