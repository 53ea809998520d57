#include <algorithm>

#include "passes/passes.h"
#include "ppq/error.h"

namespace ppq {
namespace {

using Setting = QuantizationSetting;

bool always(const Setting&) { return true; }
bool never(const Setting&) { return false; }
bool equalizes(const Setting& s) { return s.equalization; }
bool equalizes_by_ssd(const Setting& s) { return s.ssd_equalization; }
bool factorizes(const Setting& s) { return s.matrix_factorization; }
bool splits_weights(const Setting& s) { return s.weight_split; }
bool splits_channels(const Setting& s) { return s.channel_split; }
bool smooths(const Setting& s) { return s.extra.smooth_layer_norm; }
bool absorbs(const Setting& s) { return s.extra.absorb_high_bias; }
// format_paramters and format_cast have nothing to switch: shared parameters are copied when a pass writes to one of them, and a
// Cast's type is read where it is needed.
bool formats_constants(const Setting& s) { return s.graph_format_setting.format_constant_op; }
bool fuses_batch_norm(const Setting& s) { return s.graph_format_setting.fuse_conv_bn; }
bool deletes_isolated(const Setting& s) { return s.graph_format_setting.delete_isolate; }
bool fuses(const Setting& s) { return s.fusion; }
bool simplifies(const Setting& s) { return s.fusion && s.fusion_setting.remove_useless_quantization; }
bool aligns(const Setting& s) { return s.fusion && s.fusion_setting.align_quantization; }
bool quantizes_parameters(const Setting& s) { return s.quantize_parameter; }
bool quantizes_activations(const Setting& s) { return s.quantize_activation; }
bool corrects_biases(const Setting& s) { return s.bias_correct; }
bool quantizes_passive(const Setting& s) { return s.quantize_parameter && s.quantize_parameter_setting.quantize_passive_parameter; }
bool bakes(const Setting& s) { return s.quantize_parameter && s.quantize_parameter_setting.baking_parameter; }
// What is not written rounded is rounded to nearest by the target.
bool compensates_rounding(const Setting& s) { return s.extra.compensate_rounding && bakes(s); }

std::vector<PassRow>& table() {
  using namespace passes;
  using enum Phase;
  using enum Changes;
  static std::vector<PassRow> rows = {
      {"constants-to-values", "Constant nodes become constants", CleanUp, Nothing, formats_constants, make_constants_to_values},
      // Before remove-identity: makes the shapes known by which no-ops are proved.
      {"fold-constants", "compute what depends on constants and known shapes alone", CleanUp, Nothing, always, make_fold_constants},
      // Before the fusions: they look at direct neighbours.
      {"remove-identity", "drop Identity, Dropout and other nodes that change nothing", CleanUp, Nothing, always, make_remove_identity},
      {"fuse-matmul-add", "MatMul and Add with constants become Gemm", CleanUp, Values, always, make_fuse_matmul_add},
      // Before fuse-batch-norm: Conv, Add, BatchNormalization.
      {"fuse-bias-add", "an Add of a constant becomes the bias of the Conv, ConvTranspose or Gemm before it", CleanUp, Values, always,
       make_fuse_bias_add},
      {"fuse-batch-norm", "fold BatchNormalization into the Conv, ConvTranspose or Gemm before it", CleanUp, Values, fuses_batch_norm,
       make_fuse_batch_norm},
      // What no operation could take up.
      {"batch-norm-to-conv", "a BatchNormalization that stands alone becomes a depthwise 1×1 Conv", CleanUp, Values, fuses_batch_norm,
       make_batch_norm_to_conv},
      {"merge-equal-constants", "equal constants share one value", CleanUp, Nothing, always, make_merge_equal_constants},
      {"remove-dead-code", "drop what no output needs", CleanUp, Nothing, deletes_isolated, make_remove_dead_code},

      {"split-gemm", "Gemm becomes MatMul and Add (on request, and for MetaX)", Rewrite, Values, never, make_split_gemm},
      {"format-gemm", "Gemm's weight stands as [outputs, inputs], with alpha and beta in it (on request, and for ncnn)", Rewrite, Values,
       never, make_format_gemm},
      {"nxp-resize", "Resize takes the nearest pixel, as NXP's accelerators do (on request)", Rewrite, Values, never, make_nxp_resize},
      {"fuse-layer-norm", "a LayerNormalization that was written out becomes one node again (on request)", Rewrite, Values, never,
       make_fuse_layer_norm},
      {"fuse-gelu", "a Gelu that was written out becomes one node again (on request)", Rewrite, Values, never, make_fuse_gelu},
      {"gru-split", "a GRU of one step becomes Gemms and elementwise operations (on request)", Rewrite, Values, never, make_gru_split},
      // As in PPQ: layers become two, then channels, before scale is moved among them.
      {"matrix-factorization", "layers that the setting names become two, by their weights' singular values", Rewrite, Values, factorizes,
       make_matrix_factorization},
      {"weight-split", "layers that the setting names become two, the large weights shared among them", Rewrite, Values, splits_weights,
       make_weight_split},
      {"channel-split", "channels with large weights on both sides become two", Rewrite, Values, splits_channels, make_channel_split},
      // First of those that move scale: what is found of the float network later is of the raised one.
      {"raise-small-ranges", "tensors below the target's least range grow by powers of two, which constants around them take back", Rewrite,
       Values, always, make_raise_small_ranges},
      {"equalize-layers", "move scale between neighbouring layers until their channels have like ranges", Rewrite, Values, equalizes,
       make_equalize_layers},
      {"equalize-ssd", "move scale within single pairs of layers where the pair, run alone, gets clearly better", Rewrite, Values,
       equalizes_by_ssd, make_equalize_ssd},
      {"absorb-high-bias", "channels that stay above zero give what they never fall below to the biases behind them", Rewrite, Values,
       absorbs, make_absorb_high_bias},
      // Behind those that choose by trial: theirs go without it.
      {"smooth-layer-norm", "large channels behind a LayerNormalization give scale to the layers that read them", Rewrite, Values, smooths,
       make_smooth_layer_norm},

      {"configure-quantization", "give each input and output of quantized nodes its scheme", Quantize, Scheme, always,
       make_configure_quantization},
      {"fuse-quantization", "Conv and its activation, and data movement, get one quantization point", Quantize, Scheme, fuses,
       make_fuse_quantization},
      {"simplify-quantization", "a tensor is quantized once, not again at each reader", Quantize, Scheme, simplifies,
       make_simplify_quantization},
      {"quantize-parameters", "scales of weights", Quantize, Scheme, quantizes_parameters, make_quantize_parameters},
      {"compensate-rounding", "weights are rounded so that the errors of each output make one another good (GPTQ)", Quantize, Scheme,
       compensates_rounding, make_compensate_rounding},
      {"calibrate", "scales of activations, from one pass over the samples", Quantize, Scheme, quantizes_activations, make_calibrate},
      {"choose-observer", "of the observers that were tried, the one with the least error at the outputs", Quantize, Scheme,
       quantizes_activations, make_choose_observer},
      {"align-quantization", "inputs of Add, Concat and their like share a scale", Quantize, Scheme, aligns, make_align_quantization},
      {"correct-bias", "biases take back the shift of mean that rounding causes, measured on the samples", Quantize, Weights,
       corrects_biases, make_correct_bias},
      {"quantize-passive-parameters", "biases and bounds follow the scales of input and weight", Quantize, Scheme, quantizes_passive,
       make_quantize_passive_parameters},
      // They are simulated as rounded already.
      {"bake-parameters", "weights take their rounded values", Quantize, Nothing, bakes, make_bake_parameters},
  };
  return rows;
}

const char* word(Phase phase) { return phase == Phase::CleanUp ? "clean-up" : phase == Phase::Rewrite ? "rewrite" : "quantize"; }

}  // namespace

const std::vector<PassRow>& pass_table() { return table(); }

const PassRow* find_pass(const std::string& name) {
  for (const PassRow& row : table())
    if (row.name == name) return &row;
  return nullptr;
}

void register_pass(PassRow row, const std::string& before) {
  std::vector<PassRow>& rows = table();
  const std::string where = "register_pass '" + row.name + "'";
  const auto named = [&](const std::string& name) {
    return std::find_if(rows.begin(), rows.end(), [&](const PassRow& other) { return other.name == name; });
  };
  if (row.name.empty() || !row.make) throw Error(ErrorKind::Usage, where, "a pass needs a name and a way to make it");
  if (named(row.name) != rows.end()) throw Error(ErrorKind::Usage, where, "there is a pass of that name");
  auto place = named(before);
  if (before.empty()) {
    place = std::find_if(rows.begin(), rows.end(), [&](const PassRow& other) { return other.phase > row.phase; });
  } else if (place == rows.end()) {
    std::vector<std::string> names;
    for (const PassRow& other : rows) names.push_back(other.name);
    throw Error(ErrorKind::Usage, where, "there is no pass '" + before + "' to run before", did_you_mean(before, names));
  } else if (place->phase != row.phase) {
    throw Error(ErrorKind::Usage, where,
                "wrong phase: got " + std::string(word(row.phase)) + ", expected that of '" + before + "', " + word(place->phase));
  }
  rows.insert(place, std::move(row));
}

}  // namespace ppq
