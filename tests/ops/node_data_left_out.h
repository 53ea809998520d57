#pragma once

#include <array>
#include <string_view>

namespace ppq::test {

/// Folders of onnx's node tests that do not run, with the reason. One '*' stands for any text.
struct LeftOut {
  std::string_view folder, reason;
};

inline constexpr const char* kStrings = "string tensors";
inline constexpr const char* kSequences = "sequence and optional types";
inline constexpr const char* kSubByte = "4-bit and 2-bit types: LibTorch has no tensors of them";
inline constexpr const char* kTraining = "optimizers";
inline constexpr const char* kNewer = "operators newer than opset 23";
inline constexpr const char* kOlder = "opset below 7";
inline constexpr const char* kImages = "decodes image files inside the graph";
inline constexpr const char* kMachineLearning = "ai.onnx.ml: no neural networks";

inline constexpr std::array kLeftOut = std::to_array<LeftOut>({
    {"test_ai_onnx_ml_*", kMachineLearning},
    {"test_tfidfvectorizer_*", kMachineLearning},
    {"test_adagrad*", kTraining},
    {"test_adam*", kTraining},
    {"test_momentum*", kTraining},
    {"test_nesterov_momentum", kTraining},
    {"test_equal_string*", kStrings},
    {"test_regex_full_match_*", kStrings},
    {"test_string_*", kStrings},
    {"test_strnormalizer_*", kStrings},
    {"test_identity_opt", kSequences},
    {"test_identity_sequence", kSequences},
    {"test_if_opt", kSequences},
    {"test_if_seq", kSequences},
    {"test_loop13_seq", kSequences},
    {"test_loop16_seq_none", kSequences},
    {"test_optional_*", kSequences},
    {"test_sequence_*", kSequences},
    {"test_split_to_sequence_*", kSequences},
    {"test_cast_FLOAT*_to_FLOAT4E2M1", kSubByte},
    {"test_cast_FLOAT*_to_INT2", kSubByte},
    {"test_cast_FLOAT*_to_INT4", kSubByte},
    {"test_cast_FLOAT*_to_UINT2", kSubByte},
    {"test_cast_FLOAT*_to_UINT4", kSubByte},
    {"test_cast_FLOAT4E2M1_*", kSubByte},
    {"test_cast_INT2_*", kSubByte},
    {"test_cast_INT4_*", kSubByte},
    {"test_cast_UINT2_*", kSubByte},
    {"test_cast_UINT4_*", kSubByte},
    {"test_castlike_FLOAT*_to_FLOAT4E2M1", kSubByte},
    {"test_castlike_FLOAT*_to_FLOAT4E2M1_expanded", kSubByte},
    {"test_castlike_FLOAT*_to_INT2", kSubByte},
    {"test_castlike_FLOAT*_to_INT2_expanded", kSubByte},
    {"test_castlike_FLOAT*_to_INT4", kSubByte},
    {"test_castlike_FLOAT*_to_INT4_expanded", kSubByte},
    {"test_castlike_FLOAT*_to_UINT2", kSubByte},
    {"test_castlike_FLOAT*_to_UINT2_expanded", kSubByte},
    {"test_castlike_FLOAT*_to_UINT4", kSubByte},
    {"test_castlike_FLOAT*_to_UINT4_expanded", kSubByte},
    {"test_castlike_FLOAT4E2M1_*", kSubByte},
    {"test_castlike_INT2_*", kSubByte},
    {"test_castlike_INT4_*", kSubByte},
    {"test_castlike_UINT2_*", kSubByte},
    {"test_castlike_UINT4_*", kSubByte},
    {"test_dequantizelinear_float4e2m1", kSubByte},
    {"test_dequantizelinear_int2", kSubByte},
    {"test_dequantizelinear_int4", kSubByte},
    {"test_dequantizelinear_uint2", kSubByte},
    {"test_dequantizelinear_uint4", kSubByte},
    {"test_quantizelinear_float4e2m1", kSubByte},
    {"test_quantizelinear_int2", kSubByte},
    {"test_quantizelinear_int4", kSubByte},
    {"test_quantizelinear_uint2", kSubByte},
    {"test_quantizelinear_uint4", kSubByte},
    {"test_causal_conv_with_state_b1_c1_degenerate", kNewer},
    {"test_causal_conv_with_state_basic", kNewer},
    {"test_causal_conv_with_state_decode_step", kNewer},
    {"test_causal_conv_with_state_fp16", kNewer},
    {"test_causal_conv_with_state_kernel_size_one", kNewer},
    {"test_causal_conv_with_state_short_input_no_past_state", kNewer},
    {"test_causal_conv_with_state_silu", kNewer},
    {"test_causal_conv_with_state_silu_fp16", kNewer},
    {"test_causal_conv_with_state_silu_with_past_state", kNewer},
    {"test_causal_conv_with_state_swish_alias", kNewer},
    {"test_causal_conv_with_state_with_bias", kNewer},
    {"test_causal_conv_with_state_with_bias_and_past_state", kNewer},
    {"test_causal_conv_with_state_with_past_state", kNewer},
    {"test_linear_attention_decode_step", kNewer},
    {"test_linear_attention_delta", kNewer},
    {"test_linear_attention_explicit_scale", kNewer},
    {"test_linear_attention_fp16", kNewer},
    {"test_linear_attention_gated", kNewer},
    {"test_linear_attention_gated_delta", kNewer},
    {"test_linear_attention_gated_delta_beta_scalar", kNewer},
    {"test_linear_attention_gated_delta_gqa", kNewer},
    {"test_linear_attention_gated_delta_mqa", kNewer},
    {"test_linear_attention_gated_per_head_decay", kNewer},
    {"test_linear_attention_linear", kNewer},
    {"test_linear_attention_linear_t1_no_past", kNewer},
    {"test_linear_attention_no_past_explicit_zeros", kNewer},
    {"test_linear_attention_prefill_with_past", kNewer},
    {"test_flexattention", kNewer},
    {"test_flexattention_causal_mask", kNewer},
    {"test_flexattention_diff_head_sizes", kNewer},
    {"test_flexattention_double", kNewer},
    {"test_flexattention_fp16", kNewer},
    {"test_flexattention_gqa", kNewer},
    {"test_flexattention_prob_mod", kNewer},
    {"test_flexattention_relative_positional", kNewer},
    {"test_flexattention_scaled", kNewer},
    {"test_flexattention_score_mod", kNewer},
    {"test_flexattention_soft_cap", kNewer},
    {"test_image_decoder_*", kImages},
    {"test_not_*", kOlder},
    {"test_scan_sum", "Scan of opset 8 (with a batch axis)"},
});

/// Folders whose result is random: only shape and dtype are compared.
inline constexpr std::array kRandom = std::to_array<std::string_view>({
    "test_bernoulli",
    "test_bernoulli_double",
    "test_bernoulli_double_expanded",
    "test_bernoulli_expanded",
    "test_bernoulli_seed",
    "test_bernoulli_seed_expanded",
    "test_training_dropout",
    "test_training_dropout_default",
    "test_training_dropout_default_mask",
    "test_training_dropout_mask",
});

/// Folders whose expected values were written down with four digits.
inline constexpr std::array kFourDigits = std::to_array<std::string_view>({
    "test_averagepool_2d_ceil_last_window_starts_on_pad",
    "test_gridsample_bicubic",
    "test_roialign_aligned_false",
    "test_roialign_aligned_true",
});

}  // namespace ppq::test
