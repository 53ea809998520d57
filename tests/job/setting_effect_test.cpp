#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "graph/quant_slots.h"
#include "ppq/onnx.h"
#include "ppq/pass.h"
#include "ppq/quantizer.h"
#include "setting/setting_fields.h"
#include "support/device.h"

namespace ppq {
namespace {

using nlohmann::json;

/// Something for every field: a Constant node, BatchNormalization, pairs of layers with and without Add, Clip, Concat, Resize, pooling,
/// LayerNormalization, a dead node, and layers with uneven channels.
std::unique_ptr<Graph> network() {
  auto graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]>
    g (float[1,4,8,8] x, float[8,4,3,3] w1, float[8] b1, float[8] g1, float[8] e1, float[8] m1, float[8] var1, float[8,8,3,3] w2, float[8] b2,
       float[8,4,1,1] w3, float[8,8,1,1] w4, float[8] b4, float[8,8,1,1] w5, float[8] b5, float[8,4,1,1] w6, float[16] lg, float[16] lb, float[16,6] wf, float[6] bf)
    => (float[1,6] y, float[1,8,8,8] j) <float[4] twice = {1, 1, 2, 2}, float lo = {0}, float hi = {60}> {
      k = Constant<value = float {0.5}>() [scale] m = Mul(x, k) [dead] z = Abs(m)
      [c1] a0 = Conv<pads = [1, 1, 1, 1]>(m, w1, b1) [bn] a1 = BatchNormalization(a0, g1, e1, m1, var1) [r1] a2 = Relu(a1)
      [c2] c = Conv<pads = [1, 1, 1, 1]>(a2, w2, b2) [c3] d = Conv(m, w3) [sum] s = Add(c, d) [r2] r = Relu(s)
      [c4] e = Conv(r, w4, b4) [clip] q = Clip(e, lo, hi) [c5] f = Conv(q, w5, b5)
      [c6] v = Conv(m, w6) [gate] j = Sigmoid(v) [cat] o = Concat<axis = 1>(f, v) [resize] u = Resize<mode = "linear">(o, , twice) [pool] p = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(u)
      [gap] t = GlobalAveragePool(p) [flat] h = Flatten(t) [norm] n = LayerNormalization(h, lg, lb) [fc] y = Gemm(n, wf, bf) })");
  at::manual_seed(2);
  for (const auto& input : std::vector<Value*>(graph->inputs())) {
    if (input->name() == "x") continue;
    std::vector<int64_t> sizes;
    for (const Dim& dim : *input->shape) sizes.push_back(dim.value);
    at::Tensor data = input->name().starts_with("var") ? at::rand(sizes) + 0.5 : at::randn(sizes);
    if (input->name() == "w1") data = data * at::logspace(-1.2, 0.5, 8).reshape({8, 1, 1, 1});
    if (input->name() == "lg") data[3] = 20;
    if (input->name() == "w4") data = data * 0.1;
    if (input->name() == "b4") data[1] = 30;
    graph->remove_input(input);
    graph->make_constant(input, data);
  }
  return graph;
}

std::string number(double value) {
  std::ostringstream text;
  text.precision(9);
  text << value;
  return text.str();
}

std::string numbers(const at::Tensor& tensor) {
  if (!tensor.defined()) return "-";
  const at::Tensor flat = tensor.to(at::kDouble).contiguous().reshape({-1});
  std::string text = std::to_string(flat.numel());
  // A few elements, and two sums that see all of them.
  for (int64_t i = 0; i < std::min<int64_t>(4, flat.numel()); ++i) text += " " + number(flat[i].item<double>());
  return text + " " + number(flat.sum().item<double>()) + " " + number((flat * at::arange(flat.numel(), at::kDouble)).sum().item<double>());
}

/// Nodes, constants, and what is quantized how.
std::string described(const Graph& graph) {
  std::string text;
  std::map<const TensorQuant*, size_t> seen;
  for (const Node* node : graph.nodes()) {
    text += node->name + " " + node->op_type + (node->quantized ? " integer" : " float");
    for (const auto* slots : {&node->input_quant, &node->output_quant})
      for (const TensorQuantPtr& quant : *slots) {
        if (!quant) {
          text += " -";
          continue;
        }
        text += " #" + std::to_string(seen.try_emplace(quant.get(), seen.size()).first->second) + " " + name_of(quant->state) + " " +
                std::to_string(quant->scheme.bits) + " " + numbers(quant->params.scale) + " " + numbers(quant->params.offset);
      }
    for (const Value* value : node->inputs())
      if (value && value->constant().defined() && value->constant().is_floating_point()) text += " = " + numbers(value->constant());
    text += "\n";
  }
  return text;
}

