#include "passes/passes.h"

namespace ppq {

const std::vector<PassRow>& pass_table() {
  using namespace passes;
  static const std::vector<PassRow> rows = {
      {"constants-to-values", "Constant nodes become constants", make_constants_to_values},
      {"fold-constants", "compute what depends on constants and known shapes alone", make_fold_constants},
      {"remove-identity", "drop Identity, Dropout and other nodes that change nothing", make_remove_identity},
      {"fuse-matmul-add", "MatMul and Add with constants become Gemm", make_fuse_matmul_add},
      {"fuse-bias-add", "an Add of a constant becomes the bias of the Conv, ConvTranspose or Gemm before it", make_fuse_bias_add},
      {"fuse-batch-norm", "fold BatchNormalization into the Conv, ConvTranspose or Gemm before it", make_fuse_batch_norm},
      {"batch-norm-to-conv", "a BatchNormalization that stands alone becomes a depthwise 1×1 Conv", make_batch_norm_to_conv},
      {"merge-equal-constants", "equal constants share one value", make_merge_equal_constants},
      {"remove-dead-code", "drop what no output needs", make_remove_dead_code},
      {"equalize-layers", "move scale between neighbouring layers until their channels have like ranges", make_equalize_layers},
      {"equalize-ssd", "move scale within single pairs of layers where the pair, run alone, gets clearly better", make_equalize_ssd},
      {"absorb-high-bias", "channels that stay above zero give what they never fall below to the biases behind them",
       make_absorb_high_bias},
      {"configure-quantization", "give each input and output of quantized nodes its scheme", make_configure_quantization},
      {"fuse-quantization", "Conv and its activation, and data movement, get one quantization point", make_fuse_quantization},
      {"simplify-quantization", "a tensor is quantized once, not again at each reader", make_simplify_quantization},
      {"quantize-parameters", "scales of weights", make_quantize_parameters},
      {"calibrate", "scales of activations, from one pass over the samples", make_calibrate},
      {"choose-observer", "of the observers that were tried, the one with the least error at the outputs", make_choose_observer},
      {"align-quantization", "inputs of Add, Concat and their like share a scale", make_align_quantization},
      {"correct-bias", "biases take back the shift of mean that rounding causes, measured on the samples", make_correct_bias},
      {"quantize-passive-parameters", "biases and bounds follow the scales of input and weight", make_quantize_passive_parameters},
      {"bake-parameters", "weights take their rounded values", make_bake_parameters},
  };
  return rows;
}

}  // namespace ppq
