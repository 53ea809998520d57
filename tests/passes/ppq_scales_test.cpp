#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "ppq/ppq.h"
#include "support/device.h"
#include "support/golden.h"
#include "support/share.h"

/// Scale by scale against PPQ 0.6.6 on real models, same samples, same observer. Every slot must agree, but for three things
/// done differently on purpose:
///  - Slice moves elements, so its output has its input's quantization (PPQ's list of such operations lacks it by a missing
///    comma), and what is aligned with the one is aligned with the other;
///  - a Relu behind an Add is fused with it: Add's output has Relu's range;
///  - Transpose and Softmax are quantized, so what Concat aligns reaches further (ultraface).
namespace ppq::test {
namespace {

struct Comparison {
  const char *model, *config, *observer;
  bool equalization;
  double tolerance;     ///< of activation scales
  double agreeing = 1;  ///< share of slots that must agree
  double parameter_tolerance = 1e-6;
};
std::string run_name(const testing::TestParamInfo<Comparison>& info) {
  return std::string(info.param.model) + "_" + std::string(info.param.config).substr(8);
}

bool is_type(const Node& node, std::initializer_list<const char*> types) {
  return std::any_of(types.begin(), types.end(), [&](const char* type) { return node.is(type); });
}

class PpqScales : public testing::TestWithParam<Comparison> {
 protected:
  /// Quantizations that differ on purpose: of Slice, and of operations PPQ leaves float.
  static std::set<const TensorQuant*> different(const Graph& graph) {
    std::set<const TensorQuant*> found;
    for (const Node* node : graph.nodes())
      if (node->quantized && is_type(*node, {"Slice", "Transpose", "Softmax"}))
        for (const auto& list : {node->input_quant, node->output_quant})
          for (const TensorQuantPtr& quant : list)
            if (quant) found.insert(quant.get());
    return found;
  }
  static bool fused_add(const Node& node, bool output) {
    if (output && is_type(node, {"Add"})) return node.output()->uses().size() == 1 && node.output()->uses()[0].node->is("Relu");
    return !output && node.is("Relu") && node.input(0)->producer() && node.input(0)->producer()->is("Add");
  }
};

TEST_P(PpqScales, AgreeSlotBySlot) {
  PPQ_REQUIRE_SHARED();
  const Comparison& run = GetParam();
  const auto slots = golden_slots(run.model, run.config);
  if (slots.empty()) GTEST_SKIP() << "no " << run.config << " for " << run.model;
  Golden golden = load_golden(run.model);
  Graph& graph = *golden.graph;
  QuantizationSetting setting = QuantizationSettingFactory::by_name("dsp");
  setting.equalization = run.equalization;
  setting.extra.cross_clip_equalization = setting.extra.choose_equalization_by_data = false;  // PPQ's equalization, always
  setting.extra.weight_search = "minmax";
  setting.extra.compensate_rounding = false;
  setting.quantize_activation_setting.calib_algorithm = run.observer;
  TorchExecutor executor(graph, test_device());
  Quantizer(graph, TargetPlatform::QNN_DSP_INT8).quantize(golden.calibration->sample(0), golden.calibration, executor, setting, 512);

  const auto excused = different(graph);
  // Names of nodes differ where the file has none; tensors tell which is which.
  std::map<std::string, Node*> nodes;
  for (const GoldenSlot& row : slots)
    if (row.slot == "out0")
      if (const Value* value = graph.find_value(row.tensor)) nodes[row.op] = value->producer();
  std::map<int, std::set<const TensorQuant*>> ours_of_group;
  std::map<const TensorQuant*, std::set<int>> groups_of_ours;
  size_t compared = 0, agreeing = 0, excuses = 0;
  std::string differences;
  for (const GoldenSlot& row : slots) {
    if (row.scale.empty()) continue;
    Node* node = nodes[row.op];
    if (!node) {
      differences += row.op + " is not in our graph\n", ++compared;
      continue;
    }
    const bool output = row.slot[0] == 'o';
    const size_t index = static_cast<size_t>(std::stoi(row.slot.substr(output ? 3 : 2)));
    const TensorQuantPtr quant = output ? node->quant_of_output(index) : node->quant_of_input(index);
    const bool bias_of_excused = row.parameter && index == 2 && excused.count(node->quant_of_input(0).get());
    if (fused_add(*node, output) || excused.count(quant.get()) || bias_of_excused ||
        (node->is("Pad") && index == 2 && excused.count(node->quant_of_input(0).get()))) {
      ++excuses;
      continue;
    }
    ++compared;
    if (!quant || !quant->params.defined()) {
      differences += row.op + " " + row.slot + " has no scale here\n";
      continue;
    }
    const double scale = quant->params.scale.item<double>(), offset = quant->params.offset.item<double>();
    const bool weight = row.parameter && index == 1;
    const double tolerance = weight ? run.parameter_tolerance : run.tolerance;
    const bool same_offset = run.tolerance > 0.01 && !weight ? true : std::abs(offset - row.offset[0]) <= (run.agreeing < 1 ? 1 : 0);
    if (std::abs(scale / row.scale[0] - 1) <= tolerance && same_offset)
      ++agreeing;
    else
      differences += row.op + " " + row.slot + " (" + row.type + "): PPQ " + std::to_string(row.scale[0]) + ", " +
                     std::to_string(row.offset[0]) + ", here " + std::to_string(scale) + ", " + std::to_string(offset) + "\n";
    if (!row.parameter && quant->exported) {
      ours_of_group[row.group].insert(quant.get());
      groups_of_ours[quant.get()].insert(row.group);
    }
  }
  EXPECT_GE(static_cast<double>(agreeing), run.agreeing * static_cast<double>(compared)) << differences;
  EXPECT_LE(excuses, slots.size() / 2) << "excuses cover the model";
  EXPECT_GT(compared, 20u);
  if (run.agreeing < 1) return;
  for (const auto& [group, quants] : ours_of_group) EXPECT_EQ(quants.size(), 1u) << "PPQ's group " << group << " is split";
  for (const auto& [quant, groups] : groups_of_ours) EXPECT_EQ(groups.size(), 1u) << quant->observed << " joins several groups of PPQ";
}

INSTANTIATE_TEST_SUITE_P(
    Models, PpqScales,
    testing::Values(Comparison{"efficientnet_lite0_imagenet", "ppq_qnn_minmax_noeq", "minmax", false, 1e-3},
                    Comparison{"lprnet_ccpd", "ppq_qnn_minmax_noeq", "minmax", false, 1e-3},
                    Comparison{"mlperf_tiny_resnet8_cifar10", "ppq_qnn_minmax_noeq", "minmax", false, 1e-3},
                    Comparison{"mobilenet_v1_025_128_imagenet", "ppq_qnn_minmax_noeq", "minmax", false, 1e-3},
                    Comparison{"resnet20_cifar10", "ppq_qnn_minmax_noeq", "minmax", false, 1e-3},
                    Comparison{"squeezenet1_0_imagenet", "ppq_qnn_minmax_noeq", "minmax", false, 1e-3},
                    // BatchNormalization is folded in float64 here, float32 there: single weights round to the next integer.
                    Comparison{"ultraface_rfb320", "ppq_qnn_minmax_noeq", "minmax", false, 2e-3, 0.95, 1e-5},
                    Comparison{"lprnet_ccpd", "ppq_qnn_minmax", "minmax", true, 1e-3},
                    Comparison{"mlperf_tiny_resnet8_cifar10", "ppq_qnn_minmax", "minmax", true, 1e-3},
                    Comparison{"resnet20_cifar10", "ppq_qnn_minmax", "minmax", true, 1e-3},
                    Comparison{"squeezenet1_0_imagenet", "ppq_qnn_minmax", "minmax", true, 1e-3},
                    Comparison{"lprnet_ccpd", "ppq_qnn_percentile_noeq", "percentile", false, 1e-3},
                    Comparison{"mobilenet_v1_025_128_imagenet", "ppq_qnn_percentile_noeq", "percentile", false, 1e-3},
                    Comparison{"resnet20_cifar10", "ppq_qnn_percentile_noeq", "percentile", false, 1e-3},
                    Comparison{"lprnet_ccpd", "ppq_qnn_mse", "ppq-mse", true, 0.03},
                    Comparison{"mlperf_tiny_resnet8_cifar10", "ppq_qnn_mse", "ppq-mse", true, 0.03},
                    Comparison{"mobilenet_v1_025_128_imagenet", "ppq_qnn_mse", "ppq-mse", true, 0.03},
                    Comparison{"resnet20_cifar10", "ppq_qnn_mse", "ppq-mse", true, 0.03},
                    Comparison{"squeezenet1_0_imagenet", "ppq_qnn_mse", "ppq-mse", true, 0.03}),
    run_name);

}  // namespace
}  // namespace ppq::test
