#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ppq/quant.h"

namespace ppq {

class Node;
class Pass;
struct ExporterRow;
struct QuantizationSetting;

/// Targets, numbered as in PPQ (settings files hold these numbers) and, ESPDL_*, in esp-ppq. Only those with a PlatformSpec can be
/// quantized for; QNN_HTP_*, QNN_ENPU_INT8, TRT_INT8_INPUT_ONLY, PPL_CUDA_FP8 and RKNN_INT8_C are ours.
enum class TargetPlatform : int {
  MNN_INT8 = 100,
  TRT_INT8 = 101,
  NCNN_INT8 = 102,
  OPENVINO_INT8 = 103,
  TENGINE_INT8 = 104,
  TRT_FP8 = 105,
  ASC_INT8 = 106,
  TRT_INT8_INPUT_ONLY = 107,
  PPL_CUDA_INT8 = 201,
  PPL_CUDA_INT4 = 202,
  PPL_CUDA_FP16 = 203,
  PPL_CUDA_MIX = 204,
  PPL_CUDA_FP8 = 205,
  PPL_DSP_INT8 = 301,
  SNPE_INT8 = 302,
  PPL_DSP_TI_INT8 = 303,
  QNN_DSP_INT8 = 304,
  QNN_HTP_INT8 = 310,
  QNN_HTP_A16W8 = 311,
  QNN_HTP_V85_INT8 = 312,
  QNN_ENPU_INT8 = 313,
  HOST_INT8 = 401,
  NXP_INT8 = 501,
  FPGA_INT8 = 502,
  ESPDL_INT8 = 551,
  ESPDL_INT16 = 552,
  ESPDL_S3_INT8 = 553,
  ESPDL_S3_INT16 = 554,
  ESPDL_C_INT8 = 557,
  ESPDL_C_INT16 = 558,
  RKNN_INT8 = 601,
  RKNN_INT8_C = 602,
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

/// What an input or output of an operation holds.
enum class SlotRole {
  Data,      ///< an input that is computed at run time
  Constant,  ///< a constant operand of an operation without weights (Add, PRelu)
  Weight,    ///< a constant factor of Conv, ConvTranspose, Gemm or MatMul
  Bias,      ///< constant input 2 of Conv, ConvTranspose or Gemm
  Bound,     ///< constant bounds of Clip, constant value of Pad
  Output,
};

/// What a target does with the slots of a role. Shapes, indices, conditions and integers never come to a rule.
struct SlotRule {
  enum class Treatment {
    Quantized,  ///< has scale and offset of its own
    Passive,    ///< follows other tensors: a bias input scale × weight scale, a bound its data
    Float,
  };
  SlotRole role = SlotRole::Data;
  Treatment treatment = Treatment::Float;
  /// The axis of per-channel and per-block weights is the operator's own. What cannot have channels (a vector, the left side of a
  /// MatMul) is quantized per tensor.
  QuantScheme scheme;
  std::set<std::string> types;                          ///< op types it is for; empty: all
  std::function<bool(const Node&, size_t index)> when;  ///< a further condition; null: none
  std::optional<std::pair<double, double>> range = {};  ///< of the values, whatever the samples say (Sigmoid: 0..1)
  bool exported = true;                                 ///< false: simulated, never written; the target works it out by itself
  bool fits(const Node& node, size_t index, SlotRole slot) const;
};

/// Operations whose operands go on one scale, in groups that the setting's `fusion_setting` decides on one by one.
enum class AlignmentGroup { Elementwise, Concat, Pooling, Resize };

/// What the target computes in one go.
struct FusionRules {
  /// Types that merge into the computing operation before them; Swish, HardSwish and Mish name the patterns x·f(x).
  std::set<std::string> activations;
  /// Operators that are found, too, where an exporter wrote them out in smaller ones (LayerNormalization, RMSNormalization, Gelu): what
  /// lies inside is never formed in integers.
  std::set<std::string> composites = {};
  std::map<std::string, AlignmentGroup> aligned = {
      {"Add", AlignmentGroup::Elementwise}, {"Sub", AlignmentGroup::Elementwise},     {"Sum", AlignmentGroup::Elementwise},
      {"Concat", AlignmentGroup::Concat},   {"AveragePool", AlignmentGroup::Pooling}, {"GlobalAveragePool", AlignmentGroup::Pooling},
      {"Resize", AlignmentGroup::Resize},   {"Upsample", AlignmentGroup::Resize},     {"Interp", AlignmentGroup::Resize}};
};

/// A pass that belongs to the target's pipeline.
struct TargetPass {
  std::string name;
  /// A pass of the usual order, whether this job runs it or not; empty: the end (its usual place, of a pass of the table).
  std::string before;
  std::unique_ptr<Pass> (*make)() = nullptr;  ///< null: the pass of that name in `pass_table()`
};

/// A target as data: everything the passes need to know of it, and nothing about how they work.
struct PlatformSpec {
  TargetPlatform id = TargetPlatform::EXTENSION;
  std::string name;                              ///< "qnn_dsp_int8": the CLI's word
  std::vector<std::string> aliases;              ///< other accepted spellings ("QNN_DSP_INT8" is accepted by case-folding)
  std::string summary;                           ///< one line for `list platforms`
  std::string source;                            ///< the file that it was read from; empty: built in
  std::set<std::string> quant_types;             ///< op types computed in integers
  std::function<bool(const Node&)> computes_if;  ///< a further condition on nodes of those types; null: none
  std::vector<SlotRule> slots;                   ///< the first that fits decides; where none does the slot stays float
  FusionRules fusion;
  std::vector<TargetPass> passes;                            ///< besides the usual ones
  std::string default_setting = "default";                   ///< factory name: "dsp"
  std::function<void(QuantizationSetting&)> adjust_setting;  ///< what `setting_for` changes for this target; null: nothing
  std::vector<std::string> exporters;                        ///< default --export
  std::vector<const ExporterRow*> own_exporters;             ///< those that `exporter_table()` does not have

