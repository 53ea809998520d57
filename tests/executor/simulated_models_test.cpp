#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "executor/fused.h"
#include "ppq/ppq.h"
#include "support/device.h"
#include "support/golden.h"
#include "support/share.h"

/// The simulated network on real models, node by node: each node alone on the inputs that the program reports, its slots rounded
/// by a plain loop, must give the output that the program reports. So nothing that lowering does (sharing, fusing, memory reuse,
/// layouts) may change what is rounded, and where.
namespace ppq::test {
namespace {

at::Tensor plain_rounded(const at::Tensor& x, const TensorQuant& quant) {
  const bool per_channel = quant.scheme.granularity == Granularity::PerChannel;
  const int64_t axis = per_channel ? (quant.scheme.axis + x.dim()) % x.dim() : 0;
  at::Tensor moved = per_channel ? x.movedim(axis, 0).contiguous() : x.reshape({1, -1});
  at::Tensor out = at::empty_like(moved, at::MemoryFormat::Contiguous);
  const float *from = moved.const_data_ptr<float>(), *scales = quant.params.scale.const_data_ptr<float>(),
              *offsets = quant.params.offset.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  const int64_t channels = moved.size(0), inner = moved.numel() / std::max<int64_t>(channels, 1);
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = c * inner; i < (c + 1) * inner; ++i) {
      const float level = std::nearbyint(from[i] / scales[c]) + offsets[c];
      to[i] = (std::clamp(level, static_cast<float>(quant.scheme.quant_min), static_cast<float>(quant.scheme.quant_max)) - offsets[c]) *
              scales[c];
    }
  return per_channel ? out.movedim(0, axis) : out.reshape(x.sizes());
}

bool rounds(const TensorQuantPtr& quant) { return quant && quant->params.defined() && quant->simulated(); }

/// One node, in float, in a graph of its own.
Tensors run_alone(const Node& node, const Graph& graph, const Tensors& inputs) {
  Graph alone;
  alone.opsets = graph.opsets;
  std::vector<Value*> in, out;
  Tensors given;
  for (size_t i = 0; i < inputs.size(); ++i) {
    in.push_back(inputs[i].defined() ? alone.add_value("x" + std::to_string(i)) : nullptr);
    if (!inputs[i].defined()) continue;
    alone.add_input(in.back());
    given.push_back(inputs[i]);
  }
  for (size_t i = 0; i < node.outputs().size(); ++i) out.push_back(alone.add_value("y" + std::to_string(i)));
  Node* copy = alone.add_node(node.op_type, node.name, in, out);
  copy->domain = node.domain;
  for (const auto& [name, value] : node.attributes) copy->attributes.set(name, value);
  for (Value* value : out) alone.add_output(value);
  return run_on_test_device(*lower(alone, on_test_device()), given);
}

struct Case {
  const char* model;
  TargetPlatform platform;
};

class SimulatedModels : public testing::TestWithParam<Case> {};

TEST_P(SimulatedModels, AgreeNodeByNode) {
  PPQ_REQUIRE_SHARED();
  Golden golden = load_golden(GetParam().model);
  Graph& graph = *golden.graph;
  QuantizationSetting setting = QuantizationSettingFactory::by_name("dsp");
  setting.quantize_activation_setting.calib_algorithm = "minmax";
  setting.quantize_parameter_setting.baking_parameter = false;  // so that weights and biases are rounded on the way
  TorchExecutor executor(graph, test_device());
  Quantizer(graph, GetParam().platform)
      .quantize(golden.calibration->sample(0), subset(golden.calibration, {0, 1, 2, 3}), executor, setting);

  LowerOptions options;
  options.mode = ExecutionMode::Simulated;
  options.watch_quantized = true;
  std::map<const Value*, at::Tensor> seen;
  for (const Value* value : graph.values())
    if (value->producer() || (value->is_graph_input() && !value->is_constant())) options.watch.push_back(value);
  run_on_test_device(*lower(graph, on_test_device(options)), golden.evaluation->sample(0),
                     [&](size_t index, const at::Tensor& value) { seen[options.watch[index]] = value.clone(); });
  ASSERT_EQ(seen.size(), options.watch.size());

  const Pinned pinned(graph);
  size_t rounded = 0;
  for (const Node* node : graph.nodes()) {
    Tensors inputs;
    for (size_t i = 0; i < node->inputs().size(); ++i) {
      const Value* value = node->input(i);
      const TensorQuantPtr quant = node->quant_of_input(i);
      inputs.push_back(!value ? at::Tensor() : value->is_constant() ? value->constant() : seen.at(value));
      if (!value || !rounds(quant)) continue;
      const TensorQuantPtr source = value->producer() ? value->producer()->quant_of_output(value->producer_index()) : nullptr;
      if (source != quant) inputs.back() = plain_rounded(inputs.back(), *quant), ++rounded;
    }
    const Tensors outputs = run_alone(*node, graph, inputs);
    for (size_t i = 0; i < outputs.size(); ++i) {
      const Value* value = node->output(i);
      if (!value) continue;
      const TensorQuantPtr quant = node->quant_of_output(i);
      const bool on_grid = rounds(quant) && !is_fused_interior(*value, pinned);
      const at::Tensor expected = on_grid ? plain_rounded(outputs[i], *quant) : outputs[i], actual = seen.at(value);
      rounded += on_grid;
      ASSERT_EQ(actual.sizes(), expected.sizes()) << node->name;
      if (!expected.is_floating_point()) {
        EXPECT_TRUE(actual.equal(expected)) << node->name;
        continue;
      }
      // Sums in another order may round to the neighbouring step, rarely.
      const double step = on_grid ? quant->params.scale.max().item<double>() : 1e-4 * std::max(1e-6, expected.abs().max().item<double>());
      const at::Tensor difference = (actual - expected).abs();
      EXPECT_LE(difference.max().item<double>(), 1.001 * step) << node->name << " (" << node->op_type << ")";
      const double share = difference.gt(0.5 * step).to(at::kFloat).mean().item<double>();
      EXPECT_LE(share, quant && quant->scheme.bits > 8 ? 0.2 : 0.002) << node->name << " (" << node->op_type << ")";
    }
  }
  EXPECT_GT(rounded, graph.node_count()) << "the network is quantized";
}

INSTANTIATE_TEST_SUITE_P(Models, SimulatedModels,
                         testing::Values(Case{"mlperf_tiny_resnet8_cifar10", TargetPlatform::QNN_DSP_INT8},
                                         Case{"mlperf_tiny_resnet8_cifar10", TargetPlatform::QNN_HTP_INT8},
                                         Case{"lprnet_ccpd", TargetPlatform::QNN_DSP_INT8},
                                         Case{"lprnet_ccpd", TargetPlatform::QNN_HTP_A16W8},
                                         Case{"mobilenet_v1_025_128_imagenet", TargetPlatform::QNN_HTP_INT8},
                                         Case{"ultraface_rfb320", TargetPlatform::QNN_DSP_INT8}),
                         [](const auto& info) { return std::string(info.param.model) + "_" + name_of(info.param.platform); });

}  // namespace
}  // namespace ppq::test