std::string result(const json& setting_json) {
  const QuantizationSetting setting = QuantizationSetting::from_json(setting_json.dump());
  const auto graph = network();
  PassContext context;
  context.device = test::test_device();
  context.setting = &setting;
  run_passes(*graph, cleanup_pipeline(setting), context);
  at::manual_seed(9);
  std::vector<at::Tensor> samples;
  for (int i = 0; i < 8; ++i) samples.push_back(at::randn({1, 4, 8, 8}));
  TorchExecutor executor(*graph, test::test_device());
  Quantizer quantizer(*graph, TargetPlatform::QNN_DSP_INT8);
  quantizer.quantize(samples[0], samples, executor, setting, 8);
  return described(*graph);
}

/// Every field's path, "fusion_setting/fuse_activation".
struct Paths {
  std::vector<std::string> all;
  std::string prefix;
  template <class T>
  void field(const char* name, T&, const setting_fields::Rule& = {}) {
    all.push_back(prefix + name);
  }
  template <class T>
  void group(const char* name, T& setting) {
    const std::string outer = prefix;
    prefix += std::string(name) + "/";
    setting_fields::visit(*this, setting);
    prefix = outer;
  }
};

std::vector<std::string> paths() {
  Paths paths;
  QuantizationSetting setting;
  setting_fields::visit(paths, setting);
  return paths.all;
}

/// A field in another position, and what must be on for it to matter.
struct Flip {
  json value;
  json base = json::object();
};

/// One observer and plain weights, so that a difference is the field's.
json base_setting() {
  return json::parse(R"({"quantize_activation_setting": {"calib_algorithm": "minmax"},
    "ppq_torch": {"weight_search": "minmax", "choose_equalization_by_data": false, "cross_clip_equalization": false}})");
}

const std::map<std::string, Flip>& flips() {
  const json equalizes = {{"equalization", true}}, ssd = {{"ssd_equalization", true}, {"ssd_setting", {{"loss_threshold", 2.0}}}},
             splits = {{"channel_split", true},
                       {"channel_split_setting", {{"value_threshold", 0.1}}},
                       {"ppq_torch", {{"channel_split_ratio", 0.5}}}},
             weights = {{"weight_split", true}, {"weight_split_setting", {{"interested_layers", {"c2"}}, {"value_threshold", 1.0}}}},
             factorizes = {{"matrix_factorization", true}, {"matrix_factorization_setting", {{"interested_layers", {"c3"}}}}},
             corrects = {{"bias_correct", true}}, smooths = {{"ppq_torch", {{"smooth_layer_norm", true}}}};
  const auto with = [](json base, const json& more) {
    base.merge_patch(more);
    return base;
  };
  static const std::map<std::string, Flip> table = {
      {"dispatcher", {"pointwise"}},
      {"graph_format_setting/format_constant_op", {false}},
      {"graph_format_setting/fuse_conv_bn", {false}},
      {"graph_format_setting/delete_isolate", {false}},
      {"ssd_equalization", {true, with(ssd, {{"ssd_equalization", false}})}},
      {"ssd_setting/channel_ratio", {0.05, ssd}},
      {"ssd_setting/loss_threshold", {0.0, ssd}},
      {"ssd_setting/layer_norm", {true, ssd}},
      {"ssd_setting/iteration", {0, ssd}},
      {"equalization", {true}},
      {"equalization_setting/opt_level", {2, equalizes}},
      {"equalization_setting/iterations", {0, equalizes}},
      {"equalization_setting/value_threshold", {1e6, equalizes}},
      {"equalization_setting/including_bias", {true, with(equalizes, {{"equalization_setting", {{"bias_multiplier", 50.0}}}})}},
      {"equalization_setting/bias_multiplier", {50.0, with(equalizes, {{"equalization_setting", {{"including_bias", true}}}})}},
      {"equalization_setting/including_act", {true, with(equalizes, {{"equalization_setting", {{"act_multiplier", 50.0}}}})}},
      {"equalization_setting/act_multiplier", {50.0, with(equalizes, {{"equalization_setting", {{"including_act", true}}}})}},
      {"weight_split", {true, with(weights, {{"weight_split", false}})}},
      {"weight_split_setting/interested_layers", {json::array({"c5"}), weights}},
      {"weight_split_setting/value_threshold", {0.5, weights}},
      {"weight_split_setting/method", {"random", weights}},
      {"channel_split", {true, with(splits, {{"channel_split", false}})}},
      {"channel_split_setting/opt_level", {2, splits}},
      {"channel_split_setting/iterations", {0, splits}},
      {"channel_split_setting/value_threshold", {1e6, splits}},
      {"channel_split_setting/including_bias", {true, with(splits, {{"channel_split_setting", {{"bias_multiplier", 50.0}}}})}},
      {"channel_split_setting/bias_multiplier", {50.0, with(splits, {{"channel_split_setting", {{"including_bias", true}}}})}},
      {"channel_split_setting/including_act", {true, with(splits, {{"channel_split_setting", {{"act_multiplier", 50.0}}}})}},
      {"channel_split_setting/act_multiplier",
       {50.0, with(splits, {{"channel_split_setting", {{"including_act", true}, {"act_multiplier", 0.001}}}})}},
      {"matrix_factorization", {true, with(factorizes, {{"matrix_factorization", false}})}},
      {"matrix_factorization_setting/interested_layers", {json::array({"fc"}), factorizes}},
      {"quantize_activation", {false}},
      {"quantize_activation_setting/calib_algorithm", {"kl"}},
      {"quantize_parameter", {false}},
      {"quantize_parameter_setting/calib_algorithm", {"mse"}},
      {"quantize_parameter_setting/quantize_passive_parameter", {false}},
      {"quantize_parameter_setting/baking_parameter", {false}},
      {"bias_correct", {true}},
      {"bias_correct_setting/interested_layers", {json::array({"c1"}), corrects}},
      {"bias_correct_setting/steps", {2, corrects}},
      {"fusion", {false}},
      {"fusion_setting/remove_useless_quantization", {false}},
      {"fusion_setting/fuse_activation", {false}},
      {"fusion_setting/fuse_passive_op", {false}},
      {"fusion_setting/align_quantization", {false}},
      {"fusion_setting/align_avgpooling_to", {"Align to Output"}},
      {"fusion_setting/align_elementwise_to", {"Align to Output"}},
      {"fusion_setting/align_concat_to", {"None"}},
      {"fusion_setting/align_resize_to", {"None"}},
      {"fusion_setting/force_alignment_overlap", {false}},
      {"ppq_torch/passes", {json{{"bake-parameters", false}}}},
      {"ppq_torch/keep_float", {json::array({"c2"})}},
      {"ppq_torch/bits", {json{{"c2", 16}}}},
      {"ppq_torch/cross_clip_equalization", {true, equalizes}},
      {"ppq_torch/absorb_high_bias", {true}},
      {"ppq_torch/choose_equalization_by_data", {true, with(equalizes, {{"ppq_torch", {{"cross_clip_equalization", true}}}})}},
      {"ppq_torch/weight_search", {"mse"}},
      {"ppq_torch/smooth_layer_norm", {true}},
      {"ppq_torch/smooth_alpha", {1.0, smooths}},
      {"ppq_torch/channel_split_ratio", {1.0, splits}},
  };
  return table;
}