  /// Whether the target computes a node in integers.
  bool computes(const Node& node) const;
  /// The rule for a slot, or null.
  const SlotRule* rule_for(const Node& node, size_t index, SlotRole role) const;
  /// The scheme of a role in general: that of the last rule of the role that quantizes. A default one where none does.
  const QuantScheme& scheme(SlotRole role) const;
  bool weights_per_channel() const { return scheme(SlotRole::Weight).granularity == Granularity::PerChannel; }
};

/// Words to write rules in.
namespace rules {
QuantScheme unsigned_asymmetric(int bits);  ///< 0 .. 2^bits - 1
QuantScheme signed_symmetric(int bits);     ///< -2^(bits-1) .. 2^(bits-1) - 1
QuantScheme narrow_symmetric(int bits);     ///< ±(2^(bits-1) - 1)
QuantScheme per_channel(QuantScheme scheme);
QuantScheme per_block(QuantScheme scheme, int64_t block_size);
/// 8 bits of which `exponent_bits` are the exponent: 4 (E4M3, up to 448) or 5 (E5M2, up to 57344), with scales that are powers of two,
/// as PPQ's FP8 targets have them. Its observer is "floating".
QuantScheme minifloat(int exponent_bits);
QuantScheme power_of_two(QuantScheme scheme);
QuantScheme rounded(QuantScheme scheme, Rounding rounding);
QuantScheme limited(QuantScheme scheme, double quant_min, double quant_max);
SlotRule quantized(SlotRole role, QuantScheme scheme, std::set<std::string> types = {});
/// Not exported.
SlotRule passive(SlotRole role, QuantScheme scheme, std::set<std::string> types = {});
SlotRule in_float(SlotRole role, std::set<std::string> types = {});
}  // namespace rules

/// Every platform, in listing order.
const std::vector<PlatformSpec>& platform_table();
/// By name or alias, case ignored, '-' as '_'; or from a JSON file of the user's (docs/platforms.md). Throws Usage with candidates,
/// Unsupported for targets of PPQ that have no PlatformSpec here. `option` is what errors call the place where the user says it.
const PlatformSpec& find_platform(const std::string& name, const std::string& option = "platform");
const PlatformSpec& find_platform(TargetPlatform id);

}  // namespace ppq