/// Fields of PPQ's files that bear on nothing here.
const std::map<std::string, std::string>& without_effect() {
  static const std::map<std::string, std::string> table = {
      {"graph_format_setting/format_paramters", "a parameter that several nodes share is copied when a pass writes to one of them"},
      {"graph_format_setting/format_cast", "a Cast's type is read where it is needed"},
      {"ssd_setting/opt_level", "1 is its only value, in PPQ too"},
      {"matrix_factorization_setting/method", "the closed form is what training heads for"},
      {"bias_correct_setting/block_size", "layers are corrected one behind the other, each on corrected inputs"},
      {"bias_correct_setting/collecting_device", "the job's device"},
      {"extension", "a pass of one's own is registered (examples/own_pass.cpp)"},
      {"version", "of the file"},
      {"signature", "of the file"},
  };
  return table;
}

/// Groups of passes that are not there yet: a job says so.
bool has_no_pass(const std::string& path) { return path.starts_with("lsq_optimization") || path.starts_with("blockwise_reconstruction"); }

json document(const std::string& path, const json& value) {
  json document = json::object();
  document[json::json_pointer("/" + path)] = value;
  return document;
}

TEST(SettingFields, EachIsInOneList) {
  for (const std::string& path : paths()) EXPECT_EQ(flips().count(path) + without_effect().count(path) + has_no_pass(path), 1u) << path;
  const auto all = paths();
  for (const auto& [path, flip] : flips()) EXPECT_EQ(std::count(all.begin(), all.end(), path), 1) << path;
  for (const auto& [path, why] : without_effect()) EXPECT_EQ(std::count(all.begin(), all.end(), path), 1) << path;
}

class SettingEffect : public testing::TestWithParam<std::string> {};

TEST_P(SettingEffect, AnotherValueGivesAnotherNetwork) {
  const Flip& flip = flips().at(GetParam());
  json base = base_setting();
  base.merge_patch(flip.base);
  json flipped = base;
  flipped.merge_patch(document(GetParam(), flip.value));
  // The default, where the base does not say.
  ASSERT_NE(QuantizationSetting::from_json(base.dump()), QuantizationSetting::from_json(flipped.dump())) << "nothing was flipped";
  EXPECT_NE(result(base), result(flipped));
}

std::vector<std::string> flipped_paths() {
  std::vector<std::string> all;
  for (const auto& [path, flip] : flips()) all.push_back(path);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Fields, SettingEffect, testing::ValuesIn(flipped_paths()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
});

}  // namespace
}  // namespace ppq
